"""An account's billing settings as the Dashboard changes them: retries, and what follows them."""

import itertools
from dataclasses import replace
from typing import Any, get_args

from plumbline_simulators.control import ControlError
from plumbline_simulators.stripe.ledger import AfterRetries, BillingSettings

_SWITCHES = ("pause_after_first_failure", "resume_when_paid")
_NAMES = ("after_retries", "finalize_after_seconds", "retry_days", *_SWITCHES)


def shown_billing(settings: BillingSettings) -> dict[str, Any]:
    """What can be changed while it runs."""
    return {name: getattr(settings, name) for name in _NAMES}


def changed_billing(settings: BillingSettings, data: dict[str, Any]) -> BillingSettings:
    """The settings with those of `data`; raises ControlError naming what makes no sense."""
    for name, value in data.items():
        expected = _expected(name, value)
        if expected is not None:
            raise ControlError(f"{name}: expected {expected}, found {value!r}")
    changes = dict(data)
    if "retry_days" in changes:
        changes["retry_days"] = tuple(changes["retry_days"])
    return replace(settings, **changes)


def _expected(name: str, value: Any) -> str | None:
    """What a setting must be; None when it is."""
    if name == "after_retries":
        return None if value in get_args(AfterRetries) else ", ".join(get_args(AfterRetries))
    if name in _SWITCHES:
        return None if isinstance(value, bool) else "true or false"
    if name == "finalize_after_seconds":
        return None if _whole(value) else "seconds from 0"
    if name == "retry_days":
        fits = isinstance(value, list) and all(_whole(day) and day > 0 for day in value)
        rises = fits and all(a < b for a, b in itertools.pairwise(value))
        return None if rises else "rising days from 1, counted from the first failure"
    return f"one of {', '.join(_NAMES)}"


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
