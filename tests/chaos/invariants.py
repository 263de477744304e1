"""I1 to I9 of engineering 6.1 as pure functions: figures, and a precise list of violations.

Where each figure of the conservation (I4) comes from: see README.md beside this file.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from tests.chaos.evidence import Course, Evidence, Made, Raw

KINDS: Final = frozenset(
    {
        "customer",
        "subscription",
        "invoice",
        "product",
        "price",
        "coupon",
        "tax_rate",
        "charge",
        "credit_note",
        "payment_method",
    }
)
"""Objects whose events are observations."""
OURS: Final = "plumbline_"
ACCOUNT_ID: Final = "plumbline_account_id"
"""Names the account that a record was made for."""
RAW_TOPIC, LOG_TOPIC = "webhooks.received.v1", "observations.v1"
CLASSES: Final = ("applied", "unchanged", "superseded", "skipped", "dead", "in flight")


class Finding(NamedTuple):
    """One invariant's verdict."""

    name: str
    figures: str
    violations: tuple[str, ...] = ()


def accepted_is_stored(evidence: Evidence, _: Course) -> Finding:
    """I1: every delivery answered with 2xx is in the raw topic, and folded at most once."""
    raw = Counter(one.id for one in evidence.raws if one.vendor == "stripe")
    noted = Counter(
        row["eventId"]
        for one in evidence.raws
        if one.vendor == "hubspot" and isinstance(one.event, list)
        for row in one.event
    )
    wrong = [
        f"event {name}: answered 2xx {times} times, {raw[name]} records in {RAW_TOPIC}"
        for name, times in evidence.acked.items()
        if raw[name] < times
    ]
    wrong += [
        f"notification {name}: answered 2xx {times} times, {noted[name]} in {RAW_TOPIC}"
        for name, times in Counter(evidence.notified).items()
        if noted[name] < times
    ]
    folded = Counter((row.account, row.event_id) for row in evidence.ledger if row.event_id)
    wrong += [
        f"event {event}: changed account {account} {times} times"
        for (account, event), times in folded.items()
        if times > 1
    ]
    known = Counter(row.sequence for row in evidence.ledger)
    wrong += [f"ledger sequence {number}: {times} rows" for number, times in known.items()
              if times > 1]  # fmt: skip
    figures = (
        f"{len(evidence.acked)} events and {len(evidence.notified)} notifications accepted, "
        f"{len(evidence.raws)} raw records, {len(evidence.ledger)} ledger rows"
    )
    return Finding("I1", figures, tuple(wrong))


def one_key_one_body(evidence: Evidence, _: Course) -> Finding:
    """I2: a repeated idempotency key carries the same body; a version has one key per record."""
    bodies: dict[tuple[str, str], set[str]] = defaultdict(set)
    keyless = []
    for one in evidence.sent:
        if one.trace:
            bodies[one.record, one.trace].add(one.body)
        else:
            keyless.append(f"record {one.record}: sent without an idempotency key")
    wrong = keyless + [
        f"record {record}: key {key} carried {len(found)} bodies: {' | '.join(sorted(found))}"
        for (record, key), found in bodies.items()
        if len(found) > 1
    ]
    records: dict[str, set[str]] = defaultdict(set)
    for record, trace in bodies:
        records[trace].add(record)
    wrong += [f"key {key}: used for the records {', '.join(sorted(found))}"
              for key, found in records.items() if len(found) > 1]  # fmt: skip
    keys: dict[tuple[str, int], set[str]] = defaultdict(set)
    for outcome in evidence.outcomes:
        if outcome.result == "written":
            keys[outcome.record, outcome.version].add(outcome.key)
    overtaken = {one.record for one in evidence.sent if one.late}
    wrong += [
        f"record {record} version {version}: written under {len(found)} keys"
        for (record, version), found in keys.items()
        if len(found) > 1 and record not in overtaken
    ]
    made = _made(evidence)
    wrong += [f"account {account}: the records {', '.join(sorted(found))} were made for it"
              for account, found in made.items() if len(found) > 1]  # fmt: skip
    told = Counter(
        account
        for account, _ in {(one.account, one.id) for one in evidence.outcomes
                           if one.result == "created"}
    )  # fmt: skip
    wrong += [f"account {account}: told {times} times that its record was made"
              for account, times in told.items() if times > 1]  # fmt: skip
    repeated = len([one for one in evidence.sent if one.trace]) - len(bodies)
    figures = (
        f"{len(evidence.sent)} rows sent, {len(bodies)} keys, {repeated} repeated, "
        f"{len(made)} records made"
    )
    return Finding("I2", figures, tuple(wrong))


