"""`expand[]`: ids replaced by their objects, up to four levels, `data` counted."""

from collections.abc import Iterable
from typing import Any

from plumbline_simulators.stripe.errors import StripeError
from plumbline_simulators.stripe.render import OMITTED, Renderer, first_page
from plumbline_simulators.stripe.store import Record, Store

MAX_LEVELS = 4


class Expander:
    """Works on rendered objects and copies what it changes: rendered prices are shared."""

    def __init__(self, store: Store, renderer: Renderer) -> None:
        self._store = store
        self._renderer = renderer

    def expand(self, shaped: Record, paths: Iterable[str], version: str) -> Record:
        for path in paths:
            segments = path.split(".")
            if len(segments) > MAX_LEVELS:
                raise StripeError(
                    400,
                    f"You cannot expand more than {MAX_LEVELS} levels of a property "
                    f"(property: {path}).",
                    param="expand",
                )
            shaped = self._walk(shaped, segments, path, version)
        return shaped

    def _walk(self, node: Any, segments: list[str], path: str, version: str) -> Any:
        if not segments:
            return self._object(node, path, version) if isinstance(node, str) else node
        if isinstance(node, str):
            node = self._object(node, path, version)
        if isinstance(node, list):
            return [self._walk(row, segments, path, version) for row in node]
        return None if node is None else self._member(node, segments, path, version)

    def _member(self, node: Any, segments: list[str], path: str, version: str) -> Any:
        name, rest = segments[0], segments[1:]
        if not isinstance(node, dict):
            raise _cannot(path)
        if node.get("deleted"):
            return node  # a stub has nothing more, whatever is asked for
        omitted = name in OMITTED.get(str(node.get("object")), ())
        if name not in node and not omitted:
            raise _cannot(path)
        value = (
            self._omitted(node, name, version) if omitted else self._included(node, name, version)
        )
        if value is None and omitted:
            return node
        if isinstance(value, list) and not rest:
            return {**node, name: [self._object(row, path, version) for row in value]}
        if isinstance(value, dict | list) and not rest:
            return {**node, name: value}
        if value is not None and not isinstance(value, str | dict | list):
            raise _cannot(path)
        return {**node, name: self._walk(value, rest, path, version)}

    def _object(self, value: Any, path: str, version: str) -> Any:
        if not isinstance(value, str):
            return value
        record = self._store.get(value)
        if record is None:
            raise _cannot(path)
        return self._renderer.render(record, version)

    def _omitted(self, node: Record, name: str, version: str) -> Any:
        """What the object has of it; None leaves it out even so."""
        object_id = node.get("id", "")
        if name == "refunds":
            rows = [
                self._renderer.render(record, version)
                for record in self._store.of_parent(object_id, "refund")
            ]
            return first_page(rows[::-1], f"/v1/charges/{object_id}/refunds")
        record = self._store.get(object_id) or {}
        value = record.get(name)
        if node["object"] != "price" or name != "currency_options":
            return value
        shown = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
        return {node["currency"]: {key: node[key] for key in shown}, **(value or {})}

    def _included(self, node: Record, name: str, version: str) -> Any:
        """Values Stripe leaves out until they are asked for."""
        kind, object_id = node.get("object"), node.get("id", "")
        if kind == "customer" and name == "subscriptions":
            rows = [
                self._renderer.render(record, version)
                for record in self._store.of_customer(object_id, "subscription")
                if record["status"] not in ("canceled", "incomplete_expired")
            ]
            return first_page(rows[::-1], f"/v1/customers/{object_id}/subscriptions")
        if kind == "customer" and name == "tax_ids":
            rows = (self._store.get(object_id) or {}).get("_tax_ids", [])
            return first_page(rows, f"/v1/customers/{object_id}/tax_ids")
        if kind == "invoice" and name == "payments":
            rows = [
                self._renderer.render(record, version)
                for record in self._store.of_parent(object_id, "invoice_payment")
            ]
            return first_page(rows, f"/v1/invoices/{object_id}/payments")
        return node[name]


def _cannot(path: str) -> StripeError:
    message = f"This property cannot be expanded ({path})."
    return StripeError(400, message, param="expand")
