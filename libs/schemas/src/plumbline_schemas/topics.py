"""The registry of topics: they are created from it, tested against it, documented from it."""

from typing import Any, Final, NamedTuple

from plumbline_schemas.accounts import AccountState
from plumbline_schemas.attention import Attention
from plumbline_schemas.internal import Decision
from plumbline_schemas.observations import OBSERVATION_ADAPTER
from plumbline_schemas.outcomes import RefreshRequest, WritebackOutcome
from plumbline_schemas.typed_events import ACCOUNT_EVENT_ADAPTER

DAY_MS: Final = 24 * 60 * 60 * 1000
FOREVER: Final = -1
PARTITIONS: Final = 12
MIB: Final = 1024 * 1024


class Topic(NamedTuple):
    """One topic: contract, size, life and who stands at each end."""

    name: str
    description: str
    key: str
    model: Any
    """pydantic model or adapter of the value; None for raw vendor bytes."""
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    owner: str
    retention_ms: int = 35 * DAY_MS
    compacted: bool = False
    max_message_bytes: int = 2 * MIB
    partitions: int = PARTITIONS
    dead_letters: bool = False
    """Whether a `.dlq` topic stands beside it."""

    @property
    def letters_by(self) -> str:
        """The consumer that writes the letters of records nobody can read: the first."""
        return self.consumers[0]

    @property
    def dlq(self) -> str:
        """Name of the dead-letter topic."""
        return f"{self.name}.dlq"

    def config(self) -> dict[str, str]:
        """Kafka's topic settings."""
        settings = {"max.message.bytes": str(self.max_message_bytes)}
        if self.compacted:
            settings |= {
                "cleanup.policy": "compact",
                "delete.retention.ms": str(35 * DAY_MS),
                "min.cleanable.dirty.ratio": "0.1",
            }
        else:
            settings |= {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        return settings


WEBHOOKS_RECEIVED: Final = Topic(
    "webhooks.received.v1",
    "One record per delivery: the raw body, unchanged.",
    "external key when the head tells it, else delivery id",
    None,
    ("ingest-webhooks",),
    ("ingest-webhooks",),
    "ingest-webhooks",
    dead_letters=True,
)
OBSERVATIONS: Final = Topic(
    "observations.v1",
    "The ordered log per workspace: everything that can change an account.",
    "external key of the object; partition by workspace",
    OBSERVATION_ADAPTER,
    ("ingest-webhooks", "reconciler", "console"),
    ("matcher", "writeback"),
    "matcher",
    dead_letters=True,
)
REFRESH_REQUESTS: Final = Topic(
    "refresh.requests.v1",
    "Look at an object again.",
    "external key",
    RefreshRequest,
    ("matcher", "writeback", "reconciler"),
    ("ingest-webhooks",),
    "ingest-webhooks",
    retention_ms=7 * DAY_MS,
    dead_letters=True,
)
ACCOUNTS_STATE: Final = Topic(
    "accounts.state.v1",
    "The whole account; newest version wins.",
    "account id",
    AccountState,
    ("matcher",),
    ("writeback", "downstream"),
    "matcher",
    compacted=True,
    dead_letters=True,
)
ACCOUNTS_EVENTS: Final = Topic(
    "accounts.events.v1",
    "Typed account changes with their cause.",
    "account id",
    ACCOUNT_EVENT_ADAPTER,
    ("matcher",),
    ("downstream",),
    "matcher",
)
DECISIONS: Final = Topic(
    "decisions.v1",
    "Permanent copy of people's decisions.",
    "external key",
    Decision,
    ("matcher",),
    ("downstream",),
    "matcher",
    retention_ms=FOREVER,
)
WRITEBACK_OUTCOMES: Final = Topic(
    "writeback.outcomes.v1",
    "What became of each CRM write.",
    "account id",
    WritebackOutcome,
    ("writeback",),
    ("downstream",),
    "writeback",
)
ATTENTION: Final = Topic(
    "attention.v1",
    "Whatever needs a person.",
    "workspace/kind/subject",
    Attention,
    ("ingest-webhooks", "matcher", "writeback", "reconciler"),
    ("console", "downstream"),
    "console",
    compacted=True,
)

TOPICS: Final[dict[str, Topic]] = {
    topic.name: topic
    for topic in (
        WEBHOOKS_RECEIVED,
        OBSERVATIONS,
        REFRESH_REQUESTS,
        ACCOUNTS_STATE,
        ACCOUNTS_EVENTS,
        DECISIONS,
        WRITEBACK_OUTCOMES,
        ATTENTION,
    )
}


def dead_letter_topics() -> dict[str, Topic]:
    """The `.dlq` topics, declared like any other; records keep the original key and value."""
    return {
        topic.dlq: Topic(
            topic.dlq,
            f"Records of {topic.name} that could not be handled, with the reason.",
            topic.key,
            None,
            topic.consumers,
            ("console",),
            topic.owner,
            max_message_bytes=3 * MIB,
        )
        for topic in TOPICS.values()
        if topic.dead_letters
    }


def all_topics() -> dict[str, Topic]:
    """Everything that must exist in Kafka."""
    return TOPICS | dead_letter_topics()
