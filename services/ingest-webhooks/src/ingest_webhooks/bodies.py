"""Reading a request body within a limit, whatever the headers claim."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_DRAIN_BYTES: Final = 16 * 1024 * 1024


class BodyTooLarge(Exception):  # noqa: N818 - says what is wrong
    """More than the limit was sent."""


class Disconnected(Exception):  # noqa: N818 - says what is wrong
    """The client left before its body was complete."""


async def read_body(receive: Receive, *, limit: int, declared: int | None) -> bytes:
    """Return the whole body; raises BodyTooLarge or Disconnected.

    A body over the limit is read to its end, up to 16 MiB, and thrown away: a client that is still
    sending when the answer comes would see a broken connection instead of the 413.
    """
    if declared is not None and declared > _DRAIN_BYTES:
        raise BodyTooLarge
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= limit:
            chunks.append(chunk)
        else:
            chunks.clear()
        if size > _DRAIN_BYTES or not message.get("more_body", False):
            break
    if size > limit:
        raise BodyTooLarge
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
