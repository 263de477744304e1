"""The partition of a key is the one every other Kafka client would choose."""

import pytest
from aiokafka.partitioner import DefaultPartitioner, murmur2
from plumbline_runtime.partitioner import key_partition, workspace_partition


@pytest.mark.parametrize(
    ("data", "signed"),
    [
        # The vectors of Kafka's own UtilsTest.testMurmur2.
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_is_kafkas(data, signed):
    unsigned = signed & 0xFFFFFFFF
    assert murmur2(data) & 0xFFFFFFFF == unsigned
    assert key_partition(data.decode(), 12) == (unsigned & 0x7FFFFFFF) % 12


def test_it_agrees_with_the_default_partitioner_of_the_client():
    everything = list(range(12))
    for n in range(500):
        key = f"acme/stripe/customer/cus_{n}"
        assert key_partition(key, 12) == DefaultPartitioner()(key.encode(), everything, everything)


def test_a_workspace_has_one_partition():
    assert workspace_partition("acme", 12) == key_partition("acme", 12)
    assert len({workspace_partition(f"w{n}", 12) for n in range(200)}) == 12
