"""Stripe's form encoding: `a[b][c]=1`, `a[0]=x`, `a[]=x`, in queries and bodies."""

import re
from typing import Any
from urllib.parse import parse_qsl

from plumbline_simulators.stripe.errors import StripeError

_KEY = re.compile(r"^([^\[\]]+)((?:\[[^\[\]]*\])*)$")
_PART = re.compile(r"\[([^\[\]]*)\]")
MAX_DEPTH = 8


def decode_form(text: str) -> dict[str, Any]:
    """Nested dicts and lists of strings; raises StripeError 400 for a malformed key."""
    root: dict[str, Any] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        found = _KEY.match(key)
        if found is None:
            raise StripeError(400, f"Invalid parameter name: {key}")
        path = [found.group(1), *_PART.findall(found.group(2))]
        if len(path) > MAX_DEPTH:
            raise StripeError(400, f"Parameter nested too deep: {key}")
        _put(root, path, value)
    return {name: _lists(value) for name, value in root.items()}


def _put(node: dict[str, Any], path: list[str], value: str) -> None:
    for segment in path[:-1]:
        name = segment if segment != "" else str(len(node))
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise StripeError(400, f"Invalid parameter: {path[0]} is both a value and a hash")
        node = child
    last = path[-1] if path[-1] != "" else str(len(node))
    if isinstance(node.get(last), dict):
        raise StripeError(400, f"Invalid parameter: {path[0]} is both a value and a hash")
    node[last] = value


def _lists(value: Any) -> Any:
    """Dicts whose keys are all numbers become lists, in the order of the numbers."""
    if not isinstance(value, dict):
        return value
    inner = {name: _lists(item) for name, item in value.items()}
    if inner and all(name.isdigit() for name in inner):
        return [inner[name] for name in sorted(inner, key=int)]
    return inner
