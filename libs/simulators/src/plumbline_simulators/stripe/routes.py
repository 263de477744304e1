"""Which call is which: method and path to the function that answers it."""

import importlib.resources
from collections.abc import Callable
from typing import NamedTuple

import orjson

from plumbline_simulators.stripe import (
    catalog,
    customers,
    invoices,
    lists,
    subscription_changes,
    subscriptions,
    webhook_endpoints,
)
from plumbline_simulators.stripe import params as read
from plumbline_simulators.stripe.errors import (
    StripeError,
    missing,
    required,
    unknown_parameter,
    unknown_path,
)
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record

PARAMETERS: dict[str, list[str]] = orjson.loads(
    importlib.resources.files(__package__).joinpath("parameters.json").read_bytes()
)


class Call(NamedTuple):
    ledger: Ledger
    params: Params
    object_id: str
    version: str
    url: str
    account_id: str


Handler = Callable[[Call], Record]


def find(method: str, path: str) -> tuple[str, str, str]:
    """Route key, resource and object id; raises Stripe's 404 for an unknown path."""
    segments = path.strip("/").split("/")
    if not 2 <= len(segments) <= 4 or segments[0] != "v1":
        raise unknown_path(method, path)
    object_id = segments[2] if len(segments) > 2 else ""
    template = ["", *segments[:2], *(["{id}"] if object_id else []), *segments[3:]]
    key = f"{method} {'/'.join(template)}"
    if key not in ROUTES:
        raise unknown_path(method, path)
    return key, segments[1], object_id


def check_parameters(key: str, params: Params) -> None:
    for name in params:
        if name not in PARAMETERS[key]:
            raise unknown_parameter(name)


def _shown(make: Callable[[Ledger, Params], Record]) -> Handler:
    return lambda call: call.ledger.renderer.render(make(call.ledger, call.params), call.version)


def _changed(make: Callable[[Ledger, str, Params], Record]) -> Handler:
    return lambda call: call.ledger.renderer.render(
        make(call.ledger, call.object_id, call.params), call.version
    )


def _read(kind: str) -> Handler:
    return lambda call: call.ledger.renderer.render(
        call.ledger.get(kind, call.object_id), call.version
    )


def _listed(kind: str) -> Handler:
    return lambda call: lists.list_objects(call.ledger, kind, call.params, call.url, call.version)


def _deleted(make: Callable[[Ledger, str], Record]) -> Handler:
    def handle(call: Call) -> Record:
        make(call.ledger, call.object_id)
        return {"id": call.object_id, "object": _KINDS[call.url.split("/")[2]], "deleted": True}

    return handle


def _account(call: Call) -> Record:
    return call.ledger.renderer.render({"object": "account", "id": call.account_id}, call.version)


def _event(call: Call) -> Record:
    event = call.ledger.events.read(call.object_id, call.ledger.now())
    if event is None:
        raise missing("event", call.object_id)
    return event


def _events(call: Call) -> Record:
    return lists.list_events(call.ledger, call.params, call.url)


def _items(call: Call) -> Record:
    name = read.needed(call.params, "subscription")
    record = call.ledger.get("subscription", name, param="subscription", status=400)
    rows = [call.ledger.renderer.item(item, name, call.version) for item in record["items"]]
    return lists.list_rows(rows, call.params, call.url)


def _item(call: Call) -> Record:
    found = call.ledger.store.subscription_of_item(call.object_id)
    for item in found["items"] if found else []:
        if found and item["id"] == call.object_id:
            return call.ledger.renderer.item(item, found["id"], call.version)
    raise missing("subscription_item", call.object_id)


def _lines(call: Call) -> Record:
    invoice = call.ledger.get("invoice", call.object_id)
    rows = [call.ledger.renderer.line(line, invoice["id"]) for line in invoice["lines"]]
    return lists.list_rows(rows, call.params, call.url)


def _create_invoice(ledger: Ledger, params: Params) -> Record:
    """A draft of what is pending on a subscription."""
    name = read.text(params, "subscription")
    if name is None:
        raise required("subscription")
    subscription = ledger.get("subscription", name, param="subscription", status=400)
    pending = subscription.get("_pending_lines", [])
    if not pending:
        message = f"Nothing to invoice for subscription {name}"
        raise StripeError(400, message, code="invoice_no_subscription_line_items")
    ledger.store.put("subscription", {**subscription, "_pending_lines": []})
    advance = read.boolean(params, "auto_advance") is not False
    return invoices.draft_for(ledger, subscription, pending, reason="manual", advance=advance)


