"""References to secrets: the configuration file holds where a secret is, never the secret."""

import os
import re
from pathlib import Path
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

_ENV: Final = re.compile(r"env:[A-Za-z_][A-Za-z0-9_]*")


class ConfigError(Exception):
    """The configuration is wrong; the text names file, key, what was found, what was expected."""


class SecretRef:
    """`env:NAME` or `file:PATH`. Only `resolve` ever touches the value."""

    __slots__ = ("reference", "where")

    def __init__(self, reference: str, *, where: str = "") -> None:
        if not _ENV.fullmatch(reference) and not (
            reference.startswith("file:") and len(reference) > len("file:")
        ):
            # The text is not repeated: somebody may have pasted the secret itself.
            raise ValueError("expected env:NAME or file:PATH, a reference and not the secret")
        self.reference = reference
        self.where = where

    def resolve(self) -> str:
        """Read the secret now; raises ConfigError naming the reference when it isn't there."""
        place, _, name = self.reference.partition(":")
        prefix = f"{self.where}: " if self.where else ""
        if place == "env":
            value = os.environ.get(name, "")
            if not value:
                raise ConfigError(
                    f"{prefix}found a reference to the environment variable {name}, which is not "
                    f"set; expected it to hold the secret"
                )
            return value
        try:
            value = Path(name).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{prefix}found a reference to the file {name}, which can't be read "
                f"({type(error).__name__}); expected it to hold the secret"
            ) from None
        if not value:
            raise ConfigError(
                f"{prefix}found a reference to the file {name}, which is empty; expected it to "
                f"hold the secret"
            )
        return value

    def __repr__(self) -> str:
        return f"SecretRef({self.reference!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretRef) and other.reference == self.reference

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Accept the text of a reference in models."""
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda value: value.reference
            ),
        )

    @classmethod
    def _validate(cls, value: object) -> "SecretRef":
        if isinstance(value, SecretRef):
            return value
        if not isinstance(value, str):
            raise ValueError("expected a text: env:NAME or file:PATH")  # noqa: TRY004
        return cls(value)
