"""Shapes that HubSpot's accepted answers share."""

from collections.abc import Mapping
from typing import Any

from plumbline_schemas.errors import Retryable

from plumbline_connectors.http import Answer


def object_of(answer: Answer) -> dict[str, Any]:
    """The answer's JSON object; Retryable when it is none."""
    decoded = answer.json()
    if not isinstance(decoded, dict):
        raise Retryable("the answer is no object", where=answer.where, status=answer.status)
    return decoded


def results_of(body: Mapping[str, Any], answer: Answer, key: str = "id") -> list[dict[str, Any]]:
    """Its `results`, each with a `key`; Retryable when it has none."""
    rows = body.get("results")
    if not isinstance(rows, list) or not all(isinstance(r, dict) and r.get(key) for r in rows):
        raise Retryable("the answer is no list", where=answer.where, status=answer.status)
    return rows


def next_after(body: Mapping[str, Any]) -> str | None:
    """Cursor of the next page, None on the last."""
    paging = body.get("paging")
    following = paging.get("next") if isinstance(paging, Mapping) else None
    after = following.get("after") if isinstance(following, Mapping) else None
    return None if after is None else str(after)