def _made(evidence: Evidence) -> dict[str, set[str]]:
    """Records made for each account, as HubSpot carried it out and as it was told."""
    made: dict[str, set[str]] = defaultdict(set)
    for write in evidence.writes:
        if account := write.properties.get(ACCOUNT_ID):
            made[account].add(write.record)
    for one in evidence.outcomes:
        if one.result == "created":
            made[one.account].add(one.record)
    return made


def versions_rise(evidence: Evidence, course: Course) -> Finding:
    """I3: per object, versions never fall, and HubSpot is written in the order of Stripe."""
    wrong, last = [], dict[str, int]()
    seen: set[str] = set()
    for outcome in evidence.outcomes:
        if outcome.id in seen or outcome.result != "written":
            continue
        seen.add(outcome.id)
        if outcome.version < last.get(outcome.record, 0):
            wrong.append(
                f"record {outcome.record}: version {outcome.version} after "
                f"{last[outcome.record]}"
            )  # fmt: skip
        last[outcome.record] = max(outcome.version, last.get(outcome.record, 0))
    newest: dict[str, int] = {}
    for state in evidence.states:
        if state.version < newest.get(state.account, 0):
            wrong.append(
                f"account {state.account}: state {state.version} published after "
                f"{newest[state.account]}"
            )
        newest[state.account] = max(state.version, newest.get(state.account, 0))
    wrong += _out_of_order(evidence, course)
    figures = f"{len(last)} records written, {len(newest)} accounts published"
    if course.fence_rejections is not None:
        figures += f", {course.fence_rejections} commits fenced"
    return Finding("I3", figures, tuple(wrong))


def _out_of_order(evidence: Evidence, course: Course) -> list[str]:
    """Amounts written to a company must follow the order in which Stripe made them.

    Within one second Stripe's order is not told, so it is not asked for; nor between the events of
    two subscriptions, so companies are left out where one ended and another began.
    """
    made: dict[str, list[Made]] = defaultdict(list)
    for one in evidence.made:
        company = evidence.companies.get(one.customer)
        if company is not None:
            made[company].append(one)
    wrong = []
    cursor: dict[str, int] = {}
    known = {
        company
        for company in evidence.companies.values()
        if len({one.subscription for one in made[company]}) <= 1
    }
    late = {(one.record, one.trace) for one in evidence.sent if one.late}
    for write in evidence.writes:
        if (write.record, write.trace) in late:
            continue  # carried out when the vendor pleased; that it is overwritten is I5
        amount, company = write.properties.get(f"{OURS}mrr"), write.record
        if amount is None or company not in known or (course.emptied and amount == "0"):
            continue
        before = evidence.shown_before.get(company, {}).get(f"{OURS}mrr") or "0"
        steps = [one.second for one in made[company] if one.mrr == amount]
        if amount == before:
            steps.append(0)
        at = min((second for second in steps if second >= cursor.get(company, 0)), default=None)
        if at is None:
            wrong.append(
                f"company {company}: mrr {amount} written out of order (Stripe: "
                f"{before} {[(one.second, one.mrr) for one in made[company]]})"
            )
        else:
            cursor[company] = at
    return wrong


def nothing_unaccounted(evidence: Evidence, course: Course) -> Finding:
    """I4: accepted = applied + unchanged + superseded + skipped + dead + in flight (0)."""
    sorter = _Sorter(evidence, course.clock_ahead_ms)
    counts, wrong = Counter[str](), list[str]()
    for raw in evidence.raws:
        verdict = sorter.verdict(raw)
        if verdict in CLASSES:
            counts[verdict] += 1
        else:
            wrong.append(f"delivery {raw.id} ({RAW_TOPIC}/{raw.partition}/{raw.offset}): {verdict}")
    wrong += [f"in flight: {name} {n}" for name, n in evidence.backlog.items() if n]
    wrong += [f"effect not finished: {one}" for one in evidence.unfinished]
    wrong += _unpublished(evidence)
    wrong += _letters(evidence, course.letters_expected)
    if not wrong and sum(counts.values()) != len(evidence.raws):
        wrong.append(f"accepted {len(evidence.raws)}, accounted for {sum(counts.values())}")
    parts = " + ".join(f"{counts[name]} {name}" for name in CLASSES)
    return Finding("I4", f"{len(evidence.raws)} accepted = {parts}", tuple(wrong))


