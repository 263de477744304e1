"""Where rates are looked up: a file that is watched, an address that is asked; bounded both."""

import asyncio
import hashlib
import io
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import httpx
from plumbline_runtime.rates_section import without_query

SIZE_LIMIT: Final = 32 * 1024 * 1024
"""Bytes of the CSV; the bank's whole history has 2 MB."""
_SETTLE_SECONDS: Final = 1.0
"""A file written to more recently may still be growing."""
_TRIES: Final = 5
_TIMEOUT_SECONDS: Final = 15.0
_DEADLINE_SECONDS: Final = 60.0
_CHUNK: Final = 64 * 1024
_NO_ARCHIVE: Final = (
    zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, ValueError, EOFError,
    OSError,
)  # fmt: skip
"""What opening a broken, encrypted or unknown archive raises."""


class SourceFailedError(Exception):
    """The source could not be asked; `broken` when a person must repair what is there."""

    def __init__(self, reason: str, *, broken: bool) -> None:
        super().__init__(reason)
        self.broken = broken


@dataclass(frozen=True, slots=True)
class Seen:
    """What tells whether the source has something new."""

    content_hash: str | None = None
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class Content:
    """The CSV, as the source has it now."""

    text: str
    seen: Seen


class RateSource(Protocol):
    """One place with rates."""

    @property
    def name(self) -> str:
        """What messages call it; no query, which may hold a key."""

    @property
    def watched(self) -> bool:
        """Whether a look costs nothing, so that it may be made all the time."""

    async def look(self, seen: Seen) -> Content | None:
        """What is there now, None when it is what was seen; raises SourceFailedError."""


class RateFile:
    """A file, watched by the hash of its content."""

    watched = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = str(path)

    async def look(self, seen: Seen) -> Content | None:
        """Read once nobody writes to it any more."""
        try:
            for _ in range(_TRIES):
                if (data := await self._settled()) is not None:
                    return _content(self.name, data, seen, Seen())
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise SourceFailedError(f"{self.name} can't be read: {why}", broken=True) from None
        raise SourceFailedError(f"{self.name} is being written all the time", broken=False)

    async def _settled(self) -> bytes | None:
        """The content; None when it changed meanwhile."""
        before = self._path.stat()
        if abs(time.time() - before.st_mtime) < _SETTLE_SECONDS:
            await asyncio.sleep(_SETTLE_SECONDS)
        with self._path.open("rb") as file:
            data = file.read(SIZE_LIMIT + 1)
        after = self._path.stat()
        same = (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size)
        return data if same else None


class RateAddress:
    """An address, asked only for what has changed; loopback or https (`[rates]` sees to it)."""

    watched = False

    def __init__(self, address: str) -> None:
        self._address = address
        self.name = without_query(address)

    async def look(self, seen: Seen) -> Content | None:
        """No redirect is followed, no proxy of the environment used (design 12)."""
        try:
            async with asyncio.timeout(_DEADLINE_SECONDS):
                return await self._get(seen)
        except (httpx.TransportError, httpx.DecodingError, TimeoutError) as error:
            reason = f"{self.name}: {type(error).__name__}"
            raise SourceFailedError(reason, broken=False) from None

    async def _get(self, seen: Seen) -> Content | None:
        headers = {"user-agent": "plumbline", "accept-encoding": "identity"}
        if seen.etag is not None:
            headers["if-none-match"] = seen.etag
        if seen.last_modified is not None:
            headers["if-modified-since"] = seen.last_modified
        async with (
            httpx.AsyncClient(
                timeout=_TIMEOUT_SECONDS, trust_env=False, follow_redirects=False
            ) as client,
            client.stream("GET", self._address, headers=headers) as answer,
        ):
            if answer.status_code == 304:
                return None
            if answer.status_code != 200:
                raise _refused(self.name, answer.status_code)
            data = await self._body(answer)
            now = Seen(None, answer.headers.get("etag"), answer.headers.get("last-modified"))
        return _content(self.name, data, seen, now)

    async def _body(self, answer: httpx.Response) -> bytes:
        data = bytearray()
        async for chunk in answer.aiter_bytes(_CHUNK):
            data += chunk
            if len(data) > SIZE_LIMIT:
                break
        return bytes(data)


def _refused(name: str, status: int) -> SourceFailedError:
    if 300 <= status < 400:
        return SourceFailedError(f"{name}: a redirect, which is not followed", broken=True)
    passing = status in {408, 425, 429} or status >= 500
    return SourceFailedError(f"{name}: HTTP {status}", broken=not passing)


def _content(name: str, data: bytes, seen: Seen, now: Seen) -> Content | None:
    """Compared by what was sent, unpacked only when it is new."""
    if len(data) > SIZE_LIMIT:
        raise SourceFailedError(f"{name}: more than {SIZE_LIMIT} bytes", broken=True)
    digest = hashlib.sha256(data).hexdigest()
    if digest == seen.content_hash:
        return None
    try:
        text = _unpacked(name, data).decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"{name}: byte {error.start} is no UTF-8"
        raise SourceFailedError(reason, broken=True) from None
    return Content(text, Seen(digest, now.etag, now.last_modified))


def _unpacked(name: str, data: bytes) -> bytes:
    """The one CSV of an archive, or the bytes themselves."""
    if not data.startswith(b"PK"):
        return data
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [one for one in archive.namelist() if one.lower().endswith(".csv")]
            if len(members) != 1:
                reason = f"{name}: {len(members)} CSV files in the archive, expected one"
                raise SourceFailedError(reason, broken=True)
            with archive.open(members[0]) as member:
                text = member.read(SIZE_LIMIT + 1)
    except _NO_ARCHIVE as error:
        reason = f"{name}: no archive that opens ({type(error).__name__})"
        raise SourceFailedError(reason, broken=True) from None
    if len(text) > SIZE_LIMIT:
        raise SourceFailedError(f"{name}: more than {SIZE_LIMIT} bytes unpacked", broken=True)
    return text
