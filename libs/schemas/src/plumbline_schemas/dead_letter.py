"""Dead letters: the original record untouched, and why it could not be handled, in headers."""

from typing import Final, Literal

DeadLetterReason = Literal[
    "not_json",
    "not_an_event",
    "invalid",
    "wrong_mode",
    "wrong_account",
    "unsupported_version",
    "untranslatable",
    "too_deep",
    "unknown_kind",
    "unknown_connection",
    "unhandled",
]

HEADER_REASON: Final = "dlq-reason"
HEADER_TOPIC: Final = "dlq-topic"
HEADER_PARTITION: Final = "dlq-partition"
HEADER_OFFSET: Final = "dlq-offset"
HEADER_ERROR_CLASS: Final = "dlq-error-class"
HEADER_ERROR_MESSAGE: Final = "dlq-error-message"
HEADER_STACK_HASH: Final = "dlq-stack-hash"
HEADER_ATTEMPTS: Final = "dlq-attempts"
HEADER_FIRST_FAILED_AT: Final = "dlq-first-failed-at"
HEADER_SERVICE: Final = "dlq-service"