class _Sorter:
    """Says what became of one accepted delivery."""

    def __init__(self, evidence: Evidence, clock_ahead_ms: int) -> None:
        self._evidence = evidence
        self._ahead_ms = clock_ahead_ms
        self._dead = {(one.topic, one.place) for one in evidence.letters}
        self._changed = {row.event_id for row in evidence.ledger}
        self._observed: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for one in evidence.observed:
            if one.event_id:
                self._observed[one.event_id].append(one.place)
        self._met: set[str] = set()

    def verdict(self, raw: Raw) -> str:
        """One of CLASSES, or what is wrong."""
        if (RAW_TOPIC, raw.place) in self._dead:
            return "dead"
        if raw.offset >= self._evidence.positions.get(("observe", raw.partition), 0):
            return "in flight"
        if raw.vendor == "hubspot":
            return self._notifications(raw)
        if not isinstance(raw.event, dict) or not isinstance(raw.event.get("data"), dict):
            return "not an event, yet no dead letter"
        repeated = raw.id in self._met
        self._met.add(raw.id)
        return self._event(raw, repeated=repeated)

    def _event(self, raw: Raw, *, repeated: bool) -> str:
        about = raw.event["data"]["object"]
        places = self._observed.get(raw.id, [])
        if about["object"] not in KINDS:
            return "skipped" if not places else f"{about['object']} observed unexpectedly"
        if not places:
            return f"no observation of {about['object']} {about['id']}"
        if any((LOG_TOPIC, place) in self._dead for place in places):
            return "dead"
        if any(o >= self._evidence.positions.get(("matcher", p), 0) for p, o in places):
            return "in flight"
        if not repeated and raw.id not in self._changed:
            return self._kept(raw, about)
        return "unchanged" if repeated else "applied"

    def _kept(self, raw: Raw, about: Mapping[str, Any]) -> str:
        """An event that changed no account: the object itself must have taken it in."""
        stored = self._evidence.objects.get(f"{about['object']}/{about['id']}")
        if stored is None:
            return f"{about['object']} {about['id']} is not stored"
        made_ms = raw.event["created"] * 1000
        if stored.deleted or stored.vendor_time_ms > made_ms:
            return "superseded"
        if stored.vendor_time_ms < made_ms:
            return (
                f"{about['object']} {about['id']} is stored as of {stored.vendor_time_ms}, "
                f"the event is of {made_ms}"
            )
        if raw.id in stored.event_ids:
            return "unchanged"
        return f"{about['object']} {about['id']}: not among the events folded at {made_ms}"

    def _notifications(self, raw: Raw) -> str:
        if not isinstance(raw.event, list):
            return "not a list of notifications, yet no dead letter"
        verdicts = [self._notification(raw, row) for row in raw.event]
        wrong = [verdict for verdict in verdicts if verdict not in CLASSES]
        if wrong:
            return "; ".join(wrong)
        return "applied" if "applied" in verdicts else "skipped"

    def _notification(self, raw: Raw, row: Mapping[str, Any]) -> str:
        if str(row.get("propertyName", "")).startswith(OURS):
            return "skipped"
        kind, vendor_id = str(row["subscriptionType"]).partition(".")[0], str(row["objectId"])
        read = self._evidence.reads.get((kind, vendor_id))
        if read is None:
            return f"{kind} {vendor_id} was never to be read"
        if read.state != "done":
            return f"{kind} {vendor_id}: read {read.state}"
        received_at_ms = raw.received_at_ms - self._ahead_ms
        if read.started_at_ms is None or read.started_at_ms < received_at_ms:
            return f"{kind} {vendor_id}: last read began before the notification"
        return "applied"


def _unpublished(evidence: Evidence) -> list[str]:
    newest: dict[str, int] = {}
    for state in evidence.states:
        newest[state.account] = max(state.version, newest.get(state.account, 0))
    wrong = [
        f"account {account}: version {version}, last published {newest.get(account, 0)}"
        for account, version in evidence.versions.items()
        if newest.get(account, 0) < version
    ]
    events = {one.id for one in evidence.events}
    wrong += [
        f"account {row.account}: event {row.account}:{row.sequence}:{place} was not published"
        for row in evidence.ledger
        for place in range(row.events)
        if f"{row.account}:{row.sequence}:{place}" not in events
    ]
    return wrong


def _letters(evidence: Evidence, wanted: int) -> list[str]:
    found = Counter((one.topic, one.place) for one in evidence.letters)
    wrong = [
        f"dead letter of {topic}/{place[0]}/{place[1]}: {times} times"
        for (topic, place), times in found.items()
        if times > 1
    ]
    records = {(one.topic, one.place) for one in evidence.letters}
    if len(records) != wanted:
        reasons = ", ".join(f"{one.topic}/{one.place} {one.reason}" for one in evidence.letters)
        wrong.append(f"{len(records)} dead letters, expected {wanted}: {reasons or 'none'}")
    return wrong


