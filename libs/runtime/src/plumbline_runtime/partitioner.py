"""Which partition a key belongs to: the same murmur2 as Kafka's Java client, remembered.

The hash is the client library's; it costs microseconds in pure Python, so answers are cached.
"""

from functools import lru_cache
from typing import Final

from aiokafka.partitioner import murmur2

_CACHED_KEYS: Final = 200_000


@lru_cache(maxsize=_CACHED_KEYS)
def key_partition(key: str, partitions: int) -> int:
    """The partition every Kafka client with the default partitioner gives this key."""
    hashed: int = murmur2(key.encode()) & 0x7FFFFFFF
    return hashed % partitions


def workspace_partition(workspace: str, partitions: int) -> int:
    """The partition of a workspace's log: one workspace, one partition, one writer (design 4)."""
    return key_partition(workspace, partitions)
