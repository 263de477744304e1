"""The pure rules: desired values, the fold into effects, the gate, keys, schedule, settings."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plumbline_domain.ownership import Decision, Memory, decide
from plumbline_runtime.secrets import ConfigError
from plumbline_schemas.accounts import AccountState
from plumbline_schemas.fields import default_mapping
from plumbline_schemas.internal import WorkspaceConfig
from writeback import settle
from writeback.crm import Answered
from writeback.effects import Effect, RecordId, SeenRecord, fresh
from writeback.gate import CONFIG, DRY_RUN, OPEN, PLAN, WALKS, WorkspaceFacts, gate_of
from writeback.plan import Moment, encode_field, fold_account, idempotency_key, wanted
from writeback.settings import WritebackSettings
from writeback.values import comparer

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
MOMENT = Moment(NOW, timedelta(seconds=2))
RECORD = RecordId("acme", "hubspot", "company", "1")
CONFIGURED = WorkspaceConfig.model_validate({
    "currency": "usd",
    "connections": [{"name": "s", "kind": "stripe"}, {"name": "hubspot", "kind": "hubspot"}],
    "first_write": "auto",
    "fields": {"company": {"mrr": "pl_mrr", "payment_status": "pl_status"}},
})  # fmt: skip
FACTS = WorkspaceFacts("acme", CONFIGURED, 1, None, OPEN)
MAPPING = FACTS.mapping("hubspot", "company")


def state(version: int, mrr: int, links: dict[str, int], name: str = "A") -> AccountState:
    return AccountState.model_validate({
        "id": f"acc_{name}", "workspace": "acme", "version": version,
        "links": [{"key": f"acme/hubspot/company/{one}", "method": "domain", "evidence": "",
                   "opened_version": opened} for one, opened in links.items()],
        "state": "active", "stage": "paying",
        "fields": {"mrr": {"value": {"minor": mrr, "currency": "usd"}, "rule": "t",
                           "version": version, "origin": "webhook"},
                   "payment_status": {"value": "paid", "rule": "t", "version": version}},
        "received_at": NOW,
    })  # fmt: skip


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("mrr", {"minor": 8333, "currency": "usd"}, "83.33"),
        ("mrr", {"minor": 0, "currency": "usd"}, "0"),
        ("mrr", {"minor": 1200, "currency": "jpy"}, "1200"),
        ("mrr", {"minor": 12345, "currency": "kwd"}, "12.345"),
        ("billing_started_at", "2026-09-21T14:00:00Z", "2026-09-21T14:00:00.000Z"),
        ("ambiguous", True, "true"),
        ("failed_payment_count", 3, "3"),
        ("failed_payment_count", 0, "0"),
        ("ltv", {"minor": -500, "currency": "usd"}, "-5"),
        ("payment_method_expires_at", "2026-12-31T23:59:59Z", "2026-12-31T23:59:59.000Z"),
        ("state", "at_risk", "at_risk"),
        ("plan", None, ""),
        ("stripe_url", "https://dashboard.stripe.com/x", "https://dashboard.stripe.com/x"),
    ],
)
def test_values_are_written_as_the_crm_takes_them(field: str, value: Any, text: str) -> None:
    made = state(1, 1, {"1": 1}).model_dump(mode="json")
    made["fields"] = {field: {"value": value, "rule": "t", "version": 1}}
    mapping = {field: "p"}
    assert wanted(AccountState.model_validate(made), mapping).desired == {"p": text}


def test_what_the_account_does_not_know_is_empty() -> None:
    desired = wanted(state(1, 100, {}), default_mapping()).desired
    assert desired["plumbline_plan"] == ""
    assert desired["plumbline_state"] == "active"
    assert desired["plumbline_ambiguous"] == "false"
    assert "plumbline_last_synced_at" not in desired


def test_a_value_of_the_wrong_type_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="billing_started_at"):
        encode_field("billing_started_at", "soon")
    with pytest.raises(TypeError, match="number"):
        encode_field("mrr", "83.33")


@given(st.permutations([
    state(1, 100, {"1": 1}),
    state(2, 200, {"1": 1}),
    state(5, 500, {}),
    state(5, 555, {"1": 5}, "B"),
    state(8, 888, {"1": 5}, "B"),
    state(9, 0, {}, "C"),
]))  # fmt: skip
def test_the_order_of_arrival_does_not_matter(states: list[AccountState]) -> None:
    effects: dict[RecordId, Effect] = {}
    versions: dict[str, int] = {}
    for one in states:
        if one.version > versions.get(one.id, -1):
            versions[one.id] = one.version
            fold_account(effects, one, FACTS, MOMENT)
    assert effects[RECORD].account_id == "acc_B"
    assert effects[RECORD].desired["pl_mrr"] == "8.88"
    assert not effects[RECORD].closed


def test_folding_twice_changes_nothing() -> None:
    effects: dict[RecordId, Effect] = {}
    assert fold_account(effects, state(1, 100, {"1": 1}), FACTS, MOMENT) == {RECORD}
    assert fold_account(effects, state(1, 100, {"1": 1}), FACTS, MOMENT) == set()


def test_a_blank_waits_for_whoever_takes_over() -> None:
    effects: dict[RecordId, Effect] = {}
    fold_account(effects, state(1, 100, {"1": 1}), FACTS, MOMENT)
    fold_account(effects, state(2, 100, {}), FACTS, MOMENT)
    assert effects[RECORD].desired == {"pl_mrr": "", "pl_status": ""}
    assert effects[RECORD].next_attempt_at == NOW + MOMENT.blank_delay
    fold_account(effects, state(2, 700, {"1": 2}, "B"), FACTS, MOMENT)
    assert effects[RECORD].next_attempt_at == NOW


def test_the_gate_names_its_reason() -> None:
    walked = {"s", "hubspot"}
    assert gate_of(WorkspaceFacts("acme"), walked) == CONFIG
    assert gate_of(FACTS, {"s"}) == WALKS
    assert gate_of(FACTS, walked) == OPEN
    planned = CONFIGURED.model_copy(update={"first_write": "plan"})
    assert gate_of(FACTS._replace(config=planned), walked) == PLAN
    assert gate_of(FACTS._replace(config=planned, approved_revision=7), walked) == OPEN
    dry = planned.model_copy(update={"dry_run": True})
    assert gate_of(FACTS._replace(config=dry, approved_revision=7), walked) == DRY_RUN


@dataclass
class Case:
    desired: str
    seen: str | None
    applied: str | None
    policy: Any
    writes: bool
    resolution: str | None


@pytest.mark.parametrize("case", [
    Case("1", None, None, "overwrite", writes=True, resolution=None),
    Case("1", "1.0", None, "overwrite", writes=False, resolution=None),
    Case("1", "7", None, "keep", writes=True, resolution=None),
    Case("2", "1", "1", "keep", writes=True, resolution=None),
    Case("1", "7", "1", "overwrite", writes=True, resolution="overwritten"),
    Case("1", "7", "1", "keep", writes=False, resolution="kept"),
    Case("2", "7", "1", "keep", writes=True, resolution="overwritten"),
    Case("1", "7", "1", "queue", writes=False, resolution="queued"),
    Case("2", "7", "1", "queue", writes=False, resolution="queued"),
    Case("2", "2", "1", "queue", writes=False, resolution=None),
    Case("", None, "1", "queue", writes=False, resolution=None),
])  # fmt: skip
def test_ownership(case: Case) -> None:
    memory = Memory({} if case.applied is None else {"pl_mrr": case.applied}, {}, {})
    made = decide({"pl_mrr": case.desired}, {"pl_mrr": case.seen}, memory,
                  policy=case.policy, same=comparer(MAPPING))  # fmt: skip
    assert bool(made.writes) is case.writes
    assert [one.resolution for one in made.conflicts] == (
        [] if case.resolution is None else [case.resolution]
    )
    assert made.news == made.conflicts


def test_a_property_that_cannot_be_written_is_left_out() -> None:
    made = decide({"a": "1", "b": "2"}, {}, Memory({}, {}, {}), policy="overwrite",
                  same=comparer({}), excluded={"a"})  # fmt: skip
    assert made.writes == {"b": "2"}


def _due() -> tuple[Effect, Decision]:
    effects: dict[RecordId, Effect] = {}
    fold_account(effects, state(1, 100, {"1": 1}), FACTS, MOMENT)
    effect = effects[RECORD]
    decision = decide(effect.desired, {}, effect.memory, policy="overwrite",
                      same=comparer(MAPPING))  # fmt: skip
    return effect, decision


def test_a_body_keeps_its_key_until_it_changes() -> None:
    effect, decision = _due()
    first = settle.planned(effect, decision, {}, {"pl_sync": "t1"}, NOW)
    assert first.sending == {"pl_mrr": "1", "pl_status": "paid", "pl_sync": "t1"}
    repeated = settle.planned(first, decision, {}, {"pl_sync": "t2"}, NOW)
    assert (repeated.sending, repeated.sending_key) == (first.sending, first.sending_key)
    smaller = decision._replace(writes={"pl_mrr": "1"})
    other = settle.planned(repeated, smaller, {}, {"pl_sync": "t3"}, NOW)
    assert other.sending == {"pl_mrr": "1", "pl_sync": "t3"}
    assert other.sending_key != first.sending_key


def test_keys_tell_targets_records_and_versions_apart() -> None:
    effect = fresh(RECORD, "acc_A", NOW)._replace(opened_version=1, state_version=2, writes=1)
    others = [
        effect._replace(connection="other"),
        effect._replace(vendor_id="2"),
        effect._replace(state_version=3),
        effect._replace(writes=2),
    ]
    assert len({idempotency_key(one) for one in [effect, *others]}) == 5


def test_an_answer_to_an_older_plan_does_not_settle_a_newer_one() -> None:
    effect, decision = _due()
    sent = settle.planned(effect, decision, {}, {}, NOW)
    newer = sent._replace(revision=sent.revision + 1, desired_hash="newer")
    answer = Answered("1", "ok", {}, None, None, None)
    after = settle.written(newer, sent, answer, decision=decision, same=comparer(MAPPING), at=NOW)
    assert after.state == "pending"
    assert after.sending is None
    assert after.applied["pl_mrr"] == "1"
    assert after.applied_hash == sent.desired_hash


def test_a_newer_sight_outdoes_the_answer_to_our_write() -> None:
    effect, decision = _due()
    sent = settle.planned(effect, decision, {}, {}, NOW)
    planned_on = SeenRecord(*RECORD, {}, 10, archived=False, seen_at=NOW)
    answer = Answered("1", "ok", {"pl_mrr": "1"}, 20, None, None)
    plain, overtaken = settle.overlay(planned_on, sent, answer, planned_on)
    assert (plain.properties["pl_mrr"], plain.vendor_time_ms, overtaken) == ("1", 20, False)
    edited = planned_on._replace(properties={"pl_mrr": "5"}, vendor_time_ms=30)
    kept, overtaken = settle.overlay(edited, sent, answer, planned_on)
    assert (kept.properties["pl_mrr"], kept.seen_at, overtaken) == ("5", None, True)


@given(st.integers(0, 1000))
def test_delays_follow_the_schedule_with_jitter(attempts: int) -> None:
    schedule = (1.0, 10.0)
    longest = schedule[min(attempts, 1)]
    assert longest / 2 <= settle.delay(schedule, attempts) <= longest


def test_settings_come_from_the_environment() -> None:
    given_ = {"PLUMBLINE_WRITEBACK_POLL_SECONDS": "0.5", "PLUMBLINE_WRITEBACK_ROW_ATTEMPTS": "4"}
    settings = WritebackSettings.from_environment(given_)
    assert (settings.poll, settings.row_attempts) == (0.5, 4)
    assert settings.lease == settings.http_timeout + settings.lease_margin
    with pytest.raises(ConfigError, match="PLUMBLINE_WRITEBACK_COALESCE_SECONDS: found 'x'"):
        WritebackSettings.from_environment({"PLUMBLINE_WRITEBACK_COALESCE_SECONDS": "x"})
