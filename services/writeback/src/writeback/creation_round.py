"""One round of creating records: look, claim, create, record (design 7).

Each account's record is made once. The sender's lock admits one process; the claim is stored before
the call; what is out without an answer is looked for by the account's id, which no two records can
bear, before it goes out again; and the call itself is an upsert by that id, so that even one that
comes late finds the record in place of making a second.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

import structlog
from plumbline_connectors.hubspot.creation import Sought, searches
from plumbline_connectors.hubspot.outcomes import RowOutcome, RowStatus
from plumbline_runtime import failpoints
from plumbline_schemas.errors import Retryable, VendorError

from writeback import creation_store, store
from writeback.creation_record import Answer, look_again, postpone, record, record_made
from writeback.creation_search import Found, others, sought_for
from writeback.creations import Creation, properties_of
from writeback.crm import PROPERTY_MISSING, BatchRefused
from writeback.deploy import KINDS
from writeback.effects import RecordId
from writeback.gate import OPEN, WorkspaceFacts
from writeback.lanes import Lanes
from writeback.session import Session
from writeback.settings import WritebackSettings
from writeback.turns import Throttle, Turns

log = structlog.get_logger()

MOST: Final = 25
"""Records of one call."""
_CONFLICT: Final = 409
_MARK: Final = "creation"
"""Stands in the lanes for the kind of records that are being made."""
_SEARCH_SECONDS: Final = 0.25
"""Between two searches: an account has five a second, for all who search (vendors 2.5)."""


class Maker(Protocol):
    """The CRM of one connection, as far as records are made there."""

    async def held(self, kind: str, accounts: Sequence[str]) -> dict[str, str]:
        """Ids of the records made for accounts, by account."""

    async def search(
        self, kind: str, sought: Sequence[Sought]
    ) -> list[tuple[str, dict[str, str | None]]]:
        """Records with any of the values; `sought` is what one search can look for."""

    async def create(
        self, kind: str, rows: Mapping[str, Mapping[str, str]]
    ) -> dict[str, RowOutcome]:
        """Make records; an outcome for every account."""


class Identifier(Protocol):
    """Who makes sure of the property that the account's id stands in."""

    async def identify(self, kind: str) -> bool:
        """Whether it is there and holds unique values; raises VendorError."""

    def forget(self, kind: str) -> None:
        """It may be gone: have it looked for before the next one is made."""


class Admitted(Protocol):
    """Which kinds of objects the token may touch."""

    def admits(self, kind: str) -> bool:
        """Whether there is any use in working on this kind now."""


