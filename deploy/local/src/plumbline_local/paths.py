"""Where things live: `Home` holds a deployment's data, `Cache` what was downloaded (design 9)."""

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

SOCKET_PATH_LIMIT = 90
"""A unix socket's path ends at about 104 bytes, and the process manager adds its pid while
binding."""


class HomeError(Exception):
    """The home or cache folder cannot be used; the message names the folder and the remedy."""


@dataclass(frozen=True)
class Home:
    """The data folder of one deployment: everything it writes, and nothing it can download."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """PLUMBLINE_HOME, else `.plumbline/` in the working directory."""
        named = os.environ.get("PLUMBLINE_HOME") or ".plumbline"
        return cls(Path(named).expanduser().resolve())

    def ensure(self) -> None:
        """Create the folder, readable by its owner only. Raises HomeError when it is another
        user's."""
        make_private(self.root)
        for folder in (self.logs, self.kafka, self.postgres):
            make_private(folder)

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def kafka(self) -> Path:
        return self.root / "kafka"

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def run_file(self) -> Path:
        return self.root / "run.json"

    @property
    def targets_file(self) -> Path:
        """What a Prometheus scrapes; exists while the deployment runs."""
        return self.root / "prometheus-targets.json"

    @property
    def database_url_file(self) -> Path:
        """Address with password of the database in use; exists while the deployment runs."""
        return self.root / "database_url"

    @property
    def lock_file(self) -> Path:
        return self.root / "lock"

    @property
    def ports_file(self) -> Path:
        return self.root / "ports.json"

    @property
    def supervisor_config(self) -> Path:
        return self.root / "supervisord.conf"

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def supervisor_socket(self) -> Path:
        """In the home, or in a private folder of the temporary directory when the home's path is
        long."""
        inside = self.root / "supervisor.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        digest = sha256(os.fsencode(self.root)).hexdigest()[:12]
        folder = Path(tempfile.gettempdir()) / f"plumbline-{os.geteuid()}-{digest}"
        make_private(folder)
        return folder / "supervisor.sock"


@dataclass(frozen=True)
class Cache:
    """Downloads shared by every home of this user. With it filled, a new home starts offline."""

    root: Path

    @classmethod
    def from_environment(cls) -> "Cache":
        """PLUMBLINE_CACHE, else `plumbline` in the user's cache folder (XDG_CACHE_HOME)."""
        named = os.environ.get("PLUMBLINE_CACHE")
        if named:
            return cls(Path(named).expanduser().resolve())
        base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
        return cls((Path(base).expanduser() / "plumbline").resolve())

    def ensure(self) -> None:
        """Create the folder. Raises HomeError when its path cannot stand in a Java class path."""
        if os.pathsep in str(self.root):
            message = f"{self.root}: a cache folder may not have {os.pathsep!r} in its path"
            raise HomeError(
                f"{message} (Java class paths are separated by it); set PLUMBLINE_CACHE"
            )
        try:
            self.root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"{self.root}: cannot create the cache folder ({error.strerror})"
            raise HomeError(f"{message}; set PLUMBLINE_CACHE to a folder you may write") from error


def make_private(folder: Path) -> None:
    """Create `folder` with mode 0700; tightens it when it exists. Parents are left as they are."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = folder.lstat()
        if found.st_uid == os.geteuid() and found.st_mode & 0o077:
            folder.chmod(0o700)
    except OSError as error:
        message = f"{folder}: cannot create it or set its permissions ({error.strerror})"
        raise HomeError(f"{message}; set PLUMBLINE_HOME to a folder you may write") from error
    if found.st_uid != os.geteuid():
        owner = f"{folder} belongs to user {found.st_uid}, this is user {os.geteuid()}"
        raise HomeError(f"{owner}; run as that user or set PLUMBLINE_HOME to another folder")


def write_once(path: Path, text: str) -> None:
    """Make `path` hold `text`, mode 0600, unless it is there: of two writers the first wins."""
    mine = path.with_name(f".{path.name}.{os.getpid()}.new")
    write_private(mine, text)
    with suppress(FileExistsError):
        path.hardlink_to(mine)
    mine.unlink()


def write_private(path: Path, text: str) -> None:
    """Replace `path` by `text` in one step, mode 0600: a reader sees the old or the new, whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
