"""Starts one program of a deployment and becomes it. Standard library only: run as a file,
isolated.

`python -I -S launch.py NAME` takes the entry NAME of the JSON in PLUMBLINE_PROGRAMS (see
program.py): so neither arguments nor secrets stand in a configuration file. Before the exec it

- gives the program its environment: that of the caller, or a clean one for servers that need no
  secret;
- takes root away where a program refuses it (`identity`, see identity.py);
- holds signals back for a program that lets them in once it can obey them;
- asks the kernel for a signal when the parent dies (Linux), so that nothing outlives a killed
  manager.
"""

import ctypes
import json
import os
import resource
import signal
import sys
from pathlib import Path

PROGRAMS = "PLUMBLINE_PROGRAMS"
INNER_ID = 1000
OPEN_FILES = 65_536
CLEAN = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "USER", "LOGNAME")
MANAGERS_OWN = ("SUPERVISOR_", "PLUMBLINE_LAUNCHER")
PR_SET_PDEATHSIG, PR_SET_KEEPCAPS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
CLONE_NEWUSER = 0x10000000
CAPABILITY_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1


def call(function: str, *arguments: object) -> None:
    """Call into the C library; raises OSError."""
    if getattr(ctypes.CDLL(None, use_errno=True), function)(*arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{function}: {os.strerror(number)}")


def prctl(option: int, *arguments: int) -> None:
    padded = (*arguments, 0, 0, 0, 0)[:4]
    call("prctl", option, *(ctypes.c_ulong(value) for value in padded))


def enter_user_namespace() -> None:
    """Become an ordinary user in a namespace of one's own that is the caller outside."""
    uid, gid = os.geteuid(), os.getegid()
    call("unshare", CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{INNER_ID} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{INNER_ID} {gid} 1")


def become_user(uid: int) -> None:
    """Drop root for `uid`, keeping only the right to pass folders that are closed to that user."""
    prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    bit = 1 << CAP_DAC_OVERRIDE  # effective, permitted, inheritable; then the upper 32 bits of each
    call("capset", header, (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0))
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE)


def take_identity(identity: str) -> None:
    if identity == "user_namespace":
        enter_user_namespace()
    elif identity.startswith("uid:"):
        become_user(int(identity.removeprefix("uid:")))


def follow_parent(number: int) -> None:
    """Have `number` sent to this process when its parent dies. After every change of identity,
    which would undo it."""
    if sys.platform == "linux" and number:
        prctl(PR_SET_PDEATHSIG, number)


def raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> None:
    program = json.loads(os.environ.pop(PROGRAMS))[sys.argv[1]]
    if program["holds_signals"]:
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
    inherited = {
        name: value
        for name, value in os.environ.items()
        if (program["inherit"] or name in CLEAN) and not name.startswith(MANAGERS_OWN)
    }
    if program["cwd"]:
        os.chdir(program["cwd"])
    os.umask(0o077)
    raise_file_limit()
    take_identity(program["identity"])
    follow_parent(program["parent_signal"])
    argv = program["argv"]
    os.execve(argv[0], argv, inherited | program["env"])  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
