"""How the customers of an account pay and where they stand, each and together (design 9).

For the fold of accounts and for `mrr explain` alike.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Final, Protocol

from plumbline_schemas.accounts import Stage
from plumbline_schemas.ids import ExternalKey

from plumbline_domain.lifecycle import BOTH, Lifecycle, Triggers, lifecycle
from plumbline_domain.payment_status import PaymentHealth, payment_health
from plumbline_domain.sighting import SeenInvoice, SeenSubscription, Sighting

_NOBODY_EXPANDED: Final[Mapping[ExternalKey, bool]] = MappingProxyType({})
_FIRST_TO_LAST: Final[tuple[Stage, ...]] = (
    "at_risk",
    "expanded",
    "paying",
    "activated",
    "trial",
    "churned",
    "prospect",
)
"""At risk, active, trial, churned, prospect; within active the stage that is furthest."""


class Payer(Protocol):
    """A billing customer with its objects; a deleted one is settled: they are over."""

    @property
    def key(self) -> ExternalKey:
        """Names it."""

    @property
    def deletion(self) -> Sighting | None:
        """Of a customer that was deleted."""

    @property
    def subscriptions(self) -> Sequence[SeenSubscription]:
        """Its own."""

    @property
    def invoices(self) -> Sequence[SeenInvoice]:
        """Its own."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one customer pays and where it stands."""

    health: PaymentHealth
    lifecycle: Lifecycle


def health_of(payers: Sequence[Payer], at: datetime) -> PaymentHealth:
    """As if all objects were one customer's; deleted customers owe nothing."""
    alive = [payer for payer in payers if payer.deletion is None]
    if payers and not alive:
        deletions = [payer.deletion for payer in payers if payer.deletion is not None]
        by = max(deletions, key=lambda one: one.age)
        return PaymentHealth("none", "payment_status.customer_deleted", by)
    subscriptions = [seen for payer in alive for seen in payer.subscriptions]
    invoices = [seen for payer in alive for seen in payer.invoices]
    return payment_health(subscriptions, invoices, at=at)


def standing_of(
    payer: Payer,
    at: datetime,
    *,
    health: PaymentHealth | None = None,
    triggers: Triggers = BOTH,
    expanded: bool = False,
) -> Standing:
    """One customer's own; `health`, if it was worked out already."""
    own = health or health_of([payer], at)
    if payer.deletion is not None:
        left = lifecycle(payer.subscriptions, (), own, at=at)
        gone = replace(left, rule="lifecycle.customer_deleted", by=payer.deletion)
        return Standing(own, gone)
    found = lifecycle(
        payer.subscriptions, payer.invoices, own, at=at, triggers=triggers, expanded=expanded
    )
    return Standing(own, found)


def standings_of(
    everyone: Sequence[Payer],
    counted: Sequence[Payer],
    at: datetime,
    triggers: Triggers = BOTH,
    expanded: Mapping[ExternalKey, bool] = _NOBODY_EXPANDED,
) -> tuple[PaymentHealth, Lifecycle, dict[ExternalKey, Standing]]:
    """The account's payment status and place by those that count, and each one's own."""
    health = health_of(counted, at)
    alive = [payer for payer in counted if payer.deletion is None]
    found = {
        payer.key: standing_of(
            payer,
            at,
            health=health if alive == [payer] else None,
            triggers=triggers,
            expanded=expanded.get(payer.key, False),
        )
        for payer in everyone
    }
    return health, first_of([found[payer.key].lifecycle for payer in counted]), found


def first_of(found: Sequence[Lifecycle]) -> Lifecycle:
    """The first of at_risk, active, trial, churned, prospect that any customer has."""
    return min(
        found,
        key=lambda one: _FIRST_TO_LAST.index(one.stage),
        default=Lifecycle("prospect", "lifecycle.no_subscription"),
    )
