"""What one customer of a simulated account does, and what is done to it."""

import random
from collections.abc import Callable
from typing import Any, Final

from plumbline_simulators.stripe.customers import set_behaviour
from plumbline_simulators.stripe.eventlog import Cause
from plumbline_simulators.stripe.invoices import pay
from plumbline_simulators.stripe.payment_methods import renew_card
from plumbline_simulators.stripe.refunds import close_dispute, create_dispute
from plumbline_simulators.stripe.store import Record

from tests.histories.catalogue import CURRENCIES, Catalogue
from tests.histories.vendor import Vendor

_DAY: Final = 86_400
_ENDED: Final = ("canceled", "incomplete_expired")


class Life:
    """One history: a customer from its first sight on. Every action may be refused."""

    def __init__(
        self, vendor: Vendor, catalogue: Catalogue, chance: random.Random, name: str
    ) -> None:
        self._vendor, self._catalogue, self._random = vendor, catalogue, chance
        self.customer = ""
        self._name = name
        self._currency = chance.choice(CURRENCIES)
        self._deletable = chance.random() < 0.1
        self._actions: list[tuple[int, Callable[[], None]]] = [
            (6, self._subscribe), (12, self._quantity), (8, self._swap), (5, self._add_item),
            (3, self._remove_item), (3, self._discount), (3, self._undiscount),
            (2, self._customer_discount), (5, self._plan_end), (4, self._undo_end),
            (3, self._end), (4, self._pause_collection), (3, self._pause), (4, self._resume),
            (7, self._behaviour), (5, self._collect), (4, self._refund), (4, self._credit),
            (4, self._close_invoice), (3, self._pay_outside), (3, self._card), (2, self._detach),
            (2, self._renew), (4, self._rename), (2, self._dispute), (3, self._trial),
            (2, self._draft), (2, self._schedule), (2, self._unschedule), (1, self._delete),
        ]  # fmt: skip
        self._weights = [weight for weight, _ in self._actions]

    def begin(self) -> None:
        """Become a customer, most with a card."""
        facts: dict[str, Any] = {
            "name": self._name, "email": "billing@x.example",
            "address": {"country": self._random.choice(["DE", "US", "GB"])},
        }  # fmt: skip
        if self._random.random() < 0.8:
            facts["payment_method"] = "pm_card_visa"
        made = self._post("customers", facts)
        if made is None:
            raise RuntimeError(f"the simulator refuses a customer: {facts}")
        self.customer = made["id"]
        if self._random.random() < 0.8:
            self._subscribe()

    def act(self) -> None:
        """Something happens."""
        self._random.choices(self._actions, self._weights)[0][1]()

    def again(self) -> None:
        """More happens to what was just changed, most often to and fro in the same second."""
        self._random.choice(
            [self._quantity, self._to_and_fro, self._rename, self._plan_end, self._refund]
        )()
        if self._random.random() < 0.3:
            self.again()

    def _to_and_fro(self) -> None:
        """The same change made, undone and made again: no payload says which was last."""
        subscription = self._running()
        if subscription is None:
            return
        item = subscription["items"][0]["id"]
        for quantity in (2, 3, self._random.choice([2, 3])):
            changes = {"items": [{"id": item, "quantity": quantity}]}
            self._post(f"subscriptions/{subscription['id']}", changes)

    def _post(self, path: str, params: dict[str, Any] | None = None) -> Record | None:
        return self._vendor.call("POST", f"/v1/{path}", params)

    def _all(self, kind: str) -> list[Record]:
        return self._vendor.ledger.store.of_customer(self.customer, kind)

    def _running(self) -> Record | None:
        found = [one for one in self._all("subscription") if one["status"] not in _ENDED]
        return self._random.choice(found) if found else None

    def _invoice(self, *statuses: str) -> Record | None:
        found = [one for one in self._all("invoice") if one["status"] in statuses]
        return self._random.choice(found) if found else None

    def _in(self, low: float, high: float) -> int:
        return self._vendor.ledger.now() + int(self._random.uniform(low, high) * _DAY)

    def _coupon(self) -> list[dict[str, str]]:
        names = self._catalogue.coupons[self._currency]
        return [{"coupon": self._random.choice(names)}]

    def _price(self) -> str:
        return self._random.choice(self._catalogue.prices[self._currency])

    def _item(self) -> dict[str, Any]:
        return {"price": self._price(), "quantity": self._random.choice([1, 1, 2, 3, 7, 0])}

    def _subscribe(self) -> None:
        if len(self._all("subscription")) >= 4:
            return
        prices = self._catalogue.prices[self._currency]
        many = len(prices) if self._random.random() < 0.06 else 3
        chosen = self._random.sample(prices, self._random.choice([1, 1, 1, 2, many]))
        items: list[dict[str, Any]] = [{"price": price} for price in chosen]
        if self._random.random() < 0.1:
            items[0]["discounts"] = self._coupon()
        asked: dict[str, Any] = {"customer": self.customer, "items": items}
        maybe: list[tuple[float, Callable[[], dict[str, Any]]]] = [
            (0.2, lambda: {"trial_period_days": self._random.choice([3, 7, 14, 30])}),
            (0.15, lambda: {"discounts": self._coupon()}),
            (0.15, lambda: {"collection_method": "send_invoice", "days_until_due": 14}),
            (0.1, lambda: {"backdate_start_date": self._in(-60, -1)}),
            (0.15, lambda: {"default_tax_rates": [self._random.choice(self._taxes())]}),
            (0.05, lambda: {"cancel_at": self._in(20, 200)}),
        ]
        for part, more in maybe:
            if self._random.random() < part:
                asked |= more()
        self._post("subscriptions", asked)

    def _taxes(self) -> list[str]:
        return self._catalogue.tax_rates

    def _update(self, params: dict[str, Any]) -> None:
        subscription = self._running()
        if subscription is not None:
            self._post(f"subscriptions/{subscription['id']}", params)

    def _items(self, change: Callable[[Record], dict[str, Any]]) -> None:
        subscription = self._running()
        if subscription is not None:
            item = self._random.choice(subscription["items"])
            asked: dict[str, Any] = {"items": [change(item)]}
            if self._random.random() < 0.3:
                asked["proration_behavior"] = "always_invoice"
            self._post(f"subscriptions/{subscription['id']}", asked)

    def _quantity(self) -> None:
        self._items(lambda item: {"id": item["id"], "quantity": self._random.randrange(12)})

    def _swap(self) -> None:
        self._items(lambda item: {"id": item["id"], "price": self._price()})

    def _add_item(self) -> None:
        self._items(lambda _: self._item())

    def _remove_item(self) -> None:
        self._items(lambda item: {"id": item["id"], "deleted": True})

    def _discount(self) -> None:
        self._update({"discounts": self._coupon() * self._random.choice([1, 1, 2])})

    def _undiscount(self) -> None:
        self._update({"discounts": ""})

    def _customer_discount(self) -> None:
        given = {"coupon": self._coupon()[0]["coupon"]} if self._random.random() < 0.6 else None
        path = f"/v1/customers/{self.customer}"
        if given is None:
            self._vendor.call("DELETE", f"{path}/discount")
        else:
            self._vendor.give_discount(self.customer, given)

    def _plan_end(self) -> None:
        at_end = self._random.random() < 0.6
        self._update({"cancel_at_period_end": True} if at_end else {"cancel_at": self._in(5, 200)})

    def _undo_end(self) -> None:
        self._update({"cancel_at_period_end": False})

    def _end(self) -> None:
        subscription = self._running()
        if subscription is not None:
            self._vendor.call("DELETE", f"/v1/subscriptions/{subscription['id']}")

    def _pause_collection(self) -> None:
        behavior = self._random.choice(["keep_as_draft", "mark_uncollectible", "void", ""])
        pause: Any = {"behavior": behavior} if behavior else ""
        if behavior and self._random.random() < 0.6:
            pause["resumes_at"] = self._in(3, 60)
        self._update({"pause_collection": pause})

    def _pause(self) -> None:
        subscription = self._running()
        if subscription is not None:
            unused = {"type": self._random.choice(["now", "none", "item_current_period_start"])}
            way = self._random.choice(["invoice", "pending_invoice_item"])
            asked = {"bill_for": {"unused_time_from": unused}, "invoicing_behavior": way}
            self._post(f"subscriptions/{subscription['id']}/pause", asked)

    def _schedule(self) -> None:
        """A running subscription is to change by itself, or to end."""
        subscription = self._running()
        if subscription is None:
            return
        given = {"from_subscription": subscription["id"]}
        made = self._post("subscription_schedules", given)
        if made is None:
            return
        first = {
            "items": [
                {"price": one["price"], "quantity": one["quantity"]}
                for one in made["phases"][0]["items"]
            ],
            "end_date": self._in(1, 40),
        }
        later = {"items": [self._item()], "end_date": self._in(41, 90)}
        if self._random.random() < 0.3:
            later["discounts"] = self._coupon()
        asked = {
            "phases": [first, later], "end_behavior": self._random.choice(["release", "cancel"]),
        }  # fmt: skip
        self._post(f"subscription_schedules/{made['id']}", asked)

    def _unschedule(self) -> None:
        living = [one for one in self._all("subscription_schedule") if one["status"] == "active"]
        for one in living[:1]:
            verb = self._random.choice(["release", "release", "cancel"])
            self._post(f"subscription_schedules/{one['id']}/{verb}")

    def _resume(self) -> None:
        paused = [one for one in self._all("subscription") if one["status"] == "paused"]
        for one in paused[:1]:
            ways = ["resume_on_payment_attempt", "resume_on_payment_success"]
            anchor = {"type": self._random.choice(["now", "now", "unchanged"])}
            asked = {
                "payment_behavior": self._random.choice(ways), "billing_cycle_anchor": anchor,
            }  # fmt: skip
            self._post(f"subscriptions/{one['id']}/resume", asked)

    def _alive(self) -> bool:
        record = self._vendor.ledger.store.get(self.customer, "customer")
        return record is not None and not record.get("deleted")

    def _behaviour(self) -> None:
        if self._alive():
            with self._vendor.ledger.caused_by(Cause()):
                behaviour: Any = self._random.choice(["ok", "fail", "fail", "missing"])
                set_behaviour(self._vendor.ledger, self.customer, behaviour)

    def _collect(self) -> None:
        """The bank takes it after all: what is open is paid."""
        if not self._alive():
            return
        ledger = self._vendor.ledger
        with ledger.caused_by(Cause()):
            set_behaviour(ledger, self.customer, "ok")
            if ledger.behaviour(self.customer) == "ok":
                for one in self._all("invoice"):
                    if one["status"] == "open":
                        pay(ledger, one)

    def _refund(self) -> None:
        charges = [one for one in self._all("charge") if one["status"] == "succeeded"]
        if charges:
            charge = self._random.choice(charges)
            part = {"amount": max(1, charge["amount"] // self._random.choice([1, 2, 3]))}
            self._post("refunds", {"charge": charge["id"], **part})

    def _credit(self) -> None:
        invoice = self._invoice("paid", "open")
        if invoice is None or not invoice["total"]:
            return
        amount = max(1, abs(invoice["total"]) // self._random.choice([1, 3, 4]))
        paid = invoice["status"] == "paid"
        way = self._random.choice(["credit_amount", "refund_amount", "out_of_band_amount"])
        given = {way: amount} if paid else {}
        self._post("credit_notes", {"invoice": invoice["id"], "amount": amount, **given})

    def _close_invoice(self) -> None:
        invoice = self._invoice("open")
        if invoice is not None:
            way = self._random.choice(["void", "mark_uncollectible"])
            self._post(f"invoices/{invoice['id']}/{way}")

    def _pay_outside(self) -> None:
        invoice = self._invoice("open", "uncollectible", "draft")
        if invoice is not None:
            self._post(f"invoices/{invoice['id']}/pay", {"paid_out_of_band": True})

    def _card(self) -> None:
        name = self._random.choice(["pm_card_visa", "pm_card_visa", "pm_card_chargeDeclined"])
        if self._random.random() < 0.5:
            self._post(f"customers/{self.customer}", {"payment_method": name})
        else:
            self._post(f"payment_methods/{name}/attach", {"customer": self.customer})

    def _a_card(self) -> Record | None:
        cards = self._all("payment_method")
        return self._random.choice(cards) if cards else None

    def _detach(self) -> None:
        card = self._a_card()
        if card is not None:
            self._post(f"payment_methods/{card['id']}/detach")

    def _renew(self) -> None:
        card = self._a_card()
        if card is not None:
            year, month = self._random.choice([2026, 2027, 2030]), self._random.randrange(1, 13)
            with self._vendor.ledger.caused_by(Cause()):
                expiry = {"exp_month": month, "exp_year": year}
                renew_card(self._vendor.ledger, card["id"], expiry)

    def _rename(self) -> None:
        name = f"{self._name} {self._random.randrange(100)}"
        self._post(f"customers/{self.customer}", {"name": name})

    def _dispute(self) -> None:
        charges = [one for one in self._all("charge") if one["status"] == "succeeded"]
        if not charges:
            return
        ledger = self._vendor.ledger
        with ledger.caused_by(Cause()):
            made = create_dispute(ledger, self._random.choice(charges)["id"], {})
            if self._random.random() < 0.5:
                close_dispute(ledger, made["id"], self._random.choice(["won", "lost"]))

    def _trial(self) -> None:
        trialing = [one for one in self._all("subscription") if one["status"] == "trialing"]
        for one in trialing[:1]:
            end: Any = "now" if self._random.random() < 0.5 else self._in(2, 20)
            self._post(f"subscriptions/{one['id']}", {"trial_end": end})

    def _draft(self) -> None:
        subscription = self._running()
        if subscription is None:
            return
        made = self._post("invoices", {"subscription": subscription["id"], "auto_advance": False})
        if made is not None and self._random.random() < 0.5:
            self._vendor.call("DELETE", f"/v1/invoices/{made['id']}")
        elif made is not None:
            self._post(f"invoices/{made['id']}/finalize")

    def _delete(self) -> None:
        if self._deletable:
            self._vendor.call("DELETE", f"/v1/customers/{self.customer}")
