"""The consumer in the README is what a downstream team copies: it must run as it stands."""

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest
from plumbline_runtime.producer import Message, Producer
from plumbline_runtime.settings import Settings
from plumbline_runtime.topics import ensure_topics
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.envelope import Envelope
from plumbline_schemas.topics import ACCOUNTS_STATE

ROOT = Path(__file__).parents[1]


@pytest.mark.server
async def test_the_readmes_consumer_prints_accounts(
    bootstrap_servers: str, topic_prefix: str, tmp_path: Path
) -> None:
    found = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert found is not None
    program = found[1]
    lines = [line for line in program.splitlines() if line.strip()]
    assert len(lines) <= 15, "the README promises a consumer of 15 lines"
    script = tmp_path / "consumer.py"
    script.write_text(program.replace("accounts.state.v1", topic_prefix + "accounts.state.v1"))
    await ensure_topics(bootstrap_servers, topic_prefix)
    await _publish_example(bootstrap_servers, topic_prefix)
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(script),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        first = await asyncio.wait_for(process.stdout.readline(), 30)
        second = await asyncio.wait_for(process.stdout.readline(), 30)
    finally:
        process.kill()
        await process.wait()
    printed = sorted([first.decode(), second.decode()])
    assert printed[0].startswith("acc_0123456789ABCDEFGHJKMNPQRS active minor=29700 currency='usd'")
    assert printed[1].startswith("acc_gone None None")


async def _publish_example(bootstrap: str, prefix: str) -> None:
    example = (ROOT / "examples" / "accounts.state.v1" / "linked.json").read_bytes()
    state = AccountState.model_validate_json(example)
    assert state.received_at is not None
    envelope = Envelope(state.id, "test", "account.state", state.received_at, state.id)
    producer = Producer(
        Settings(
            service="test",
            kafka_bootstrap_servers=bootstrap,
            database_url="unused",
            topic_prefix=prefix,
        )
    )
    await producer.start()
    try:
        message = Message(state.id, example, envelope.headers())
        await producer.publish_many(ACCOUNTS_STATE, [message, Message("acc_gone", None, [])])
    finally:
        await producer.stop()
