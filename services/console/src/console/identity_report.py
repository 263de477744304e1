"""`plumbline identity report|recalibrate`: how matching stands, and what reviews teach it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import asyncpg
from plumbline_domain.identity.calibrate import (
    ENOUGH,
    Reviewed,
    calibrated,
    expected,
    threshold_for,
)
from plumbline_domain.identity.report import IdentityReport, Standing, report
from plumbline_domain.identity.weights import shipped
from plumbline_schemas.outputs import Output
from plumbline_schemas.review_outputs import (
    DriftBin,
    IdentityReports,
    MethodShare,
    Recalibrated,
    StandingDecision,
    WorkspaceIdentity,
)

from console.accounts import NotFound
from console.deciding.run import Desk, Refused
from console.deciding.standing import standing
from console.identity_duplicates import workspaces
from console.show import say, table

_STANDINGS = """
    with customers as (
        select key from matcher.known_view
        where workspace = $1 and kind = 'customer' and not deleted),
    linked as (
        select mine.key, mine.method as own, record.method as theirs
        from matcher.link_history mine
        join lateral (
            select other.method from matcher.link_history other
            where other.workspace = $1 and other.account_id = mine.account_id
              and other.closed_version is null and split_part(other.key, '/', 3) <> 'customer'
            order by other.opened_version limit 1) as record on true
        where mine.workspace = $1 and mine.closed_version is null)
    select c.key, l.own, l.theirs, a.opened_at as asked_at
    from customers c
    left join linked l using (key)
    left join matcher.attention_view a
        on a.workspace = $1 and a.kind = 'review_match' and a.subject = c.key
       and a.status = 'open'
    order by c.key
