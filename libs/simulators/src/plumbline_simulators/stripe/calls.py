"""What a route's handler is given, and the handlers most routes are made of."""

from collections.abc import Callable
from typing import NamedTuple

from plumbline_simulators.stripe import lists
from plumbline_simulators.stripe.ledger import Ledger
from plumbline_simulators.stripe.params import Params
from plumbline_simulators.stripe.store import Record


class Call(NamedTuple):
    ledger: Ledger
    params: Params
    object_id: str
    version: str
    url: str
    account_id: str


Handler = Callable[[Call], Record]


def shown(make: Callable[[Ledger, Params], Record]) -> Handler:
    """A creation: the object made, in the version asked for."""
    return lambda call: call.ledger.renderer.render(make(call.ledger, call.params), call.version)


def changed(make: Callable[[Ledger, str, Params], Record]) -> Handler:
    """A change of one object: the object afterwards."""
    return lambda call: call.ledger.renderer.render(
        make(call.ledger, call.object_id, call.params), call.version
    )


def read(kind: str) -> Handler:
    """One object by its id."""
    return lambda call: call.ledger.renderer.render(
        call.ledger.get(kind, call.object_id), call.version
    )


def listed(kind: str) -> Handler:
    """A page of a kind."""
    return lambda call: lists.list_objects(call.ledger, kind, call.params, call.url, call.version)


def deleted(kind: str, make: Callable[[Ledger, str], Record]) -> Handler:
    """A deletion: the stub of what was there."""

    def handle(call: Call) -> Record:
        make(call.ledger, call.object_id)
        return {"id": call.object_id, "object": kind, "deleted": True}

    return handle
