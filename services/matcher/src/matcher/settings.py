"""The matcher's own settings; all else is the runtime's."""

import os
from collections.abc import Mapping
from typing import Any, Final

from plumbline_runtime.secrets import ConfigError
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_PREFIX: Final = "PLUMBLINE_MATCHER_"


class MatcherSettings(BaseModel):
    """Each is an environment variable: `PLUMBLINE_MATCHER_` and the name in capitals."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fan_out_accounts: int = Field(default=500, ge=1)
    """Accounts a record with fan-out folds per transaction."""
    publish_rows: int = Field(default=1000, ge=1)
    """Ledger rows and messages published between two moves of `published_up_to`."""
    leftovers_seconds: float = Field(default=1.0, gt=0)
    """Pause between looks for changes that a failed publication left behind."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "MatcherSettings":
        """Read the environment; raises ConfigError naming the variable."""
        env = os.environ if environment is None else environment
        values: dict[str, Any] = {
            name: env[_PREFIX + name.upper()]
            for name in cls.model_fields
            if _PREFIX + name.upper() in env
        }
        try:
            return cls(**values)
        except ValidationError as error:
            problems = "; ".join(
                f"{_PREFIX}{str(item['loc'][0]).upper()}: found {item['input']!r}, {item['msg']}"
                for item in error.errors(include_url=False)
            )
            raise ConfigError(f"environment: {problems}") from None