def vendor_shows_the_truth(evidence: Evidence, _: Course) -> Finding:
    """I5: HubSpot shows what an independent fold of Stripe's objects says."""
    wrong, checked = [], 0
    for company, values in sorted(evidence.expected.items()):
        shown = evidence.shown.get(company, {})
        ours = {name: shown.get(name, "") for name in values}
        checked += len(values)
        if ours != values:
            differing = {name: (values[name], ours[name]) for name in values
                         if values[name] != ours[name]}  # fmt: skip
            wrong.append(f"company {company}: (wanted, shown) {differing}")
        if not values and any(v for name, v in shown.items() if name.startswith(OURS)):
            wrong.append(f"company {company} has no customer but shows {dict(shown)}")
    wrong += _one_record_each(evidence)
    figures = f"{len(evidence.expected)} companies, {checked} values compared"
    if evidence.newcomers:
        figures += f", {len(evidence.newcomers)} of newcomers"
    return Finding("I5", figures, tuple(wrong))


def _one_record_each(evidence: Evidence) -> list[str]:
    """A newcomer's organisation has one company, and nobody else has got one."""
    found = Counter(evidence.beside_the_book.values())
    wrong = [
        f"newcomers of {domain} have {found[domain]} companies, not 1"
        for domain in evidence.newcomers
        if found[domain] != 1
    ]
    return wrong + [
        f"company {company} of {domain or 'no domain'} was made for nobody"
        for company, domain in evidence.beside_the_book.items()
        if domain not in evidence.newcomers
    ]


def replay_changes_nothing(_: Evidence, course: Course) -> Finding:
    """I6: a redelivery writes nothing to a vendor and leaves the same state."""
    replay = course.replay
    if replay is None:
        return Finding("I6", "not replayed in this run")
    wrong = []
    if replay.writes:
        wrong.append(f"{replay.writes} writes to HubSpot during the replay")
    wrong += [f"{name} is not what it was before the replay" for name in replay.differing]
    if replay.rebuilt_equal is False:
        wrong.append("a rebuild from the log differs from the tables")
    figures = f"replayed from {replay.from_offset}: {replay.writes} writes, {replay.rows} rows"
    figures += f", {len(replay.differing)} differ"
    return Finding("I6", figures, tuple(wrong))


def comes_to_rest(_: Evidence, course: Course) -> Finding:
    """I7: lag is back at 0 within the limit after healing."""
    if course.settled_seconds is None:
        limit = f"not at rest {course.settle_limit:g} s after healing"
        return Finding("I7", limit, (limit,))
    return Finding("I7", f"at rest {course.settled_seconds:.1f} s after healing")


def stops_cleanly(_: Evidence, course: Course) -> Finding:
    """I8: SIGTERM ends within the limit with exit status 0."""
    wrong = [
        f"{name}: stopped after {seconds:.1f} s with status {status}"
        for name, seconds, status in course.stops
        if status != 0 or seconds > course.stop_limit
    ]
    slowest = max((seconds for _, seconds, _ in course.stops), default=0.0)
    return Finding("I8", f"{len(course.stops)} stops, slowest {slowest:.1f} s", tuple(wrong))


def no_ack_no_answer(_: Evidence, course: Course) -> Finding:
    """I9: no 2xx while Kafka could acknowledge nothing."""
    wrong = [f"{count} deliveries answered 2xx while acknowledgements were impossible"
             for count in course.accepted_without_acks if count]  # fmt: skip
    return Finding("I9", f"{len(course.accepted_without_acks)} times without acks", tuple(wrong))


INVARIANTS: Final[Sequence[Callable[[Evidence, Course], Finding]]] = (
    accepted_is_stored,
    one_key_one_body,
    versions_rise,
    nothing_unaccounted,
    vendor_shows_the_truth,
    replay_changes_nothing,
    comes_to_rest,
    stops_cleanly,
    no_ack_no_answer,
)


def judge(evidence: Evidence, course: Course) -> list[Finding]:
    """Every invariant's verdict."""
    return [invariant(evidence, course) for invariant in INVARIANTS]


def violations(findings: Iterable[Finding]) -> list[str]:
    """All of them, each with its invariant's name."""
    return [f"{found.name}: {one}" for found in findings for one in found.violations]
