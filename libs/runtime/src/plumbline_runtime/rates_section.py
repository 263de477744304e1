"""`[rates]` of the deployment file: where exchange rates come from."""

from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from plumbline_schemas.internal import RatesEvery
from pydantic import AfterValidator

from plumbline_runtime.config_checks import is_loopback
from plumbline_runtime.connections import Section

FILE: Final = "file:"


def check_rates_source(value: str) -> str:
    """`file:PATH`, or an address: https, http only of this machine (design 12)."""
    if value.startswith(FILE):
        if not value.removeprefix(FILE).strip():
            raise ValueError("expected a path after file:")
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(
            "expected file:PATH or https://host/path of the European Central Bank's CSV"
        )
    if parts.username or parts.password or parts.fragment:
        raise ValueError("expected an address without user and fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("expected https (http is for loopback)")
    return value


def without_query(address: str) -> str:
    """The address as messages name it."""
    return address.partition("?")[0]


class RatesSection(Section):
    """The European Central Bank's CSV: units of each currency for one euro."""

    source: Annotated[str, AfterValidator(check_rates_source)]
    """`file:PATH`, or the address of the CSV, plain or zipped."""
    every: RatesEvery = "month"
    """`month`: a month goes by the last rates before it began; `day`: a day by its own."""

    @property
    def path(self) -> Path | None:
        """The file; None when the source is an address."""
        if not self.source.startswith(FILE):
            return None
        return Path(self.source.removeprefix(FILE))

    @property
    def shown(self) -> str:
        """The source as messages name it, less a query, which may hold a key."""
        return self.source if self.path is not None else without_query(self.source)

    def beside(self, folder: Path) -> "RatesSection":
        """The same, a relative path as seen from the deployment file's folder."""
        path = self.path
        if path is None:
            return self
        return self.model_copy(update={"source": f"{FILE}{folder / path.expanduser()}"})
