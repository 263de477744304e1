"""How a server that refuses to run as root is run by root.

In order of preference: a user namespace in which root is an ordinary user (files stay root's); a
service user that keeps the one right to pass closed folders (for containers that forbid
namespaces). Nothing is copied, and no permission of a parent folder changes. An ordinary user
runs the server as itself.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from plumbline_local.program import Program, launch_command, launch_environment

SAME = "same"
USER_NAMESPACE = "user_namespace"
NOBODY = "uid:65534"


class RootRefusedError(Exception):
    """This root may neither make a user namespace nor become another user."""


def owner_of(identity: str) -> int:
    """The user who owns, as seen from here, the files of a server run with `identity`."""
    return int(identity.removeprefix("uid:")) if identity.startswith("uid:") else os.geteuid()


def choose_identity(executable: Path, candidates: Sequence[str] = (USER_NAMESPACE, NOBODY)) -> str:
    """The first candidate with which `executable --version` runs; SAME for an ordinary user."""
    if os.geteuid() != 0:
        return SAME
    reasons = []
    for candidate in candidates if sys.platform == "linux" else ():
        program = Program("probe", (str(executable), "--version"), identity=candidate)
        found = subprocess.run(  # noqa: S603 - our own launcher
            launch_command("probe"),
            env=launch_environment([program], follow_parent=False),
            capture_output=True,
            text=True,
            check=False,
        )
        if found.returncode == 0:
            return candidate
        reasons.append(f"{candidate}: {(found.stderr.strip().splitlines() or ['failed'])[-1]}")
    raise RootRefusedError(
        "PostgreSQL does not run as root, and this root may not run it as another user "
        f"({'; '.join(reasons)}): run Plumbline as an ordinary user, or set DATABASE_URL"
    )
