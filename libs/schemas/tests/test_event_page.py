"""docs/events.md tells of every account event, in the words and with the examples of the models."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from plumbline_schemas import events
from plumbline_schemas.events import AccountEvent, AccountEventType
from plumbline_schemas.typed_events import ACCOUNT_EVENT_ADAPTER, TypedEvent
from pydantic import BaseModel, ValidationError

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "events.md").read_text(encoding="utf-8")
EXAMPLES = ROOT / "libs" / "schemas" / "examples" / "accounts.events.v1"
MODELS: dict[str, type[BaseModel]] = {
    get_args(model.model_fields["type"].annotation)[0]: model for model in get_args(TypedEvent)
}


def section(kind: str) -> str:
    """What the page says below the type's heading."""
    return re.split(r"^#+ ", PAGE.split(f"### `{kind}`\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def unwrapped(text: str) -> str:
    return " ".join(text.split())


def test_every_type_has_a_model() -> None:
    assert set(MODELS) == set(get_args(AccountEventType))


@pytest.mark.parametrize("kind", sorted(MODELS))
def test_the_page_has_each_types_meaning_and_example(kind: str) -> None:
    told = section(kind)
    assert unwrapped(MODELS[kind].__doc__ or "-") in unwrapped(told)
    [example] = re.findall(r"```json\n(.*?)```", told, flags=re.DOTALL)
    golden = (EXAMPLES / f"{kind.removeprefix('account.')}.json").read_text(encoding="utf-8")
    assert json.loads(example) == json.loads(golden)
    event = ACCOUNT_EVENT_ADAPTER.validate_json(example)
    assert type(event) is MODELS[kind]
    assert event.model_dump(mode="json").keys() >= json.loads(example).keys()
    assert AccountEvent.model_validate_json(example).type == kind


def test_the_page_lists_no_other_type() -> None:
    assert set(re.findall(r"^### `(account\..+)`$", PAGE, flags=re.MULTILINE)) == set(MODELS)


@pytest.mark.parametrize(
    "name", ["TRIAL_ENDING_DAYS", "RENEWAL_APPROACHING_DAYS", "CARD_EXPIRING_DAYS"]
)
def test_the_page_says_how_long_before(name: str) -> None:
    assert f"`{name}` = {getattr(events, name)}" in PAGE


def test_details_of_another_type_are_refused() -> None:
    merged = json.loads((EXAMPLES / "merged.json").read_text(encoding="utf-8"))
    with pytest.raises(ValidationError, match="method"):
        ACCOUNT_EVENT_ADAPTER.validate_python({**merged, "type": "account.linked"})
