"""Contracts stay what downstream teams were promised."""

import json
import re
from pathlib import Path

import pytest
from plumbline_schemas import generate
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.fields import FIELDS, default_mapping
from plumbline_schemas.ids import account_id, external_key, split_key
from plumbline_schemas.observations import decode_observation, encode_observation
from plumbline_schemas.topics import TOPICS, all_topics
from pydantic import TypeAdapter, ValidationError

EXAMPLES = Path(__file__).parents[1] / "examples"
FILES = sorted(EXAMPLES.rglob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_golden_example_decodes(path: Path) -> None:
    model = TOPICS[path.parent.name].model
    adapter = model if isinstance(model, TypeAdapter) else TypeAdapter(model)
    decoded = adapter.validate_json(path.read_bytes())
    again = adapter.validate_json(adapter.dump_json(decoded))
    assert again == decoded


def test_every_topic_with_a_model_has_an_example() -> None:
    have = {path.parent.name for path in FILES}
    assert have == {name for name, topic in TOPICS.items() if topic.model is not None}


def test_committed_json_schemas_are_current() -> None:
    assert generate.stale(generate.FOLDER) == []


def test_a_stale_schema_is_found(tmp_path: Path) -> None:
    for name, schema in generate.schemas():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generate.render(schema), encoding="utf-8")
    (tmp_path / "topics" / "accounts.state.v1.json").write_text("{}")
    (tmp_path / "topics" / "gone.v1.json").write_text("{}")
    assert generate.stale(tmp_path) == ["topics/accounts.state.v1.json", "topics/gone.v1.json"]


def test_an_observation_survives_the_wire() -> None:
    raw = (EXAMPLES / "observations.v1" / "subscription.json").read_bytes()
    observation = decode_observation(raw)
    assert decode_observation(encode_observation(observation)) == observation
    assert observation.key == "acme/stripe/subscription/sub_1"


@pytest.mark.parametrize("value", [b"", b"{}", b"[]", b"null", b'{"kind":"unheard_of"}'])
def test_what_is_no_observation_is_refused(value: bytes) -> None:
    with pytest.raises(ValidationError):
        decode_observation(value)


def test_unknown_fields_of_a_newer_producer_are_tolerated() -> None:
    state = json.loads((EXAMPLES / "accounts.state.v1" / "linked.json").read_bytes())
    state["a_later_idea"] = 1
    assert AccountState.model_validate(state).id == state["id"]


def test_account_ids_are_stable_and_well_formed() -> None:
    key = external_key("acme", "stripe", "customer", "cus_1")
    found = account_id(key)
    assert found == "acc_EGN4ZHBMWS6KZ4XSZ0SR70W1GR"
    assert re.fullmatch(r"acc_[0-9A-HJKMNP-TV-Z]{26}", found)
    assert found == account_id(key)
    assert found != account_id(external_key("acme", "stripe", "customer", "cus_2"))


@pytest.mark.parametrize("bad", ["", "a/b/c", "a//c/d", "acme"])
def test_what_is_no_external_key_is_named(bad: str) -> None:
    with pytest.raises(ValueError, match="not an external key"):
        split_key(bad)


def test_a_vendor_id_may_hold_a_slash() -> None:
    key = external_key("acme", "stripe", "customer", "a/b")
    assert split_key(key).vendor_id == "a/b"


def test_every_topic_says_who_stands_at_each_end() -> None:
    for topic in all_topics().values():
        assert topic.owner, topic.name
        assert topic.producers, topic.name
        assert topic.consumers, topic.name
        assert topic.description.endswith("."), topic.name


def test_default_mapping_covers_the_table() -> None:
    assert set(default_mapping()) == set(FIELDS) - {"days_to_first_payment"}
    assert len(set(default_mapping().values())) == len(default_mapping())
