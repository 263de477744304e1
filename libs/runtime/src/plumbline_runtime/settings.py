"""Settings of one process, read once from the environment at start-up."""

import os
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from plumbline_runtime.secrets import ConfigError

PREFIX: Final = "PLUMBLINE_"


class Settings(BaseModel):
    """Where the servers are, who this process is, and every time-out.

    Each field is also an environment variable: `PLUMBLINE_` and the name in capitals, except
    KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL, which carry no prefix (design 9).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    service: str
    kafka_bootstrap_servers: str
    database_url: str = Field(repr=False)
    topic_prefix: str = ""
    health_listen: str = "127.0.0.1:0"
    instance: str = "0"
    log_level: str = "INFO"
    home: str = ".plumbline"

    shutdown_seconds: float = Field(default=20.0, gt=0)
    """From SIGTERM to exit, at most."""
    drain_seconds: float = Field(default=10.0, gt=0)
    """What the batch in hand may take after SIGTERM or a rebalance."""
    draining_seconds: float = Field(default=1.0, ge=0)
    """How long no request has come before public addresses, that say 503 after SIGTERM, close: what
    a load balancer needs to see it and go elsewhere. At most three times as long in all."""
    batch_max_records: int = Field(default=500, ge=1)
    poll_ms: int = Field(default=10, ge=1, le=20)
    """FastStream's pause after an empty poll (design 11: 10-20 ms)."""
    batch_spacing_ms: int = Field(default=40, ge=0, le=500)
    """Batches of a consumer begin at least so far apart, so that a steady flow comes in few."""
    retry_seconds: float = Field(default=30.0, gt=0)
    """How long a batch is tried again while Kafka or PostgreSQL fail, before the process exits."""
    session_seconds: float = Field(default=30.0, ge=6)
    heartbeat_seconds: float = Field(default=3.0, gt=0)
    publish_timeout_seconds: float = Field(default=5.0, gt=0)
    request_timeout_seconds: float = Field(default=5.0, gt=0)
    producer_linger_ms: int = Field(default=0, ge=0, le=10)
    stop_seconds: float = Field(default=3.0, gt=0)
    """What closing the producer, a consumer or the pool may take, each."""
    connect_retry_seconds: float = Field(default=1.0, gt=0)
    """Pause between attempts to reach Kafka or PostgreSQL at start-up."""
    pool_min_size: int = Field(default=1, ge=0)
    pool_max_size: int = Field(default=6, ge=1)
    statement_timeout_seconds: float = Field(default=10.0, gt=0)
    idle_in_transaction_seconds: float = Field(default=15.0, gt=0)
    lock_timeout_seconds: float = Field(default=3.0, gt=0)
    watchdog_unassigned_seconds: float = Field(default=60.0, gt=0)
    watchdog_stalled_seconds: float = Field(default=45.0, gt=0)
    watchdog_loop_delay_seconds: float = Field(default=5.0, gt=0)
    circuit_retry_seconds: float = Field(default=15.0, gt=0)
    """Between probes of a connection that refuses us or is another account."""
    survey_seconds: float = Field(default=5.0, gt=0)
    """How often the deployment's lag, backlogs and freshness are measured for Prometheus."""
    letters_look_seconds: float = Field(default=600.0, gt=0)
    """How often letters past their topic's retention are looked for, to be forgotten."""
    dead_letter_brake_records: int = Field(default=200, ge=1)
    """That many dead letters in a row stop the consumer (design 11)."""

    @classmethod
    def from_environment(
        cls, service: str, environment: Mapping[str, str] | None = None
    ) -> "Settings":
        """Read the environment; raises ConfigError naming the variable."""
        env = os.environ if environment is None else environment
        values: dict[str, Any] = {"service": service}
        for name in ("kafka_bootstrap_servers", "database_url"):
            found = env.get(name.upper(), "")
            if not found:
                raise ConfigError(
                    f"environment: {name.upper()} is not set, expected the address of the server"
                )
            values[name] = found
        for name in cls.model_fields.keys() - values.keys():
            if (text := env.get(PREFIX + name.upper())) is not None:
                values[name] = text
        try:
            return cls(**values)
        except ValidationError as error:
            raise ConfigError(_explain(error)) from None


def _explain(error: ValidationError) -> str:
    problems = [
        f"{PREFIX}{str(item['loc'][0]).upper()}: found {item['input']!r}, {item['msg']}"
        for item in error.errors(include_url=False)
    ]
    return "environment: " + "; ".join(problems)
