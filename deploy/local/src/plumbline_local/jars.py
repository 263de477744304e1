"""The jars Kafka consists of: downloaded once through jgo, checked against the committed sums
always."""

import os
import shutil
import tempfile
import tomllib
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path

from jgo.constants import MAVEN_CENTRAL_URL

from plumbline_local.locks import exclusive
from plumbline_local.paths import Cache

Progress = Callable[[str], None]
LOCK = Path(__file__).with_name("jgo.lock.toml")
PARALLEL_DOWNLOADS = 6
ATTEMPTS = 3


class JarError(Exception):
    """A jar cannot be had or is not the one the lock names; the message says which and from
    where."""


@dataclass(frozen=True)
class Jar:
    """One line of the lock: Maven coordinates and the sum of the file."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        return f"{self.artifact}-{self.version}.jar"


@dataclass(frozen=True)
class Repository:
    """The Maven repository to download from: PLUMBLINE_MAVEN_REPOSITORY, else Maven Central."""

    url: str

    @classmethod
    def from_environment(cls) -> "Repository":
        named = os.environ.get("PLUMBLINE_MAVEN_REPOSITORY")
        return cls((named or MAVEN_CENTRAL_URL).rstrip("/"))

    def fetch(self, jar: Jar, into: Path) -> Path:
        """Download `jar` below `into` and return the file. Any failure is a JarError."""
        with warnings.catch_warnings():
            # Importing jgo asks for the user's runtime folder and warns when a system has none.
            warnings.simplefilter("ignore")
            from jgo.maven import MavenContext  # noqa: PLC0415 - slow, and only for downloads
        problem: Exception | None = None
        for attempt in range(ATTEMPTS):
            context = MavenContext(
                repo_cache=into / str(attempt), remote_repos={"central": self.url}, timeout=10
            )
            component = context.project(jar.group, jar.artifact).at_version(jar.version)
            try:
                return Path(component.artifact().resolve())
            except (OSError, RuntimeError) as error:  # requests' errors are OSErrors
                problem = error
        message = f"{jar.file_name}: cannot download it from {self.url}"
        raise JarError(f"{message} ({problem}); it is needed once, later starts are offline")


def locked_jars() -> tuple[Jar, ...]:
    """Every jar of the committed lock."""
    rows = tomllib.loads(LOCK.read_text(encoding="utf-8"))["dependencies"]
    return tuple(
        Jar(row["groupId"], row["artifactId"], row["version"], row["sha256"]) for row in rows
    )


def sha256_of(path: Path) -> str | None:
    """The file's sum in hex, None when there is no file."""
    try:
        with path.open("rb") as file:
            return file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def ensure_jars(
    cache: Cache, progress: Progress, jars: Sequence[Jar], repository: Repository
) -> tuple[Path, ...]:
    """The files of `jars`, each with the sum the lock names, in the lock's order.

    What is missing or damaged is downloaded into a staging folder, checked there and renamed into
    place, so an interrupted download leaves nothing that looks whole. Several processes may call
    this at once.
    """
    folder = cache.root / "jars"
    wrong = _not_as_locked(folder, jars)
    if wrong:
        cache.ensure()
        folder.mkdir(exist_ok=True)
        waiting = "Kafka: waiting for another process that is downloading the jars"
        with exclusive(cache.root / "jars.lock", lambda: progress(waiting)):
            _download(_not_as_locked(folder, jars), folder, progress, repository)
    return tuple(folder / jar.file_name for jar in jars)


def _not_as_locked(folder: Path, jars: Sequence[Jar]) -> list[Jar]:
    return [jar for jar in jars if sha256_of(folder / jar.file_name) != jar.sha256]


def _download(
    jars: Sequence[Jar], folder: Path, progress: Progress, repository: Repository
) -> None:
    if not jars:
        return
    progress(f"Kafka: downloading {len(jars)} jars from {repository.url}")
    for abandoned in folder.parent.glob(
        "staging-*"
    ):  # of a download that was killed; we hold the lock
        shutil.rmtree(abandoned)
    size = 0
    with (
        tempfile.TemporaryDirectory(prefix="staging-", dir=folder.parent) as staging,
        ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool,
    ):
        tasks = [
            pool.submit(_place, jar, Path(staging) / str(number), folder, repository)
            for number, jar in enumerate(jars)
        ]
        try:
            for done, task in enumerate(as_completed(tasks), 1):
                size += task.result()
                if done % 5 == 0 or done == len(jars):
                    progress(f"Kafka: {done} of {len(jars)} jars, {size / 1e6:.0f} MB")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _place(jar: Jar, staging: Path, folder: Path, repository: Repository) -> int:
    """Download, check, move into place; the size in bytes."""
    fetched = repository.fetch(jar, staging)
    found = sha256_of(fetched)
    if found != jar.sha256:
        message = f"{jar.file_name} from {repository.url} has the SHA-256 sum {found}"
        raise JarError(f"{message}, the lock says {jar.sha256}: not used, nothing was kept")
    size = fetched.stat().st_size
    fetched.replace(folder / jar.file_name)
    return size
