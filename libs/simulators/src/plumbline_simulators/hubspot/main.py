"""`python -m plumbline_simulators.hubspot`: the simulator as a program."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from datetime import datetime

import uvloop

from plumbline_simulators.hubspot.simulator import hubspot_simulator


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; prints one line with the addresses when ready."""
    uvloop.run(_serve(_parse(argv)))
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="plumbline simulate hubspot", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port of the API (0: a free one)")
    parser.add_argument("--control-port", type=int, default=0, help="port of the control API")
    parser.add_argument("--access-token", default="pat-na1-simulated")
    parser.add_argument("--portal-id", type=int, default=4242)
    parser.add_argument("--app-id", type=int, default=77)
    parser.add_argument("--client-secret", default="simulated-client-secret")
    parser.add_argument("--webhook-url", help="where notifications are posted")
    parser.add_argument("--public-url", help="the address that is signed, when it differs")
    parser.add_argument("--start", type=datetime.fromisoformat, help="simulated instant, ISO")
    parser.add_argument("--frozen", action="store_true", help="the clock stands until moved")
    return parser.parse_args(argv)


async def _serve(options: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with hubspot_simulator(**vars(options)) as simulator:
        line = f"hubspot simulator: api {simulator.base_url} control {simulator.control_url}\n"
        sys.stdout.write(line)
        sys.stdout.flush()
        await stop.wait()
