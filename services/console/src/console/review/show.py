"""How the review queue prints for a person."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from plumbline_domain.money import major_units
from plumbline_schemas.attention_details import Evidence
from plumbline_schemas.ids import ExternalKey, split_key
from plumbline_schemas.money import Money
from plumbline_schemas.outputs import Output
from plumbline_schemas.review_outputs import (
    Decided,
    Known,
    ReviewItem,
    ReviewList,
    ReviewShown,
    StandingDecision,
)

from console.review.choices import LETTERS
from console.review.items import MATCH_KINDS
from console.show import OUT, age, say, table

ASKS = {
    "review_match": "which company?",
    "questioned_link": "still right?",
    "ambiguous_match": "one company?",
    "duplicate_records": "twice in the CRM?",
    "duplicate_customers": "twice in billing?",
}
_LISTED: Final = 2
"""Pieces of evidence in a list; `show` has all of them."""
_TELLING: Final = 0.5
"""Nats below which a piece stays out of a list."""
_DONE = {
    "link": "is",
    "not_this": "is not",
    "create": "gets a record of its own",
    "agency": "writes from an agency's domain",
    "subsidiary": "is a subsidiary of",
    "split": "leaves the account it shared",
    "keep_merged": "shares its account rightly",
    "pick_winner": "keeps the record, the others leave",
    "unlink": "is unlinked from",
    "cannot_link": "is never linked to",
    "not_duplicate": "is no duplicate of",
}


def amount(mrr: Money | None) -> str:
    """MRR as a person reads it; empty when it is not known."""
    return "" if mrr is None else f"{major_units(mrr)} {mrr.currency.upper()}"


def print_list(output: Output) -> None:
    """Domains with their items, a question each, the most MRR at stake first."""
    assert isinstance(output, ReviewList)
    if not output.groups:
        OUT.print("nothing waits for a review")
        return
    for group in output.groups:
        sums = " + ".join(amount(mrr) for mrr in group.mrr) or "no MRR"
        count = f"{len(group.items)} items, " if len(group.items) > 1 else ""
        say(f"{group.group or 'no domain'}  ({count}{sums})")
        for item in group.items:
            say(f"  {item.id}  {ASKS[item.kind]}  {amount(item.mrr)}  waits {waits(item)}")
            say(f"          {item.summary}")
            for line in evidence_lines(item):
                say(f"            {line}")
    say(f"{output.open} to review. `plumbline review show ID` tells what speaks for each answer.")


def evidence_lines(item: ReviewItem) -> list[str]:
    """The heaviest pieces of evidence: of each candidate in a line, else one a line."""
    if not item.candidates:
        return [f"{_sign(piece)} {piece.sentence}" for piece in _heaviest(item.evidence)]
    lines = []
    for one in item.candidates:
        likely = "" if one.probability is None else f", likely {one.probability:.0%}"
        said = "; ".join(f"{_sign(piece)} {piece.sentence}" for piece in _heaviest(one.evidence))
        name = f" {one.name}" if one.name else ""
        lines.append(f"{split_key(one.record).vendor_id}{name}{likely}: {said}")
    return lines


def _heaviest(evidence: Sequence[Evidence]) -> list[Evidence]:
    telling = [piece for piece in evidence if abs(piece.weight) >= _TELLING]
    return sorted(telling, key=lambda piece: -abs(piece.weight))[:_LISTED]


def waits(item: ReviewItem) -> str:
    """Since when an item is open."""
    return age(item.opened_at + timedelta(seconds=item.age_seconds), item.opened_at)


def print_shown(output: Output) -> None:
    """The item, its parties side by side, what speaks for each, and the answers it takes."""
    assert isinstance(output, ReviewShown)
    item = output.item
    at_stake = f", {amount(item.mrr)} a month at stake" if item.mrr else ""
    say(f"{item.id}  {ASKS[item.kind]}  waits {waits(item)}{at_stake}")
    say(item.summary)
    for reason in item.reasons:
        say(f"  because {reason}")
    _print_parties(item, output.known)
    for piece in item.evidence:
        say(f"  {_sign(piece)} {piece.sentence}")
    if output.decisions:
        print_decisions(output.decisions)
    say("Answer with one of:")
    for line in _answers(item):
        say(f"  plumbline review decide {item.id} {line}")


def _print_parties(item: ReviewItem, parties: Sequence[Known]) -> None:
    columns = _columns(item, parties)
    held = {one.key: one for one in parties}
    rows: list[tuple[str, ...]] = [
        ("id", *(split_key(key).vendor_id for key in columns.values())),
        ("name", *(_name(item, held.get(key), key) for key in columns.values())),
    ]
    for name in ("emails", "domains", "phone", "company", "crm_id", "owner", "stripe_customer_ids"):
        cells = [_cell(getattr(held[key], name)) if key in held else "" for key in columns.values()]
        if any(cells):
            rows.append((name.replace("_", " "), *cells))
    rows += _judged(item, list(columns.values()))
    table("Side by side", ["", *columns], rows, rules=range(len(rows)))


def _columns(item: ReviewItem, parties: Sequence[Known]) -> dict[str, ExternalKey]:
    """Heading of each party: the customer, then candidates by their letters."""
    if item.kind in MATCH_KINDS:
        candidates = zip(LETTERS, (one.record for one in item.candidates), strict=False)
        return {"customer": item.customer or ExternalKey(item.subject), **dict(candidates)}
    if item.customers:
        shared = dict(zip(LETTERS, item.customers, strict=False))
        return {**shared, **({"record": item.record} if item.record else {})}
    return dict(zip(LETTERS, (one.key for one in parties), strict=False))


def _name(item: ReviewItem, party: Known | None, key: ExternalKey) -> str:
    told = {one.record: one.name for one in item.candidates}
    deleted = " (deleted)" if party and party.deleted else ""
    fallback = item.name if key == item.customer else told.get(key)
    return ((party.name if party else None) or fallback or "") + deleted


def _cell(value: object) -> str:
    if isinstance(value, tuple):
        return "\n".join(map(str, value))
    return "" if value is None else str(value)


def _judged(item: ReviewItem, columns: Sequence[ExternalKey]) -> list[tuple[str, ...]]:
    by_record = {one.record: one for one in item.candidates}
    if not by_record:
        return []
    found = [by_record.get(key) for key in columns]
    likely = [
        "" if one is None or one.probability is None else f"{one.probability:.0%}" for one in found
    ]
    for_it = ["\n".join(_said(one.evidence, +1)) if one else "" for one in found]
    against = ["\n".join(_said(one.evidence, -1)) if one else "" for one in found]
    return [("likely", *likely), ("for", *for_it), ("against", *against)]


def _said(evidence: Sequence[Evidence], sign: int) -> list[str]:
    """Sentences that speak for it (+1) or against it (-1), the weightiest first."""
    ours = [piece for piece in evidence if piece.weight * sign > 0]
    ranked = sorted(ours, key=lambda piece: -abs(piece.weight))
    return [f"{_sign(piece)} {piece.sentence}" for piece in ranked]


def _sign(piece: Evidence) -> str:
    return "+" if piece.weight > 0 else "-"


def _answers(item: ReviewItem) -> list[str]:
    if item.kind in MATCH_KINDS:
        letters = "|".join(LETTERS[: len(item.candidates)])
        answers = [f"--link {letters}", f"--not-this {letters}|all", f"--subsidiary {letters}"]
        own = [
            "--create        (it has no record yet: create one)",
            "--agency        (its domain is an agency's or bookkeeper's)",
        ]
        return [*(answers if letters else ["--link RECORD --force"]), *own]
    if item.kind == "ambiguous_match":
        letters = "|".join(LETTERS[: len(item.customers)])
        return [
            "--keep-merged   (they are one company)",
            f"--split {letters}     (that one is another company)",
            f"--winner {letters}    (that one keeps the record, the others leave)",
        ]
    return ["--not-duplicate (they are two); if they are one, merge them at the vendor"]


def print_decisions(decisions: Sequence[StandingDecision]) -> None:
    """Decisions, latest first; a withdrawn one says so."""
    table(
        "Decided before",
        ["id", "decision", "by", "at"],
        [
            (
                one.id,
                sentence(one) + (" (withdrawn)" if one.withdrawn else ""),
                one.decided_by,
                one.decided_at.strftime("%Y-%m-%d %H:%M"),
            )
            for one in decisions
        ],
        whole=["id", "at"],
    )


def sentence(one: StandingDecision) -> str:
    """A decision as a person says it."""
    first, second = one.customer or one.record or "", one.other
    if one.customer and one.action != "not_duplicate":
        second = one.record
    said = _DONE.get(one.action, one.action)
    parts = [split_key(first).vendor_id if first else "", said]
    return " ".join([*parts, split_key(second).vendor_id] if second else parts).strip()


def print_decided(output: Output) -> None:
    """What was decided, what it replaced, and what came of it."""
    assert isinstance(output, Decided)
    for one in output.decisions:
        taken = "taken back: " if one.withdrawn else "decided: "
        say(f"{taken}{sentence(one)}  (decision {one.id}, by {one.decided_by})")
    for one in output.replaced:
        say(f"it replaces: {sentence(one)}, by {one.decided_by}")
    for alone in output.left_alone:
        say(f"left alone {alone.item}: {alone.why}")
    if not output.folded:
        say("It is in the log; the matcher has not taken it yet. Nothing more is needed.")
        return
    for row in output.settled:
        who = split_key(row.customer).vendor_id if row.customer else "it"
        where = ", ".join(row.records) or "no CRM record"
        item = f"item {row.item} is {row.status}; " if row.item else ""
        say(f"{item}{who} is linked to {where}" if row.customer else f"{item}nothing else changed")
    if output.also_closed or output.still_open:
        say(f"of the same domain {output.also_closed} closed, too; {output.still_open} still ask")
