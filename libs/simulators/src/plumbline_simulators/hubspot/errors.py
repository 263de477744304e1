"""HubSpot's error bodies."""

from typing import Any


class HubSpotError(Exception):
    """An answer other than success, with the vendor's body."""

    def __init__(
        self, status: int, category: str, message: str, *, headers: dict[str, str] | None = None,
        **extra: Any,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.status = status
        self.category = category
        self.message = message
        self.headers = headers or {}
        self.extra = extra

    def body(self, correlation_id: str) -> dict[str, Any]:
        """As the vendor words it; every field of it is optional by contract."""
        return {
            "status": "error",
            "message": self.message,
            "correlationId": correlation_id,
            "category": self.category,
            **self.extra,
        }

    def row(self, context: dict[str, list[str]]) -> dict[str, Any]:
        """As one entry of `errors` in a 207."""
        return {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": {**self.extra.get("context", {}), **context},
            **({"errors": self.extra["errors"]} if "errors" in self.extra else {}),
        }


class RateLimitError(HubSpotError):
    """429: told by `errorType` and `policyName`, without a category (vendors 2.6)."""

    def __init__(self, message: str, policy: str, headers: dict[str, str]) -> None:
        super().__init__(429, "RATE_LIMITS", message, headers=headers)
        self.policy = policy

    def body(self, correlation_id: str) -> dict[str, Any]:
        """Only the burst's names a request id."""
        body = {
            "status": "error",
            "message": self.message,
            "errorType": "RATE_LIMIT",
            "correlationId": correlation_id,
            "policyName": self.policy,
        }
        burst = self.policy == "TEN_SECONDLY_ROLLING"
        return body | ({"requestId": correlation_id} if burst else {})


def not_found(what: str) -> HubSpotError:
    """An object or path that isn't there."""
    return HubSpotError(404, "OBJECT_NOT_FOUND", f"{what} not found")


def invalid(message: str, code: str, property_name: str) -> HubSpotError:
    """A value or property that is refused."""
    detail = {"message": message, "code": code, "context": {"propertyName": [property_name]}}
    text = f"Property values were not valid: [{message}]"
    return HubSpotError(400, "VALIDATION_ERROR", text, errors=[detail])
