"""An office of exchange rates on loopback: serves the European Central Bank's CSV as the bank does.

Plain or zipped, with `ETag` and `Last-Modified`, answering 304 to whoever has the newest; it can be
told to fail. For tests and development.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

ZIP_PATH = "/stats/eurofxref/eurofxref-hist.zip"
CSV_PATH = "/stats/eurofxref/eurofxref-hist.csv"


@dataclass
class RatesOffice:
    """What is served; change it between calls. Serve `app` with `server.running`."""

    text: str
    changed_at: datetime = datetime(2026, 11, 20, 15, tzinfo=UTC)
    status: int | None = None
    """Answer this status instead, with an empty body."""
    location: str | None = None
    """Where a status of 3xx points to."""
    body: bytes | None = None
    """Send this instead of the CSV or its archive."""
    calls: list[tuple[str, int, Mapping[str, str]]] = field(default_factory=list)
    """Path, status and request headers of every call."""

    @property
    def app(self) -> Starlette:
        """The ASGI app."""
        return Starlette(routes=[Route(ZIP_PATH, self._answer), Route(CSV_PATH, self._answer)])

    @property
    def statuses(self) -> list[int]:
        """Status of every call."""
        return [status for _, status, _ in self.calls]

    async def _answer(self, request: Request) -> Response:
        response = self._response(request)
        self.calls.append((request.url.path, response.status_code, dict(request.headers)))
        return response

    def _response(self, request: Request) -> Response:
        if self.status is not None:
            headers = {} if self.location is None else {"location": self.location}
            return Response(status_code=self.status, headers=headers)
        etag = f'"{hashlib.sha256(self.body or self.text.encode()).hexdigest()[:16]}"'
        headers = {"etag": etag, "last-modified": format_datetime(self.changed_at, usegmt=True)}
        if request.headers.get("if-none-match") == etag:
            return Response(status_code=304, headers=headers)
        if self.body is not None:
            return Response(self.body, headers=headers)
        if request.url.path == CSV_PATH:
            return Response(self.text, media_type="text/csv", headers=headers)
        return Response(zipped(self.text), media_type="application/zip", headers=headers)


def zipped(text: str, name: str = "eurofxref-hist.csv") -> bytes:
    """An archive with one file, the same bytes for the same text."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return made.getvalue()