"""


async def reports(desk: Desk, *, workspace: str | None) -> tuple[Output, int]:
    """The report of each workspace, or of one."""
    now = datetime.now(UTC)
    names = await workspaces(desk.db, workspace)
    if not names:
        raise NotFound(f"no workspace {workspace!r}" if workspace else "no workspace is there yet")
    return IdentityReports(workspaces=[await _report(desk.db, name, now) for name in names]), 0


async def _report(db: asyncpg.Connection, workspace: str, now: datetime) -> WorkspaceIdentity:
    stood = [one for one in await standing(db, workspace) if not one.withdrawn]
    reviewed = reviews(stood)
    found = report(await _standings(db, workspace, stood), reviewed, now)
    return WorkspaceIdentity(
        workspace=workspace,
        customers=found.customers,
        linked=found.linked,
        asked=found.asked,
        unmatched=found.unmatched,
        without_record=found.without_record,
        match_rate=found.match_rate,
        methods=_shares(found),
        median_age_days=found.median_age_days,
        oldest_age_days=found.oldest_age_days,
        drift=[DriftBin.model_validate(one._asdict()) for one in found.drift],
        reviews=len(reviewed),
        enough=ENOUGH,
    )


async def _standings(
    db: asyncpg.Connection, workspace: str, stood: Iterable[StandingDecision]
) -> list[Standing]:
    created = {one.customer for one in stood if one.action == "create"}
    found = []
    for row in await db.fetch(_STANDINGS, workspace):
        linked = row["theirs"] is not None
        own = row["own"] if row["own"] not in ("founder", "shared_record") else row["theirs"]
        found.append(
            Standing(
                outcome="auto" if linked else "review" if row["asked_at"] else "none",
                method=own,
                asked_at=None if linked else row["asked_at"],
                without_record=row["key"] in created,
            )
        )
    return found


def reviews(stood: Iterable[StandingDecision]) -> list[Reviewed]:
    """What the machine had said of pairs that a person decided, by the weights of today.

    Answers to questions of other weights tell nothing of these.
    """
    version = shipped().version
    return [
        Reviewed(one.probability, one.action == "link")
        for one in stood
        if one.probability is not None and one.model_version == version and not one.withdrawn
    ]


def _shares(found: IdentityReport) -> list[MethodShare]:
    return [
        MethodShare(method=method, customers=count, share=round(count / found.linked, 4))
        for method, count in found.methods
    ]


async def recalibrate(desk: Desk, *, workspace: str | None, precision: float) -> tuple[Output, int]:
    """What to configure for a precision, from the decisions of a workspace.

    Raises Refused while there are fewer than 200 decisions.
    """
    names = await workspaces(desk.db, workspace)
    if len(names) != 1:
        raise NotFound(f"one workspace at a time, --workspace names it: {', '.join(names)}")
    [name] = names
    reviewed = reviews(await standing(desk.db, name))
    if len(reviewed) < ENOUGH:
        raise Refused(f"{len(reviewed)} reviews were decided; it takes {ENOUGH} to recalibrate")
    rows = await desk.db.fetch(
        """select probability from matcher.link_history
           where workspace = $1 and closed_version is null and method = 'evidence'
             and probability is not null and model_version = $2""",
        name,
        shipped().version,
    )
    return settle(name, reviewed, [row["probability"] for row in rows], precision), 0


def settle(
    workspace: str, reviewed: Sequence[Reviewed], linked: Sequence[float], precision: float
) -> Recalibrated:
    """The lowest threshold of that precision, for the pairs linked by evidence or reviewed."""
    learnt = calibrated(reviewed)
    every = [*linked, *(one.probability for one in reviewed)]
    best = threshold_for(every, precision, learnt)
    now = expected(every, shipped().auto_at, learnt)
    reached = best.auto_at <= 1
    line = f"auto_at = {best.auto_at:.3f}" if reached else "auto_at = 1.0  # nothing reaches it"
    return Recalibrated(
        workspace=workspace,
        decisions=len(reviewed),
        precision=precision,
        auto_at=best.auto_at if reached else None,
        linked=best.linked,
        wrong_per_1000=best.wrong_per_1000,
        now=now.auto_at,
        now_wrong_per_1000=now.wrong_per_1000,
        configuration=f"[policies.identity]\n{line}\n",
    )


def print_reports(output: Output) -> None:
    """Definition and figures of each workspace."""
    assert isinstance(output, IdentityReports)
    for one in output.workspaces:
        counted = one.customers - one.without_record
        rate = "no customers yet" if one.match_rate is None else f"{one.match_rate:.1%}"
        say(f"{one.workspace}: match rate {rate}")
        say(f"  {one.linked} customers linked, of {counted} not known to be without a CRM record")
        say(
            f"  {one.asked} wait for a review, {one.unmatched} match nothing, "
            f"{one.without_record} have no CRM record"
        )
        if one.oldest_age_days is not None:
            say(
                f"  reviews wait {one.median_age_days} days (median), {one.oldest_age_days} at most"
            )
        if one.methods:
            table(
                "Linked by",
                ["method", "customers", "share"],
                [(m.method, m.customers, f"{m.share:.1%}") for m in one.methods],
                right=["customers", "share"],
            )
        _print_drift(one)


def _print_drift(one: WorkspaceIdentity) -> None:
    if one.drift:
        table(
            "What was said, and what reviewers found",
            ["said between", "reviews", "said", "found"],
            [
                (f"{b.start:.2f} and {b.end:.2f}", b.decisions, f"{b.said:.1%}", f"{b.found:.1%}")
                for b in one.drift
            ],
            right=["reviews", "said", "found"],
        )
    enough = one.reviews >= one.enough
    say(
        f"  {one.reviews} reviews answered a guess; "
        + ("`plumbline identity recalibrate` learns from them" if enough else f"{one.enough} teach")
    )


def print_recalibrated(output: Output) -> None:
    """What to configure, and what it does."""
    assert isinstance(output, Recalibrated)
    say(f"{output.workspace}: {output.decisions} reviews, for a precision of {output.precision}")
    say(f"  now, at {output.now}: about {output.now_wrong_per_1000:.1f} wrong in 1,000")
    if output.auto_at is None:
        say("  no threshold reaches it: with this nothing links by evidence")
    else:
        say(
            f"  at {output.auto_at:.3f}: {output.linked} link, "
            f"about {output.wrong_per_1000:.1f} wrong in 1,000"
        )
    say("Put into the deployment file, then `plumbline apply`:")
    for line in output.configuration.splitlines():
        say(f"  {line}")
