"""The events of a book, one by one: late records, changed addresses, merges, redelivery.

Every figure of the stream is printed by `bench.identity_stream_figures`.
"""

import csv
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from plumbline_domain.identity.decide import Decision, decide
from plumbline_domain.identity.index import MemoryIndex, domain_keys, gather, waiting_keys
from plumbline_domain.identity.profile import Party, customer_profile, record_profile
from plumbline_domain.identity.weights import shipped

from bench.identity import prediction, quantile
from bench.identity_book import Row, customer_party, read_book, rows


@dataclass
class Stream:
    """What a matcher holds: the index, links once made, the newest decision about the others."""

    customers: dict[str, Row]
    records: dict[str, Party]
    index: MemoryIndex = field(default_factory=MemoryIndex)
    links: dict[str, str] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    seen: dict[str, int] = field(default_factory=dict)
    forwarded: dict[str, str] = field(default_factory=dict)
    changed: list[tuple[str, str]] = field(default_factory=list)
    """(customer, record) of the links that stood when the customer's address changed."""
    made: dict[str, Decision] = field(default_factory=dict)
    """What each link was decided by."""
    followed: int = 0
    """Links that a merge of their record moved."""

    def play(self, event: Row) -> None:
        """Apply one event; an event that was seen, or an older state, changes nothing."""
        payload = json.loads(event["payload"] or "{}")
        known = self.customers if event["type"].startswith("customer.") else self.records
        if event["id"] not in known and event["type"] != "crm.merged":
            raise SystemExit(f"events.csv: {event['type']} of {event['id']}, which no file has")
        if event["type"].startswith("customer."):
            self._customer(event["id"], payload, int(event["ts"]), event["type"])
        elif event["type"] == "crm.created":
            self._record(self.records[event["id"]])
        elif event["type"] == "crm.merged":
            self._merged(event["id"], payload["from"])

    def _customer(self, customer_id: str, payload: Row, ts: int, kind: str) -> None:
        if self.seen.get(customer_id, -1) >= ts:
            return
        self.seen[customer_id] = ts
        row = self.customers[customer_id] = {**self.customers[customer_id], **payload}
        if kind == "customer.updated" and customer_id in self.links:
            self.changed.append((customer_id, self.links[customer_id]))
        self.index.put("customer", [customer_profile(customer_party(row))])
        mates = self._mates(customer_id)
        self._decide([customer_id, *mates])

    def _mates(self, customer_id: str) -> list[str]:
        """Undecided customers whose portrait this one may have changed."""
        [profile] = self.index.profiles("customer", [customer_id]).values()
        found = self.index.look_up("customer", domain_keys([profile]))
        return [i for posting in found.values() for i in posting.ids if i != customer_id]

    def _record(self, party: Party) -> None:
        if party.id in self.forwarded:
            return
        profile = record_profile(party)
        self.index.put("record", [profile])
        found = self.index.look_up("customer", waiting_keys(profile))
        self._decide(i for posting in found.values() for i in posting.ids)

    def _merged(self, survivor: str, gone: Sequence[str]) -> None:
        if survivor in self.records and self.records[survivor].merged_ids:
            return
        unknown = [i for i in gone if i not in self.records]
        if unknown or not gone:
            raise SystemExit(f"events.csv: {survivor} is merged from {unknown or 'nothing'}")
        parts = [self.records[i] for i in gone]
        party = replace(
            parts[0],
            id=survivor,
            merged_ids=tuple(gone),
            aliases=tuple(part.name for part in parts[1:] if part.name),
            emails=tuple(email for part in parts for email in part.emails),
            domains=tuple(domain for part in parts for domain in part.domains),
        )
        self.records[survivor] = party
        self.index.remove("record", gone)
        self.forwarded.update(dict.fromkeys(gone, survivor))
        for customer_id, record_id in self.links.items():
            if record_id in gone:
                self.links[customer_id] = survivor
                self.followed += 1
        self._record(party)

    def _decide(self, ids: Iterable[str]) -> None:
        waiting = sorted({i for i in ids if i not in self.links})
        profiles = list(self.index.profiles("customer", waiting).values())
        if not profiles:
            return
        around = gather(self.index, profiles)
        for profile in profiles:
            found = decide(profile, around, shipped())
            self.decisions[profile.id] = found
            if found.outcome == "auto" and found.record_id is not None:
                self.links[profile.id] = found.record_id
                self.made[profile.id] = found

    def predictions(self) -> list[list[str]]:
        """Links as they stand, else the newest decision."""
        found = []
        for customer_id, decision in sorted(self.decisions.items()):
            row = prediction(decision)
            if customer_id in self.links:
                row[1:3] = ["auto", self.links[customer_id]]
            found.append(row)
        return found


def opened(folder: Path, events: Sequence[Row]) -> Stream:
    """The stream before its first event: records that are created later are withheld."""
    book = read_book(folder)
    records = {party.id: party for party in book.records}
    late = {event["id"] for event in events if event["type"] == "crm.created"}
    stream = Stream({row["stripe_id"]: row for row in rows(folder / "stripe.csv")}, records)
    early = [record_profile(party) for party in book.records if party.id not in late]
    stream.index.put("record", early)
    return stream


def played(folder: Path, events: Sequence[Row]) -> Stream:
    """The stream after all events."""
    stream = opened(folder, events)
    for event in events:
        stream.play(event)
    return stream


def run(folder: Path, out: Path) -> None:
    """Play the book, write the predictions and print the figures of the stream."""
    from bench.identity_stream_figures import print_figures  # noqa: PLC0415 - it imports this

    events = rows(folder / "events.csv", "ts", "type", "id")
    stream = opened(folder, events)
    seconds = []
    for event in events:
        began = time.process_time()
        stream.play(event)
        seconds.append(time.process_time() - began)
    found = stream.predictions()
    with out.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(["stripe_id", "decision", "crm_id", "score", "candidates"])
        writer.writerows(found)
    cuts = ", ".join(f"p{int(at * 100)} {quantile(seconds, at):.3f} ms" for at in (0.5, 0.95, 0.99))
    print(f"{len(events)} events in {sum(seconds):.2f} s, an event {cuts}")
    print_figures(folder, events, stream)
