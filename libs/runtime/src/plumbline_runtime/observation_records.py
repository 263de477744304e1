"""The Kafka record of an observation: keyed by the object, placed by the workspace."""

from typing import NamedTuple

from plumbline_schemas.envelope import Envelope, Headers
from plumbline_schemas.observations import AnyObservation, encode_observation
from plumbline_schemas.topics import OBSERVATIONS

from plumbline_runtime.partitioner import workspace_partition
from plumbline_runtime.tracing import observation_trace, traceparent


class ObservationRecord(NamedTuple):
    """What `Producer.publish_observations` appends."""

    key: str
    value: bytes
    headers: Headers
    partition: int


def observation_record(observation: AnyObservation) -> ObservationRecord:
    """Render an observation with its CloudEvents headers (design 4).

    `ce_id` names what was seen: the object with the vendor's event, or with how and when it was
    looked at.
    """
    seen = observation.event_id or f"{observation.seen}-{observation.vendor_time_ms}"
    envelope = Envelope(
        id=f"{observation.key}/{seen}",
        source=f"/workspaces/{observation.workspace}/connections/{observation.connection}",
        type=f"observation.{observation.kind}",
        time=observation.received_at,
        subject=observation.key,
        schema=OBSERVATIONS.name,
        partition_key=observation.workspace,
        traceparent=traceparent(observation_trace(observation)),
    )
    return ObservationRecord(
        observation.key,
        encode_observation(observation),
        envelope.headers(),
        workspace_partition(observation.workspace, OBSERVATIONS.partitions),
    )