def _update_invoice(ledger: Ledger, name: str, params: Params) -> Record:
    before = ledger.get("invoice", name)
    after = {**before, "metadata": read.merged_metadata(before.get("metadata", {}), params)}
    if "description" in params:
        after["description"] = read.text(params, "description")
    advance = read.boolean(params, "auto_advance")
    if advance is not None:
        after["auto_advance"] = advance
        if advance and before["status"] == "draft":
            due = ledger.now() + ledger.billing.finalize_after_seconds
            ledger.store.plan_job(name, "finalize", due)
    return ledger.update(before, after, "invoice.updated")


def _delete_invoice(ledger: Ledger, name: str) -> Record:
    invoice = ledger.get("invoice", name)
    if invoice["status"] != "draft":
        raise StripeError(400, "You can only delete draft invoices.")
    return ledger.delete(invoice, "invoice.deleted")


def _pay(ledger: Ledger, name: str, params: Params) -> Record:
    out_of_band = read.boolean(params, "paid_out_of_band") or False
    return invoices.pay(ledger, ledger.get("invoice", name), out_of_band=out_of_band)


_KINDS = {
    "customers": "customer",
    "products": "product",
    "prices": "price",
    "coupons": "coupon",
    "subscriptions": "subscription",
    "invoices": "invoice",
    "invoice_payments": "invoice_payment",
    "payment_intents": "payment_intent",
    "webhook_endpoints": "webhook_endpoint",
}

ROUTES: dict[str, Handler] = {
    **{f"GET /v1/{name}": _listed(kind) for name, kind in _KINDS.items()},
    **{f"GET /v1/{name}/{{id}}": _read(kind) for name, kind in _KINDS.items()},
    "GET /v1/account": _account,
    "GET /v1/events": _events,
    "GET /v1/events/{id}": _event,
    "GET /v1/subscription_items": _items,
    "GET /v1/subscription_items/{id}": _item,
    "GET /v1/invoices/{id}/lines": _lines,
    "POST /v1/customers": _shown(customers.create_customer),
    "POST /v1/customers/{id}": _changed(customers.update_customer),
    "DELETE /v1/customers/{id}": _deleted(customers.delete_customer),
    "POST /v1/products": _shown(catalog.create_product),
    "POST /v1/products/{id}": _changed(catalog.update_product),
    "DELETE /v1/products/{id}": _deleted(catalog.delete_product),
    "POST /v1/prices": _shown(catalog.create_price),
    "POST /v1/prices/{id}": _changed(catalog.update_price),
    "POST /v1/coupons": _shown(catalog.create_coupon),
    "POST /v1/subscriptions": _shown(subscriptions.create_subscription),
    "POST /v1/subscriptions/{id}": _changed(subscription_changes.update_subscription),
    "DELETE /v1/subscriptions/{id}": _changed(subscription_changes.cancel_subscription),
    "POST /v1/subscriptions/{id}/pause": _changed(subscription_changes.pause_subscription),
    "POST /v1/subscriptions/{id}/resume": _changed(subscription_changes.resume_subscription),
    "POST /v1/invoices": _shown(_create_invoice),
    "POST /v1/invoices/{id}": _changed(_update_invoice),
    "DELETE /v1/invoices/{id}": _deleted(_delete_invoice),
    "POST /v1/invoices/{id}/finalize": _changed(
        lambda ledger, name, _: invoices.finalize(ledger, ledger.get("invoice", name))
    ),
    "POST /v1/invoices/{id}/pay": _changed(_pay),
    "POST /v1/invoices/{id}/void": _changed(
        lambda ledger, name, _: invoices.void(ledger, ledger.get("invoice", name))
    ),
    "POST /v1/invoices/{id}/mark_uncollectible": _changed(
        lambda ledger, name, _: invoices.mark_uncollectible(ledger, ledger.get("invoice", name))
    ),
    "POST /v1/webhook_endpoints": _shown(webhook_endpoints.create_endpoint),
    "POST /v1/webhook_endpoints/{id}": _changed(webhook_endpoints.update_endpoint),
    "DELETE /v1/webhook_endpoints/{id}": _deleted(webhook_endpoints.delete_endpoint),
}
