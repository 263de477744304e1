"""Stripe's error object: type, code, message, param, doc_url."""

from typing import Any


class StripeError(Exception):
    """Answered with `status` and `{"error": {...}}`.

    `keeps_changes`: the call failed but what it changed stays, as a declined payment does.
    """

    keeps_changes = False

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.error: dict[str, Any] = {"message": message, "type": kind, **more}
        if code is not None:
            self.error["code"] = code
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param is not None:
            self.error["param"] = param


def missing(kind: str, object_id: str, param: str = "id", status: int = 404) -> StripeError:
    """No such object; 404 in the path, 400 as a parameter."""
    message = f"No such {kind.replace('_', ' ')}: '{object_id}'"
    return StripeError(status, message, code="resource_missing", param=param)


def unknown_path(method: str, path: str) -> StripeError:
    message = (
        f"Unrecognized request URL ({method}: {path}). "
        "Please see https://stripe.com/docs or we can help at https://support.stripe.com/."
    )
    return StripeError(404, message)


def required(param: str) -> StripeError:
    message = f"Missing required param: {param}."
    return StripeError(400, message, code="parameter_missing", param=param)


def unknown_parameter(param: str) -> StripeError:
    message = f"Received unknown parameter: {param}"
    return StripeError(400, message, code="parameter_unknown", param=param)


def invalid(param: str, message: str, code: str | None = None) -> StripeError:
    return StripeError(400, message, param=param, code=code)


def card_declined(payment_intent: str | None = None) -> StripeError:
    more: dict[str, Any] = (
        {} if payment_intent is None else {"payment_intent": {"id": payment_intent}}
    )
    return StripeError(
        402,
        "Your card was declined.",
        kind="card_error",
        code="card_declined",
        decline_code="generic_decline",
        **more,
    )