class Creations:
    """Creates the records of one connection, one batch at a time."""

    def __init__(
        self,
        crm: Maker,
        budget: Throttle,
        identifier: Identifier,
        kinds: Admitted,
        settings: WritebackSettings,
    ) -> None:
        self._crm = crm
        self._kinds = kinds
        self._identifier = identifier
        self._settings = settings
        self._turns = Turns(budget, settings.patience)
        self._began_at = self._searched_at = float("-inf")

    async def start(self, session: Session, lanes: Lanes, target: tuple[str, str]) -> bool:
        """Start a round when there is something to be made; False when there is not.

        `target`: workspace and connection.
        """
        now = time.monotonic()
        if now - self._began_at < self._settings.poll or not lanes.free or lanes.busy(_MARK):
            return False
        self._began_at = now
        due = await self._due(session, target)
        if not due:
            return False
        async with session.turn() as conn:
            facts = await store.workspace(conn, target[0])
        if facts.gate != OPEN:
            return False
        marks = [RecordId(*target, _MARK, r.account_id) for r in due]
        lanes.start(self._carry_out(session, facts, due), marks)
        return True

    async def _due(self, session: Session, target: tuple[str, str]) -> list[Creation]:
        """What is to be made now; records that are not linked in time are asked for again."""
        async with session.turn() as conn:
            if not await creation_store.any_open(conn, *target):
                return []
        async with session.transaction() as conn:
            await creation_store.forget_done(conn, *target)
            late = await creation_store.unlinked(conn, *target)
            await look_again(conn, late, session.now(), self._settings)
            kinds = [kind for kind in KINDS if self._kinds.admits(kind)]
            return await creation_store.due(
                conn, *target, kinds=kinds, limit=MOST, settle=self._settings.create_settle
            )

    async def _carry_out(
        self, session: Session, facts: WorkspaceFacts, rows: Sequence[Creation]
    ) -> VendorError | None:
        """Bring the rows, all of one kind, as far as the vendor lets us.

        Returns what stopped it; raises VendorError when looking failed: nothing was tried then.
        """
        kind = rows[0].kind
        try:
            if not await self._identifier.identify(kind):
                why = "the CRM has no property of unique values to tell it by"
                await postpone(session, rows, why, self._settings, bounded=False)
                return None
            todo = await self._look(session, facts, kind, rows)
            if not todo or not await self._turns.may_begin("write", urgent=False):
                return None
        except BatchRefused as error:  # a property that was looked by is gone
            self._identifier.forget(kind)
            await postpone(session, rows, str(error), self._settings, bounded=False)
            return None
        except Retryable as error:
            await self._turns.tell(error)
            raise
        claimed = await self._claim(session, facts, todo)
        if not claimed:
            return None
        failpoints.hit("writeback.after_creation_claim")
        answers, failure = await self._create(kind, claimed)
        failpoints.hit("writeback.after_creation")
        if isinstance(failure, Retryable):
            await self._turns.tell(failure)
        await record(session, claimed, answers, failure, self._settings)
        return failure

    async def _look(
        self, session: Session, facts: WorkspaceFacts, kind: str, rows: Sequence[Creation]
    ) -> list[Creation]:
        """Those of which the CRM has nothing; what is there is recorded, or asked to be read."""
        await self._turns.take("read", urgent=False)
        held = await self._crm.held(kind, [row.account_id for row in rows])
        made = [r._replace(vendor_id=held[r.account_id]) for r in rows if r.account_id in held]
        await record_made(session, made, self._settings)
        left = [row for row in rows if row.account_id not in held]
        async with session.transaction() as conn:
            await creation_store.drop(conn, [row for row in left if not row.wanted])
        left = [row for row in left if row.wanted]
        sought = sought_for(facts, left)
        found = await self._search(kind, sought)
        known = {row.account_id: others(row, sought, found) for row in left}
        await postpone(
            session,
            [row for row in left if known[row.account_id]],
            "the CRM has a record that may be its own",
            self._settings,
            looks=[key for keys in known.values() for key in keys],
        )
        return [row for row in left if not known[row.account_id]]

    async def _search(self, kind: str, sought: Sequence[Sought]) -> list[Found]:
        """What any search finds; a CRM that has no further domains to search by has none."""
        found: list[Found] = []
        for part in searches(sought):
            await asyncio.sleep(self._searched_at + _SEARCH_SECONDS - time.monotonic())
            await self._turns.take("read", urgent=False)
            self._searched_at = time.monotonic()
            try:
                found += await self._crm.search(kind, part)
            except BatchRefused as error:
                if not all(one.listed for one in part):
                    raise
                log.warning("list_not_searched", kind=kind, error=error)
        return found

    async def _claim(
        self, session: Session, facts: WorkspaceFacts, rows: Sequence[Creation]
    ) -> list[Creation]:
        """Store that they go out; one that changed since it was looked for is due again."""
        at = session.now()
        async with session.transaction() as conn:
            now = (await store.lock_workspaces(conn, {facts.workspace}))[facts.workspace]
            if now.gate != OPEN:
                return []
            locked = await creation_store.lock(conn, [(r.workspace, r.account_id) for r in rows])
            lease = at + timedelta(seconds=self._settings.lease)
            claimed = [
                row._replace(state="sending", since=at, next_attempt_at=lease)
                for row in rows
                if locked.get((row.workspace, row.account_id)) == row
            ]
            await creation_store.save(conn, claimed)
        return claimed

    async def _create(
        self, kind: str, rows: Sequence[Creation]
    ) -> tuple[list[Answer], VendorError | None]:
        """Send a batch; one that is refused as a whole is halved down to the guilty rows."""
        try:
            called = self._crm.create(kind, {row.account_id: properties_of(row) for row in rows})
            told = await failpoints.during("writeback.during_creation", called)
            return [Answer(row, told[row.account_id]) for row in rows], None
        except BatchRefused as error:
            if len(rows) == 1:
                return [Answer(rows[0], _as_outcome(rows[0], error))], None
        except VendorError as error:
            return [], error
        middle = len(rows) // 2
        answers: list[Answer] = []
        for half in (rows[:middle], rows[middle:]):
            await self._turns.take("write", urgent=False)
            more, failure = await self._create(kind, half)
            answers += more
            if failure is not None:
                return answers, failure
        return answers, None


def _as_outcome(row: Creation, error: BatchRefused) -> RowOutcome:
    """A missing property can be mended; a conflict is with a record of a moment ago."""
    passing = error.category == PROPERTY_MISSING or error.status == _CONFLICT
    status: RowStatus = "retry" if passing else "permanent"
    return RowOutcome(row.account_id, status, None, str(error), error.category)
