"""The time of a stop, and what may be left unfinished."""

import asyncio
import os
import signal

import pytest
from plumbline_runtime.leaving import TimeLeft, say_farewell
from plumbline_runtime.producer import PublishFailed
from plumbline_runtime.supervisor import Supervisor


def test_steps_share_what_is_left_and_each_is_tried():
    clock = [100.0]
    left = TimeLeft(20.0, now=lambda: clock[0])
    assert left.at_most(3.0) == 3.0
    clock[0] = 116.0
    assert left.at_most(3.0) == 2.0
    clock[0] = 130.0
    assert left.at_most(3.0) == 0.1


async def test_what_waits_for_a_server_that_is_away_is_left_to_the_next_start():
    async def waits() -> None:
        await asyncio.Event().wait()

    async def unanswered() -> None:
        raise PublishFailed("no broker answers")

    await say_farewell(waits, 0.01)
    await say_farewell(unanswered, 1.0)


async def test_a_farewell_that_is_wrong_is_a_failure():
    async def wrong() -> None:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await say_farewell(wrong, 1.0)


async def test_the_first_signal_does_not_hurry_a_process_that_already_leaves(monkeypatch):
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    supervisor = Supervisor(60.0)
    try:
        supervisor.fail(RuntimeError("a part failed"))
        supervisor._on_signal(signal.SIGTERM)
        assert ended == []
        supervisor._on_signal(signal.SIGTERM)
        assert ended == [1]
    finally:
        supervisor.remove_signals()
