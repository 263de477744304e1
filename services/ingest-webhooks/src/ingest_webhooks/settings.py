"""What can be set about this service, all from the environment, all with a default."""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

from plumbline_runtime.secrets import ConfigError

ROLES: Final = frozenset({"edge", "observe", "reader"})
MIB: Final = 1024 * 1024


class IngestSettings(NamedTuple):
    """Limits and time-outs; times in seconds."""

    roles: frozenset[str] = ROLES
    max_body_bytes: int = MIB
    max_waiting: int = 2000
    """Requests that may wait for Kafka at once; above it 503 without waiting (design 11)."""
    ack_timeout: float = 1.5
    """Leaves room within the two seconds in which a vendor hears 503 when Kafka is down."""
    body_timeout: float = 10.0
    signature_tolerance: float = 300.0
    """Vendors 1.1 and 2.8: five minutes, both ways."""
    ready_cache: float = 0.25
    heartbeat_max_age: float = 2.0
    read_batch: int = 100
    """A vendor's batch (vendors 2.3): full ones are read at once."""
    read_window: float = 0.25
    """Smaller batches wait this long after their first read, so that more can join."""
    read_poll: float = 0.5
    """How often wanted reads are looked for without being woken by this process's observe."""
    read_concurrency: int = 4
    """GETs in flight per Stripe connection."""
    refusal_limit: int = 20
    """Deliveries refused for their signature before a person is told."""
    refusal_window: float = 300.0
    """They count for so long, if none is accepted meanwhile."""
    refusal_look: float = 1.0
    """Between two looks at the counts."""
    lock_retry: float = 1.0
    backoff_first: float = 1.0
    backoff_cap: float = 900.0

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> "IngestSettings":
        """Read `PLUMBLINE_*`; raises ConfigError."""
        default = cls()
        return default._replace(
            roles=_roles(environ.get("PLUMBLINE_ROLES")),
            max_waiting=int(
                _positive(environ, "PLUMBLINE_EDGE_MAX_WAITING", float(default.max_waiting))
            ),
            ack_timeout=_positive(environ, "PLUMBLINE_ACK_TIMEOUT_SECONDS", default.ack_timeout),
            body_timeout=_positive(environ, "PLUMBLINE_BODY_TIMEOUT_SECONDS", default.body_timeout),
            heartbeat_max_age=_positive(
                environ, "PLUMBLINE_HEARTBEAT_MAX_AGE_SECONDS", default.heartbeat_max_age
            ),
            refusal_limit=int(
                _positive(environ, "PLUMBLINE_REFUSAL_LIMIT", float(default.refusal_limit))
            ),
            refusal_window=_positive(
                environ, "PLUMBLINE_REFUSAL_WINDOW_SECONDS", default.refusal_window
            ),
            read_window=_positive(environ, "PLUMBLINE_READ_WINDOW_SECONDS", default.read_window),
            read_poll=_positive(environ, "PLUMBLINE_READ_POLL_SECONDS", default.read_poll),
            backoff_first=_positive(
                environ, "PLUMBLINE_READ_BACKOFF_SECONDS", default.backoff_first
            ),
        )


def _roles(text: str | None) -> frozenset[str]:
    if not text:
        return ROLES
    roles = frozenset(part.strip() for part in text.split(",") if part.strip())
    if not roles or roles - ROLES:
        expected = ", ".join(sorted(ROLES))
        raise ConfigError(
            f"environment: PLUMBLINE_ROLES: found {text!r}, expected some of {expected}"
        )
    return roles


def _positive(environ: Mapping[str, str], name: str, default: float) -> float:
    text = environ.get(name)
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise ConfigError(f"environment: {name}: found {text!r}, expected a number greater than 0")
    return value
