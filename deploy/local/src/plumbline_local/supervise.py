"""The process manager: supervisord's configuration and its XML-RPC over a unix socket.

The configuration holds names only. Commands and environments are in supervisord's own
environment, where launch.py finds them, so that no secret and no path needs quoting in a file.
"""

import os
import shlex
import subprocess
import sys
import threading
import xmlrpc.client
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Literal, NamedTuple

from supervisor.xmlrpc import SupervisorTransport

from plumbline_local.paths import Home, write_private
from plumbline_local.program import Program, launch_command, launch_environment

LAUNCHER = "PLUMBLINE_LAUNCHER"
SERVICES, INFRASTRUCTURE = "services", "infrastructure"
SERVICE_STOP_SECONDS, INFRASTRUCTURE_STOP_SECONDS = 20, 6
START_RETRIES = 8
"""Waits of 1, 2, ... 8 s between the starts of a program that ends at once; then the monitor
begins anew."""

State = Literal[
    "STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"
]


class ManagerError(Exception):
    """The process manager does not answer, or refused what was asked of it."""


class ProcessInfo(NamedTuple):
    """A program as the manager sees it. `started` is the epoch second of its latest start, 0
    before any."""

    name: str
    state: State
    pid: int | None
    started: int


@dataclass(frozen=True)
class Group:
    """Programs that start and stop together; a lower priority starts earlier and stops later."""

    name: str
    programs: Sequence[Program]
    priority: int
    autostart: bool
    start_seconds: int
    stop_seconds: int


def config_text(groups: Sequence[Group], socket_path: Path, home: Home) -> str:
    """supervisord.conf for a deployment's groups."""
    inside = socket_path.parent == home.root
    address = f"%(here)s/{socket_path.name}" if inside else str(socket_path)
    head = f"""[unix_http_server]
file = {address}
chmod = 0700

[supervisord]
nodaemon = true
silent = true
logfile = %(here)s/logs/supervisord.log
logfile_maxbytes = 5MB
logfile_backups = 2
pidfile = %(here)s/supervisord.pid
umask = 077
minfds = 256
minprocs = 32

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
"""
    return head + "".join(_group_text(group) for group in groups if group.programs)


def _group_text(group: Group) -> str:
    names = ",".join(program.name for program in group.programs)
    text = f"\n[group:{group.name}]\nprograms = {names}\npriority = {group.priority}\n"
    return text + "".join(_program_text(program, group) for program in group.programs)


def _program_text(program: Program, group: Group) -> str:
    return f"""
[program:{program.name}]
command = %(ENV_{LAUNCHER})s {program.name}
autostart = {str(group.autostart).lower()}
autorestart = true
startsecs = {group.start_seconds}
startretries = {START_RETRIES}
stopsignal = {program.stop_signal.name.removeprefix("SIG")}
stopwaitsecs = {group.stop_seconds}
killasgroup = true
redirect_stderr = true
stdout_logfile = %(here)s/logs/{program.name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 3
"""


class Manager:
    """A supervisord of our own and its remote control. Every method blocks; use it from a
    thread."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._socket = home.supervisor_socket()
        self._groups: dict[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, groups: Sequence[Group], env: Mapping[str, str]) -> None:
        """Start supervisord with `groups`; `env` is what every inheriting program gets."""
        self._socket.unlink(missing_ok=True)
        write_private(self._home.supervisor_config, config_text(groups, self._socket, self._home))
        programs = [program for group in groups for program in group.programs]
        self._groups = {program.name: group.name for group in groups for program in group.programs}
        inner = {
            **launch_environment(programs, self._home.root),
            LAUNCHER: shlex.join(launch_command("")[:-1]),
        }
        config = str(self._home.supervisor_config)
        outer = Program(
            name="supervisord",
            argv=(sys.executable, "-m", "supervisor.supervisord", "-c", config),
            env=inner,
            inherit=True,
        )
        follow = threading.current_thread() is threading.main_thread()
        variables = launch_environment([outer], self._home.root, follow_parent=follow)
        with self._home.log_file("supervisord").open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own launcher
                launch_command(outer.name),
                env={**os.environ, **env, **variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # a terminal's Ctrl-C is for us alone
            )

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def processes(self) -> dict[str, ProcessInfo]:
        """Every program by name."""
        return {
            row["name"]: ProcessInfo(
                row["name"], row["statename"], row["pid"] or None, row["start"]
            )
            for row in self._call("getAllProcessInfo")
        }

    def start(self, name: str) -> None:
        self._call("startProcess", self._full(name), False)

    def start_group(self, group: str) -> None:
        self._call("startProcessGroup", group, False)

    def stop(self, name: str) -> None:
        """Ask the program to end and return when it has."""
        self._call("stopProcess", self._full(name), True)

    def stop_group(self, group: str) -> None:
        """Ask all programs of the group to end, without waiting."""
        self._call("stopProcessGroup", group, False)

    def kill(self, name: str) -> None:
        self._call("signalProcess", self._full(name), "SIGKILL")

    def kill_group(self, group: str) -> None:
        self._call("signalProcessGroup", group, "SIGKILL")

    def shutdown(self) -> None:
        self._call("shutdown")

    def end(self, seconds: float) -> None:
        """Wait for supervisord's end, kill it after `seconds`, remove its socket."""
        if self.process is not None:
            try:
                self.process.wait(seconds)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._socket.unlink(missing_ok=True)

    def group_of(self, name: str) -> str | None:
        return self._groups.get(name)

    def _full(self, name: str) -> str:
        return f"{self._groups[name]}:{name}"

    def _call(self, method: str, *arguments: object) -> Any:
        transport = SupervisorTransport(None, None, f"unix://{self._socket}")
        proxy = xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport)
        try:
            return getattr(proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise ManagerError(f"{method}{arguments}: {fault.faultString}") from fault
        except (OSError, HTTPException, xmlrpc.client.ProtocolError) as error:
            raise ManagerError(
                f"{method}: the process manager does not answer ({error})"
            ) from error
        finally:
            transport.close()
