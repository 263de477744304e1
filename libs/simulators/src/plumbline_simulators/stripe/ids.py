"""Ids with Stripe's prefixes, from a seed and a counter: the same calls give the same ids."""

import hashlib
import string

_ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
_LENGTHS = {"cus": 14, "prod": 14, "si": 14, "req": 14, "whsec": 32}


class IdFactory:
    def __init__(self, seed: str) -> None:
        self._seed = seed
        self._counts: dict[str, int] = {}

    def issued(self, prefix: str) -> int:
        """How many ids of this prefix there are so far."""
        return self._counts.get(prefix, 0)

    def next(self, prefix: str) -> str:
        """The next id of this prefix, such as `cus_` and 14 characters, `sub_1` and 23."""
        number = self._counts.get(prefix, 0) + 1
        self._counts[prefix] = number
        digest = hashlib.sha256(f"{self._seed}:{prefix}:{number}".encode()).digest()
        short = _LENGTHS.get(prefix)
        if short is not None:
            return f"{prefix}_{_base62(digest, short)}"
        return f"{prefix}_1{_base62(digest, 23)}"


def _base62(digest: bytes, length: int) -> str:
    value = int.from_bytes(digest, "big")
    characters = []
    for _ in range(length):
        value, index = divmod(value, 62)
        characters.append(_ALPHABET[index])
    return "".join(characters)
