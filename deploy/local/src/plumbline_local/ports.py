"""Free loopback ports, kept between starts while they stay free."""

import json
import secrets
import socket
from collections.abc import Iterable
from pathlib import Path

from plumbline_local.paths import Home, write_private

LOOPBACK = "127.0.0.1"
LOWEST, HIGHEST = 20_000, 32_000
"""Below the range from which systems give ports to outgoing connections, so that no client's
connection takes the port of a server that is just being restarted."""


class NoFreePortError(Exception):
    """Two hundred tries found no free port."""


def is_free(port: int) -> bool:
    """Whether a server could listen on the loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def free_port(avoid: Iterable[int] = ()) -> int:
    """A random free loopback port that is not in `avoid`."""
    taken = frozenset(avoid)
    for _ in range(200):
        port = LOWEST + secrets.randbelow(HIGHEST - LOWEST)
        if port not in taken and is_free(port):
            return port
    raise NoFreePortError(f"no free port on {LOOPBACK} between {LOWEST} and {HIGHEST}")


def keep_ports(home: Home, names: Iterable[str]) -> dict[str, int]:
    """A port for each name: the one of the last start when it is still free, else a new one."""
    known = _read(home.ports_file)
    chosen: dict[str, int] = {}
    for name in names:
        port = known.get(name)
        if port is None or port in chosen.values() or not is_free(port):
            port = free_port({*known.values(), *chosen.values()})
        chosen[name] = port
    write_private(home.ports_file, json.dumps({**known, **chosen}, indent=1) + "\n")
    return chosen


def _read(path: Path) -> dict[str, int]:
    """The ports of the last start; a missing or damaged file only means that new ones are
    chosen."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    if not isinstance(found, dict):
        return {}
    return {str(name): port for name, port in found.items() if isinstance(port, int)}
