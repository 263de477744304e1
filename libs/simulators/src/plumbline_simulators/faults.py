"""Faults on demand: by the nth call, every n calls or a seeded percentage, by path and method.

Two channels: `request` (calls to the simulated API) and `delivery` (webhooks it sends; the
path is then matched against `<event type> <url path>`). Every decision is deterministic: the
same rules and the same calls give the same faults.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

Channel = Literal["request", "delivery"]
ActionKind = Literal[
    "status",  # answer `status`, `headers`, `body` without applying the request
    "status_after",  # apply the request, then answer `status`: an effect whose answer is lost
    "delay",  # wait `delay_seconds`, then go on
    "drop_before",  # close the connection without applying the request
    "drop_after",  # apply the request, then close the connection without an answer
    "truncate",  # apply the request, send half of the body, then close
    "duplicate",  # delivery: send it `copies` more times
    "reorder",  # delivery: hold it back until `behind` later ones were sent
]


class FaultError(ValueError):
    """A fault rule that cannot be understood; names the field."""


@dataclass(frozen=True)
class Action:
    kind: ActionKind
    status: int = 500
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    delay_seconds: float = 0.0
    copies: int = 1
    behind: int = 1


@dataclass(frozen=True)
class FaultRule:
    """Fires on matching calls chosen by `nth` or `every` or `percentage`; on all without them.

    `times` bounds how often it fires in all; `skip` leaves the first matches alone.
    """

    id: str
    action: Action
    channel: Channel = "request"
    path: str = ""  # a regular expression, searched
    method: str | None = None
    nth: int | None = None
    every: int | None = None
    percentage: float | None = None
    seed: int = 0
    skip: int = 0
    times: int | None = None

    def concerns(self, channel: Channel, method: str, path: str) -> bool:
        if channel != self.channel or (self.method and self.method.upper() != method.upper()):
            return False
        return re.search(self.path, path) is not None

    def fires(self, match_number: int) -> bool:
        """Whether the `match_number`-th (from 1) matching call is hit."""
        number = match_number - self.skip
        if number < 1:
            return False
        if self.nth is not None:
            return number == self.nth
        if self.every is not None:
            return number % self.every == 0
        if self.percentage is not None:
            digest = hashlib.sha256(f"{self.seed}:{number}".encode()).digest()
            return int.from_bytes(digest[:4], "big") / 2**32 * 100 < self.percentage
        return True


class FaultBook:
    """The rules in force and how often each matched and fired."""

    def __init__(self) -> None:
        self._rules: dict[str, FaultRule] = {}
        self._matched: dict[str, int] = {}
        self._fired: dict[str, int] = {}
        self._next = 1

    def add(self, rule: FaultRule) -> FaultRule:
        self._rules[rule.id] = rule
        self._matched[rule.id] = 0
        self._fired[rule.id] = 0
        return rule

    def add_json(self, data: object) -> FaultRule:
        """A rule from the control API's JSON; raises FaultError naming the field."""
        rule = parse_rule(data, default_id=f"fault_{self._next}")
        self._next += 1
        return self.add(rule)

    def remove(self, rule_id: str) -> bool:
        return self._rules.pop(rule_id, None) is not None

    def clear(self) -> None:
        self._rules.clear()

    def actions(self, channel: Channel, method: str, path: str) -> list[Action]:
        """What happens to this call, in the rules' order; counts the call."""
        hit = []
        for rule in list(self._rules.values()):
            if not rule.concerns(channel, method, path):
                continue
            self._matched[rule.id] += 1
            spent = rule.times is not None and self._fired[rule.id] >= rule.times
            if not spent and rule.fires(self._matched[rule.id]):
                self._fired[rule.id] += 1
                hit.append(rule.action)
        return hit

    def describe(self) -> list[dict[str, Any]]:
        return [
            {
                "id": rule.id,
                "channel": rule.channel,
                "path": rule.path,
                "method": rule.method,
                "action": rule.action.kind,
                "matched": self._matched[rule.id],
                "fired": self._fired[rule.id],
            }
            for rule in self._rules.values()
        ]


_RULE_FIELDS = {
    "id": str,
    "channel": str,
    "path": str,
    "method": str,
    "nth": int,
    "every": int,
    "percentage": (int, float),
    "seed": int,
    "skip": int,
    "times": int,
}
_ACTION_FIELDS = {
    "kind": str,
    "status": int,
    "headers": dict,
    "body": str,
    "delay_seconds": (int, float),
    "copies": int,
    "behind": int,
}


def parse_rule(data: object, *, default_id: str) -> FaultRule:
    """`{"path": "...", "every": 3, "action": {"kind": "status", "status": 429}}` to a rule."""
    if not isinstance(data, dict):
        raise FaultError(f"fault: expected an object, found {type(data).__name__}")
    given = {name: value for name, value in data.items() if value is not None}
    raw_action = given.pop("action", None)
    if isinstance(raw_action, str):
        raw_action = {"kind": raw_action}
    if not isinstance(raw_action, dict):
        raise FaultError("fault.action: expected an object with `kind`")
    action = _checked(raw_action, _ACTION_FIELDS, "fault.action")
    if action.get("kind") not in get_args(ActionKind):
        known = ", ".join(get_args(ActionKind))
        raise FaultError(f"fault.action.kind: expected one of {known}, found {action.get('kind')}")
    rule = {"id": default_id, **_checked(given, _RULE_FIELDS, "fault")}
    if rule.get("channel", "request") not in get_args(Channel):
        raise FaultError(f"fault.channel: expected request or delivery, found {rule['channel']}")
    for name in ("nth", "every"):
        if rule.get(name, 1) < 1:
            raise FaultError(f"fault.{name}: expected a number from 1, found {rule[name]}")
    try:
        re.compile(rule.get("path", ""))
    except re.error as error:
        raise FaultError(f"fault.path: not a regular expression: {error}") from error
    return FaultRule(action=Action(**action), **rule)


def _checked(data: dict[str, Any], known: Mapping[str, Any], where: str) -> dict[str, Any]:
    for name, value in data.items():
        if name not in known:
            raise FaultError(f"{where}.{name}: unknown; known are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, known[name]):
            raise FaultError(f"{where}.{name}: unfit value {value!r}")
    return data
