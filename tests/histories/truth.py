"""The final state of a customer, told from the simulator's final objects by billing.md.

Written apart from the product: plain JSON in, plain values out, no rule of `plumbline_domain`.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final

from tests.histories.truth_money import (
    Json,
    World,
    coupon_of,
    held,
    item_discounts,
    own_mrr,
    places,
    rounded,
)

_WORST: Final = (
    "unpaid", "past_due", "incomplete", "paused", "active", "trialing", "canceled",
)  # fmt: skip
_OVER: Final = ("canceled", "incomplete_expired")
_FORGIVEN: Final = ("user_forgiven", "subscription_paused")
_SOON: Final = 90 * 86_400


class Truth:
    """One customer as the vendor has it in the end. A deleted one owes nothing any more."""

    def __init__(self, customer: Json, objects: Sequence[Json], world: World) -> None:
        self._world, self._at = world, world.at
        self._gone = bool(customer.get("deleted"))
        self._customer = customer
        by_kind: dict[str, list[Json]] = {}
        for one in objects:
            by_kind.setdefault(one["object"], []).append(one)
        self._subscriptions = by_kind.get("subscription", [])
        self._invoices = by_kind.get("invoice", [])
        self._charges = by_kind.get("charge", [])
        self._notes = by_kind.get("credit_note", [])
        self._cards = [one for one in by_kind.get("payment_method", []) if one.get("card")]
        self._begun = [one for one in self._subscriptions if one["start_date"] <= self._at]
        self._live = [one for one in self._begun if one["status"] not in _OVER]

    def values(self) -> dict[str, Any]:
        """Every field that does not depend on what arrived when."""
        mrr = sum((self._reported(one) for one in self._live), Fraction(0))
        ending = [one for one in self._live if _ends(one) is not None]
        stage = self.stage()
        return {
            "mrr": self._money(mrr),
            "exact": str(mrr),
            "plan": self.plan(),
            "payment_status": self.payment_status(),
            "stage": stage,
            "state": "active" if stage in ("activated", "paying") else stage,
            "subscription_status": self.subscription_status(),
            "failed_payment_count": self._attempts(),
            "ltv": self._money(self._lifetime()),
            "last_payment_at": _instant(max(self._payments(), default=None)),
            "days_to_first_payment": self._days(),
            "billing_started_at": _instant(
                min((one["start_date"] for one in self._subscriptions), default=None)
            ),
            "next_renewal_at": _instant(min((_renews(one) for one in self._live), default=None)),
            "planned_cancellation_at": _instant(
                min((_ends(one) or 0 for one in ending), default=None)
            ),
            "mrr_ending": self._money(sum((self._reported(one) for one in ending), Fraction(0))),
            "billing_interval": self._interval(),
            "discount": self._discount(),
            "payment_method_expires_at": self._card_expiry(),
        }

    def own(self) -> dict[str, Fraction]:
        """Exact MRR by the subscriptions' own currencies; none of zero."""
        found: dict[str, Fraction] = {}
        for one in self._live:
            amount = own_mrr(one, self._customer, self._world)
            if amount:
                found[one["currency"]] = found.get(one["currency"], Fraction(0)) + amount
        return found

    def _reported(self, subscription: Json) -> Fraction:
        amount = own_mrr(subscription, self._customer, self._world)
        return self._world.converted(amount, subscription["currency"])

    def _money(self, amount: Fraction) -> dict[str, Any]:
        return {"minor": rounded(amount), "currency": self._world.currency}

    def plan(self) -> str | None:
        """The name of the first item of the live subscription that started first."""
        if not self._begun:
            return None
        chosen = min(self._live, key=_start) if self._live else _ended_last(self._begun)
        item = min(chosen["items"], key=lambda one: (one["created"], one["id"]))
        price = self._world.prices[item["price"]]
        name = self._world.products[price["product"]]["name"]
        return str(price.get("lookup_key") or name or price.get("nickname") or price["id"])

    def subscription_status(self) -> str | None:
        """The worst of the live ones, else of the one that ended last."""
        if self._live:
            return min((str(one["status"]) for one in self._live), key=_WORST.index)
        return str(_ended_last(self._begun)["status"]) if self._begun else None

    def payment_status(self) -> str:
        """past_due, failing, paid or none: the first that matches."""
        if self._gone:
            return "none"
        counting = [one for one in self._invoices if self._counts(one)]
        waiting = {one["id"] for one in self._subscriptions if one["status"] == "incomplete"}
        if self._past_due(counting, waiting):
            return "past_due"
        trying = [one for one in counting if one["status"] == "open"]
        states = {one["status"] for one in self._live}
        if trying or states & {"past_due", "incomplete"}:
            return "failing"
        latest = max(counting, key=_finalised, default=None)
        return "paid" if latest is not None and latest["status"] == "paid" else "none"

    def _counts(self, invoice: Json) -> bool:
        if invoice["status"] == "open":
            tried = invoice.get("attempted") and invoice["collection_method"] != "send_invoice"
            return bool(tried) or self._overdue(invoice)
        if invoice["status"] == "uncollectible":
            details = (invoice.get("status_details") or {}).get("uncollectible") or {}
            owners = [one for one in self._subscriptions if one["id"] == _owner(invoice)]
            pauses = [(one.get("pause_collection") or {}).get("behavior") for one in owners]
            forgiven = details.get("reason") in _FORGIVEN or "mark_uncollectible" in pauses
            return not forgiven
        return bool(invoice["status"] == "paid")

    def _overdue(self, invoice: Json) -> bool:
        return invoice.get("due_date") is not None and invoice["due_date"] <= self._at

    def _past_due(self, counting: Sequence[Json], waiting: set[str]) -> bool:
        groups: dict[str | None, Json] = {}
        for one in sorted(counting, key=_finalised):
            groups[_owner(one)] = one
            given_up = self._overdue(one) or one.get("next_payment_attempt") is None
            if given_up and one["status"] == "open" and _owner(one) not in waiting:
                return True
        if any(one["status"] == "uncollectible" for one in groups.values()):
            return True
        return any(one["status"] == "unpaid" or _paused_unpaid(one) for one in self._live)

    def stage(self) -> str:
        """Without the history that `expanded` needs."""
        real = [one for one in self._begun if not one["status"].startswith("incomplete")]
        live = [one for one in real if one["status"] != "canceled"]
        running = [one for one in live if one["status"] != "paused"]
        if not live:
            return "churned" if real else "prospect"
        trouble = self.payment_status() in ("failing", "past_due")
        if not running or trouble or any(self._leaves(one) for one in running):
            return "at_risk"
        if all(one["status"] == "trialing" for one in running):
            return "trial"
        return "paying" if self._payments() else "activated"

    def _leaves(self, subscription: Json) -> bool:
        if subscription.get("cancel_at_period_end"):
            return True
        at = subscription.get("cancel_at")
        return at is not None and at - self._at <= _SOON

    def _attempts(self) -> int:
        if self._gone:
            return 0
        return sum(one.get("attempt_count", 0) for one in self._invoices if one["status"] == "open")

    def _paid(self) -> Iterable[Json]:
        return (one for one in self._invoices if one["status"] == "paid" and one["amount_paid"] > 0)

    def _payments(self) -> list[int]:
        return [one["status_transitions"]["paid_at"] for one in self._paid()]

    def _lifetime(self) -> Fraction:
        """Paid, less refunds of charges and credit notes paid out otherwise."""
        sums: dict[str, int] = {}
        for one in self._paid():
            sums[one["currency"]] = sums.get(one["currency"], 0) + one["amount_paid"]
        for one in self._charges:
            sums[one["currency"]] = sums.get(one["currency"], 0) - one.get("amount_refunded", 0)
        for one in self._notes:
            back = sum(part["amount_refunded"] for part in one.get("refunds") or [])
            if one["status"] != "void":
                given = one["post_payment_amount"] - back
                sums[one["currency"]] = sums.get(one["currency"], 0) - given
        total = (self._world.converted(Fraction(minor), code) for code, minor in sums.items())
        return sum(total, Fraction(0))

    def _days(self) -> int | None:
        first = min(self._payments(), default=None)
        return None if first is None else max(0, (first - self._customer["created"]) // 86_400)

    def _interval(self) -> str | None:
        words = set()
        for one in self._live:
            for item in one["items"]:
                recurring = self._world.prices[item["price"]]["recurring"]
                unit, count = recurring["interval"], recurring["interval_count"]
                words.add(unit if count == 1 else f"{count} {unit}s")
        return None if not words else words.pop() if len(words) == 1 else "mixed"

    def _discount(self) -> str | None:
        found: set[str] = set()
        for one in self._live:
            own = held(one.get("discounts") or [], self._world)
            inherited = [self._customer["discount"]] if self._customer.get("discount") else []
            names = [name for item in one["items"] for name in item_discounts(item)]
            for discount in (*held(names, self._world), *(own or held(inherited, self._world))):
                found.add(self._words(discount))
        words = sorted(found)
        more = f"; {len(words) - 5} more" if len(words) > 5 else ""
        return "; ".join(words[:5]) + more or None

    def _words(self, discount: Json) -> str:
        coupon = coupon_of(discount, self._world)
        if coupon.get("percent_off") is not None:
            off = f"{coupon['percent_off']:g} % off"
        else:
            code = coupon["currency"]
            off = f"{coupon['amount_off'] / 10 ** places(code):.{places(code)}f} {code.upper()} off"
        if discount.get("end") is None:
            return f"{off} forever"
        return f"{off} until {datetime.fromtimestamp(discount['end'], UTC).date()}"

    def _card_expiry(self) -> str | None:
        """Of the cards that are charged: the subscriptions' own, else the customer's."""
        if self._gone:
            return None
        settings = self._customer.get("invoice_settings") or {}
        default = settings.get("default_payment_method")
        if default is None and self._cards:
            default = max(self._cards, key=lambda one: (one["created"], one["id"]))["id"]
        charged = {one.get("default_payment_method") or default for one in self._live} or {default}
        ends = [
            (card["card"]["exp_year"], card["card"]["exp_month"])
            for card in self._cards
            if card["id"] in charged
        ]
        if not ends:
            return None
        year, month = min(ends)
        return f"{year + month // 12:04d}-{month % 12 + 1:02d}-01T00:00:00Z"


def _start(subscription: Json) -> tuple[int, str]:
    return (subscription["start_date"], subscription["id"])


def _ended_last(subscriptions: Sequence[Json]) -> Json:
    latest = max(_ended(one) for one in subscriptions)
    return min((one for one in subscriptions if _ended(one) == latest), key=_start)


def _ended(subscription: Json) -> int:
    return int(subscription.get("ended_at") or subscription.get("canceled_at") or 0)


def _renews(subscription: Json) -> int:
    return min(int(item["current_period_end"]) for item in subscription["items"])


def _ends(subscription: Json) -> int | None:
    if subscription.get("cancel_at") is not None:
        return int(subscription["cancel_at"])
    return _renews(subscription) if subscription.get("cancel_at_period_end") else None


def _finalised(invoice: Json) -> tuple[int, str]:
    return (int(invoice["status_transitions"]["finalized_at"]), str(invoice["id"]))


def _owner(invoice: Json) -> str | None:
    parent = invoice.get("parent") or {}
    found = (parent.get("subscription_details") or {}).get("subscription")
    return None if found is None else str(found)


def _paused_unpaid(subscription: Json) -> bool:
    paused = (subscription.get("status_details") or {}).get("paused") or {}
    kind = (paused.get("subscription") or {}).get("type")
    return subscription["status"] == "paused" and "payment_failure" in str(kind)


def _instant(epoch: int | None) -> str | None:
    if epoch is None:
        return None
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
