"""Dead letters: the original record untouched, and why it could not be handled, in headers.

A person's answer is a *mark*: a later record of the same partition of the same `.dlq` topic, with
the letter's key, no value, and `dlq-mark*` headers (docs/adr/0006). A letter without mark is open.
"""

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
    "braked",
]
LetterMark = Literal["replayed", "discarded"]

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
HEADER_CONNECTION: Final = "dlq-connection"
"""`{workspace}/{connection}` where known."""
HEADER_FIRST: Final = "dlq-first"
"""Id of the first letter of a record that was replayed and failed again; a replayed record carries
it too, with the attempts and the first failure so far."""

HEADER_MARK: Final = "dlq-mark"
HEADER_MARK_OFFSET: Final = "dlq-mark-offset"
"""Offset of the letter in its partition of the `.dlq` topic."""
HEADER_MARK_BY: Final = "dlq-mark-by"
HEADER_MARK_AT: Final = "dlq-mark-at"
HEADER_MARK_TEXT: Final = "dlq-mark-text"
