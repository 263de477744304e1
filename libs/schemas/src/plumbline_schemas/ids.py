"""Identifiers that every part of Plumbline shares.

An *external key* is `{workspace}/{connection}/{kind}/{vendor id}`: what Kafka keys, links and
decisions hold (design 4). An *account id* is derived from the external key of the billing customer
that founded the account, so a rebuild finds the same ids without a clock or randomness.
"""

import hashlib
import re
from typing import Final, NamedTuple, NewType

WorkspaceId = NewType("WorkspaceId", str)
ConnectionName = NewType("ConnectionName", str)
VendorId = NewType("VendorId", str)
ExternalKey = NewType("ExternalKey", str)
AccountId = NewType("AccountId", str)
EventId = NewType("EventId", str)

OWN: Final = ConnectionName("@")
"""Stands where a connection would, in keys of Plumbline's own observations (ticks, configuration).

It can't clash with a configured connection, whose name is `[a-z0-9_-]+`.
"""

NAME_PATTERN: Final = re.compile(r"^[a-z0-9_-]+$")

_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ACCOUNT_ID_CHARACTERS: Final = 26


class KeyParts(NamedTuple):
    """An external key taken apart."""

    workspace: WorkspaceId
    connection: ConnectionName
    kind: str
    vendor_id: VendorId


def external_key(workspace: str, connection: str, kind: str, vendor_id: str) -> ExternalKey:
    """Join the four parts; only the vendor id may hold a slash."""
    key = f"{workspace}/{connection}/{kind}/{vendor_id}"
    parts = key.split("/", 3)
    if parts == [workspace, connection, kind, vendor_id] and all(parts):
        return ExternalKey(key)
    for name, part in (("workspace", workspace), ("connection", connection), ("kind", kind)):
        if not part or "/" in part:
            raise ValueError(
                f"{name} of an external key must be a word without slash, got {part!r}"
            )
    raise ValueError(f"vendor id of an external key is empty ({workspace}/{connection}/{kind})")


def split_key(key: str) -> KeyParts:
    """Take an external key apart; raises ValueError naming the key when it isn't one."""
    parts = key.split("/", 3)
    if len(parts) != 4 or not all(parts):
        raise ValueError(f"not an external key: {key!r}")
    workspace, connection, kind, vendor_id = parts
    return KeyParts(WorkspaceId(workspace), ConnectionName(connection), kind, VendorId(vendor_id))


def account_id(founder: ExternalKey) -> AccountId:
    """Name the account that the billing customer `founder` founds.

    `acc_` and 26 Crockford base32 characters: the first 130 bits of the key's SHA-256 (design 4).
    """
    digest = int.from_bytes(hashlib.sha256(founder.encode()).digest(), "big")
    bits = digest >> (256 - 5 * _ACCOUNT_ID_CHARACTERS)
    characters = [_CROCKFORD[(bits >> (5 * place)) & 31] for place in range(_ACCOUNT_ID_CHARACTERS)]
    return AccountId("acc_" + "".join(reversed(characters)))
