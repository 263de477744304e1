"""Standing rulings of people about the customers of a run, and which of them changed."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from typing import Any

import asyncpg
from plumbline_schemas.ids import ExternalKey

from matcher.identity_parties import local_id, side_of
from matcher.rows import Ruling

APART = frozenset({"not_this", "cannot_link", "unlink", "split"})
"""The customer is not the other."""
LINKED = frozenset({"link", "subsidiary"})


class Rulings:
    """Rulings as loaded, and as the run changes them."""

    def __init__(self) -> None:
        self._held: dict[ExternalKey, dict[ExternalKey, Ruling]] = defaultdict(dict)
        self._changed: dict[tuple[ExternalKey, ExternalKey], Ruling | None] = {}
        self.known: set[ExternalKey] = set()
        """Customers of which all rulings are here."""

    def load(self, ruling: Ruling) -> None:
        """Put a stored ruling in."""
        self._held[ruling.customer][ruling.decision_key] = ruling

    def of_decision(self, key: ExternalKey) -> list[Ruling]:
        """What one decision says, by customer."""
        return [held[key] for _, held in sorted(self._held.items()) if key in held]

    def put(self, ruling: Ruling) -> None:
        """What a decision says about a customer now."""
        self._held[ruling.customer][ruling.decision_key] = ruling
        self._changed[(ruling.customer, ruling.decision_key)] = ruling

    def drop(self, ruling: Ruling) -> None:
        """It says so no longer."""
        del self._held[ruling.customer][ruling.decision_key]
        self._changed[(ruling.customer, ruling.decision_key)] = None

    def cannot(self, customer: ExternalKey) -> frozenset[str]:
        """Records, by the ids of their profiles, that the customer is not."""
        return frozenset(
            local_id(other) for other in self._apart(customer) if side_of(other) == "record"
        )

    def strangers(self, customer: ExternalKey) -> set[ExternalKey]:
        """Customers that never share an account with it."""
        return {other for other in self._apart(customer) if side_of(other) == "customer"}

    def _apart(self, customer: ExternalKey) -> Iterator[ExternalKey]:
        for ruling in self._held.get(customer, {}).values():
            if ruling.action in {*APART, "create"} and ruling.other is not None:
                yield ruling.other

    def linked(self, customer: ExternalKey) -> Ruling | None:
        """The ruling that links the customer, if there is one."""
        held = self._held.get(customer, {})
        return next((held[key] for key in sorted(held) if held[key].action in LINKED), None)

    def creates(self, customer: ExternalKey) -> bool:
        """Whether the customer is to get a CRM record of its own."""
        return any(one.action == "create" for one in self._held.get(customer, {}).values())

    def changes(self) -> tuple[list[Ruling], list[tuple[ExternalKey, ExternalKey]]]:
        """Rulings to store, and (customer, decision) of those to forget."""
        ordered = sorted(self._changed.items())
        put = [ruling for _, ruling in ordered if ruling is not None]
        return put, [place for place, ruling in ordered if ruling is None]


def ruling_statements(workspace: str, rulings: Rulings) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What stores the changed rulings."""
    put, gone = rulings.changes()
    if gone:
        yield (
            """delete from matcher.rulings r
               using unnest($2::text[], $3::text[]) as gone (customer, decision_key)
               where r.workspace = $1 and r.customer = gone.customer
                 and r.decision_key = gone.decision_key""",
            (workspace, [one for one, _ in gone], [key for _, key in gone]),
        )
    if put:
        yield (
            """insert into matcher.rulings
                   (workspace, customer, decision_key, action, other, decided_by)
               select $1, * from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
               on conflict (workspace, customer, decision_key) do update set
                   action = excluded.action, other = excluded.other,
                   decided_by = excluded.decided_by""",
            (
                workspace,
                [one.customer for one in put],
                [one.decision_key for one in put],
                [one.action for one in put],
                [one.other for one in put],
                [one.decided_by for one in put],
            ),
        )


async def load_rulings(
    conn: asyncpg.Connection,
    workspace: str,
    rulings: Rulings,
    *,
    customers: Collection[ExternalKey],
    decisions: Collection[ExternalKey],
) -> None:
    """Load all rulings about customers, and all that decisions made; one round trip."""
    wanted = sorted(set(customers) - rulings.known)
    if not wanted and not decisions:
        return
    rulings.known.update(wanted)
    rows = await conn.fetch(
        """select customer, decision_key, action, other, decided_by from matcher.rulings
           where workspace = $1
             and (customer = any($2::text[]) or decision_key = any($3::text[]))""",
        workspace,
        wanted,
        sorted(decisions),
    )
    for row in rows:
        rulings.load(Ruling(**dict(row)))
