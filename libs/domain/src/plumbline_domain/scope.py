"""What of a billing connection counts (features P11): all, chosen products, chosen lookup keys.

Decided item by item, by the price that the subscription itself holds: an item is in scope when its
product or its price's lookup key is named. The others count for nothing. A subscription without any
item in scope does not exist for its account, and neither do its invoices.
"""

from plumbline_schemas.billing import Subscription
from plumbline_schemas.catalogue import Price
from plumbline_schemas.internal import ConnectionScope


def narrows(scope: ConnectionScope) -> bool:
    """Whether the scope leaves anything out."""
    return bool(scope.products or scope.lookup_keys)


def within(body: Subscription, scope: ConnectionScope) -> Subscription | None:
    """The subscription with its items in scope; None when it has none.

    While its list of items is known to be cut, what is missing may be in scope: it stays.
    """
    if not narrows(scope):
        return body
    items = tuple(item for item in body.items if _named(item.price, scope))
    if not items and not body.items_truncated:
        return None
    return body if len(items) == len(body.items) else body.model_copy(update={"items": items})


def _named(price: Price, scope: ConnectionScope) -> bool:
    return price.product in scope.products or price.lookup_key in scope.lookup_keys
