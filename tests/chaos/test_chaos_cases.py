"""Every registered case once, on one deployment; `make chaos N=20` plays them in a row."""

from collections.abc import AsyncIterator

import pytest

from tests.chaos.registry import load_cases
from tests.chaos.run import play, replay_everything
from tests.chaos.stage import Stage, open_stage

pytestmark = [pytest.mark.server, pytest.mark.chaos, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with open_stage(tmp_path_factory.mktemp("chaos")) as opened:
        yield opened


@pytest.mark.parametrize("name", sorted(name for name, one in load_cases().items() if one.everyday))
async def test_every_invariant_holds_after(stage: Stage, name: str) -> None:
    outcome = await play(stage, load_cases()[name], 1)
    assert not outcome.violations, "\n".join(outcome.violations)


async def test_a_replay_of_everything_changes_nothing(stage: Stage) -> None:
    outcome = await replay_everything(stage)
    assert not outcome.violations, "\n".join(outcome.violations)
