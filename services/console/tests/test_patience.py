"""A server that does not answer yet is asked again, a mistake is not."""

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError
from console import patience
from console.patience import ServerSilentError, until_it_answers


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_PAUSE_SECONDS", 0.0)


async def test_it_is_asked_again_until_it_answers() -> None:
    errors = [KafkaConnectionError("no broker"), ConnectionRefusedError(), TimeoutError()]

    async def work() -> str:
        if errors:
            raise errors.pop()
        return "done"

    assert await until_it_answers("Kafka", work) == "done"


async def test_a_mistake_is_said_at_once() -> None:
    tries = []

    async def work() -> None:
        tries.append(1)
        raise asyncpg.InvalidPasswordError("wrong")

    with pytest.raises(asyncpg.InvalidPasswordError):
        await until_it_answers("PostgreSQL", work)
    assert tries == [1]


async def test_silence_ends_with_what_was_not_answered() -> None:
    async def work() -> None:
        raise KafkaConnectionError("bootstrap refused")

    with pytest.raises(ServerSilentError, match=r"Kafka: no answer within 0 s .*bootstrap refused"):
        await until_it_answers("Kafka", work, seconds=0.0)
