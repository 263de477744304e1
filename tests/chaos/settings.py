"""How the stage's deployment is set: its file, what that refers to, and short time-outs."""

from pathlib import Path

from plumbline_local.paths import Home, write_private

from tests.chaos.vendors import (
    ACCESS_TOKEN,
    API_KEY,
    CLIENT_SECRET,
    WEBHOOK_SECRET,
    WORKSPACE,
    Vendors,
)

CONFIG = """
[edge]
listen = "{listen}"
[workspace]
id = "{workspace}"
currency = "USD"
clock = "stripe"
[connections.stripe]
kind = "stripe"
mode = "test"
api_key = "file:{secrets}/stripe-key"
webhook_secrets = ["file:{secrets}/stripe-hook"]
api_base = "{stripe}"
[connections.hubspot]
kind = "hubspot"
access_token = "file:{secrets}/hubspot-token"
client_secret = "file:{secrets}/hubspot-client"
portal_id = "4242"
api_base = "{hubspot}"
rate_per_10_seconds = 190
[policies]
first_write = "auto"
unmatched = "hybrid"
[rates]
source = "file:rates.csv"
"""
RATES = "Date,USD\n2026-01-02,{usd}\n2099-01-02,1.1\n"
"""One rate that is in effect, and one of a day that never comes: so no clock makes it stale."""
QUICK = {
    "PLUMBLINE_TICK_SECONDS": "1",
    "PLUMBLINE_DRAINING_SECONDS": "0.3",
    "PLUMBLINE_SESSION_SECONDS": "6",
    "PLUMBLINE_HEARTBEAT_SECONDS": "1",
    "PLUMBLINE_WATCHDOG_UNASSIGNED_SECONDS": "10",
    "PLUMBLINE_WATCHDOG_STALLED_SECONDS": "10",
    "PLUMBLINE_CONNECT_RETRY_SECONDS": "0.2",
    "PLUMBLINE_CIRCUIT_RETRY_SECONDS": "1",
    "PLUMBLINE_READ_BACKOFF_SECONDS": "0.2",
    "PLUMBLINE_WALK_RETRY_SECONDS": "0.5",
    "PLUMBLINE_REFUSED_RETRY_SECONDS": "1",
    "PLUMBLINE_WRITEBACK_HTTP_TIMEOUT_SECONDS": "2",
    "PLUMBLINE_WRITEBACK_LATE_WINDOW_SECONDS": "10",
    "PLUMBLINE_WRITEBACK_CIRCUIT_RETRY_SECONDS": "1",
    "PLUMBLINE_MATCHER_LEFTOVERS_SECONDS": "0.2",
    "PLUMBLINE_RATES_LOOK_SECONDS": "0.5",
}
"""Time-outs of every service, short so that a case takes seconds."""


def put_rates(folder: Path, usd: str) -> None:
    """A new file renamed, as an operator is told to."""
    fresh = folder / "rates.new"
    fresh.write_text(RATES.format(usd=usd), encoding="utf-8")
    fresh.rename(folder / "rates.csv")


def write_config(home: Home, vendors: Vendors, listen: str) -> Path:
    """The deployment's file, with the secrets and rates it refers to."""
    secrets = home.root / "secrets"
    for name, value in {
        "stripe-key": API_KEY, "stripe-hook": WEBHOOK_SECRET,
        "hubspot-token": ACCESS_TOKEN, "hubspot-client": CLIENT_SECRET,
    }.items():  # fmt: skip
        write_private(secrets / name, value)
    put_rates(home.root, "1.1")
    place = home.root / "chaos.toml"
    text = CONFIG.format(
        listen=listen, workspace=WORKSPACE, secrets=secrets,
        stripe=vendors.stripe_url, hubspot=vendors.hubspot.base_url,
    )  # fmt: skip
    write_private(place, text)
    return place
