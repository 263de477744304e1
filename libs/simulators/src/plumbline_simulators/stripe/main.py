"""Stripe simulator as a program: `python -m plumbline_simulators.stripe --port N`."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import uvloop

from plumbline_simulators.clock import ClockError, parse_instant
from plumbline_simulators.control import ControlError
from plumbline_simulators.server import ServerError
from plumbline_simulators.stripe.delivery import DeliverySettings
from plumbline_simulators.stripe.ledger import BillingSettings
from plumbline_simulators.stripe.seeding import seed
from plumbline_simulators.stripe.simulator import (
    DEFAULT_KEY,
    StripeSettings,
    Webhook,
    stripe_simulator,
)
from plumbline_simulators.stripe.versions import DEFAULT_VERSION


async def run(
    port: int,
    control_port: int,
    settings: StripeSettings,
    *,
    host: str = "127.0.0.1",
    seed_data: dict[str, Any] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; prints one line with the addresses once ready."""
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with stripe_simulator(
        settings, port=port, control_port=control_port, host=host
    ) as simulator:
        if seed_data is not None:
            seed(simulator.state.ledger, seed_data)
        line = f"stripe simulator api={simulator.base_url} control={simulator.control_url}\n"
        sys.stdout.write(line)
        sys.stdout.flush()
        await stopping.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 after a signal, 2 when it cannot start."""
    options = _parser().parse_args(argv)
    try:
        settings = _settings(options)
        file: Path | None = options.seed_file
        seed_data = None if file is None else orjson.loads(file.read_bytes())
        uvloop.run(
            run(
                options.port,
                options.control_port,
                settings,
                host=options.host,
                seed_data=seed_data,
            )
        )
    except (ClockError, ControlError, ServerError, OSError, orjson.JSONDecodeError) as error:
        sys.stderr.write(f"stripe simulator: {error}\n")
        return 2
    return 0


def _settings(options: argparse.Namespace) -> StripeSettings:
    urls, secrets = options.webhook_url, options.webhook_secret
    if len(urls) != len(secrets):
        raise ControlError("give one --webhook-secret for each --webhook-url")
    return StripeSettings(
        api_keys=tuple(options.api_key or [DEFAULT_KEY]),
        start=None if options.start is None else parse_instant(options.start),
        frozen=options.frozen,
        livemode=options.live,
        version=options.api_version,
        database=options.database,
        rate_per_second=options.rate_per_second,
        billing=BillingSettings(
            finalize_after_seconds=options.finalize_after_seconds,
            after_retries=options.after_retries,
        ),
        delivery=DeliverySettings(concurrency=options.concurrency),
        webhooks=[Webhook(url, secret) for url, secret in zip(urls, secrets, strict=True)],
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="plumbline simulate stripe", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="of the API; 0 takes a free one")
    parser.add_argument("--control-port", type=int, default=0)
    parser.add_argument("--api-key", action="append", help=f"repeatable; default {DEFAULT_KEY}")
    parser.add_argument("--webhook-url", action="append", default=[], help="repeatable")
    parser.add_argument("--webhook-secret", action="append", default=[], help="one per url")
    parser.add_argument("--start", help="ISO instant at which the simulated clock begins")
    parser.add_argument("--frozen", action="store_true", help="the clock moves only when told")
    parser.add_argument("--live", action="store_true", help="livemode true on every object")
    parser.add_argument("--api-version", default=DEFAULT_VERSION, help="of the account")
    parser.add_argument("--database", default=":memory:", help="SQLite file")
    parser.add_argument("--seed-file", type=Path, help="JSON as for POST /control/seed")
    parser.add_argument("--rate-per-second", type=float, help="429 above this")
    parser.add_argument("--concurrency", type=int, default=32, help="of webhook deliveries")
    parser.add_argument("--finalize-after-seconds", type=int, default=3600)
    parser.add_argument(
        "--after-retries", choices=("canceled", "unpaid", "past_due"), default="canceled"
    )
    return parser
