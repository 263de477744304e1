"""Putting our properties into an account, beside what people already have there (vendors 2.4)."""

from collections.abc import Sequence
from typing import Any, Final

from plumbline_connectors.http import VendorHttp, error_message
from plumbline_connectors.hubspot.answers import object_of, results_of
from plumbline_connectors.hubspot.properties import (
    PropertyProblem,
    PropertySpec,
    creation_body,
    group_body,
    problem_of,
)

_EXISTS: Final = 409
_REFUSED: Final = 400


async def deploy_properties(
    http: VendorHttp, path: str, specs: Sequence[PropertySpec]
) -> list[PropertyProblem]:
    """Make the properties be there; returns those that can't take our values.

    What exists and fits is used, what is missing is created one by one in our group. A property
    that another creator made meanwhile is looked at like any existing one.

    Args:
        http: the connection.
        path: properties of one object type, e.g. `/crm/v3/properties/companies`.
        specs: what must be there.
    """
    existing = await listed(http, path)
    missing = [spec for spec in specs if spec.name not in existing]
    problems: list[PropertyProblem] = []
    taken: list[PropertySpec] = []
    if missing:
        accept = frozenset({_EXISTS})
        await http.request("POST", f"{path}/groups", json=group_body(), accept=accept)
    for spec in missing:
        accept = frozenset({_EXISTS, _REFUSED})
        answer = await http.request("POST", path, json=creation_body(spec), accept=accept)
        if answer.status == _REFUSED:
            problems.append(_refused(spec, error_message(answer)))
        elif answer.status == _EXISTS:
            taken.append(spec)
    if taken:
        existing = await listed(http, path)
    hidden = [spec for spec in taken if spec.name not in existing]
    problems += [_refused(spec, "name taken by an archived property") for spec in hidden]
    judged = [problem_of(spec, existing[spec.name]) for spec in specs if spec.name in existing]
    return problems + [problem for problem in judged if problem is not None]


def _refused(spec: PropertySpec, found: str) -> PropertyProblem:
    return PropertyProblem(spec.name, "refused", found, f"a new {spec.type} property")


async def listed(http: VendorHttp, path: str) -> dict[str, dict[str, Any]]:
    """Definitions of all properties that are not archived, by name."""
    answer = await http.request("GET", path)
    rows = results_of(object_of(answer), answer, key="name")
    return {str(row["name"]): row for row in rows}
