"""What every webhook signature check raises."""

from typing import Literal

SignatureFault = Literal["missing", "malformed", "no_match", "stale", "future"]


class SignatureError(Exception):
    """The delivery is not proven to come from the vendor; `reason` is fit for a metric label."""

    def __init__(self, reason: SignatureFault) -> None:
        super().__init__(f"webhook signature: {reason}")
        self.reason: SignatureFault = reason
