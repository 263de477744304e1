"""Reading FILE: one file, or every `*.json` of a folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from plumbline_connectors.decoding import TooDeep, Undecodable, decode_json

from console.explain.trouble import BadInput

BYTES_MAX: Final = 256 * 1024 * 1024
"""More than any page of a list; beyond it a file is a mistake, not a Stripe object."""

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_UTF8_MARK: Final = b"\xef\xbb\xbf"


class Document(NamedTuple):
    """What one file holds, decoded; numbers are exact."""

    file: str
    content: Any


def read_account(place: Path) -> list[Document]:
    """Every document of one account, by file name.

    Raises:
        BadInput: `not_found`, `empty_folder`, `unreadable`, `too_big`, `not_json`, `too_deep`, each
            with the file.
    """
    return [Document(str(file), _decode(file, _read(file))) for file in _files(place)]


def _files(place: Path) -> list[Path]:
    try:
        if place.is_dir():
            found = sorted(_json_files(place), key=lambda file: file.name)
            if not found:
                raise BadInput("empty_folder", str(place), "no *.json in this folder")
            return found
        if not place.exists():
            raise BadInput("not_found", str(place), "no such file or folder")
    except OSError as error:
        raise _unreadable(place, error) from error
    return [place]


def _json_files(folder: Path) -> Iterator[Path]:
    """Files that an editor or a Mac leaves beside them (`._a.json`) are nobody's objects."""
    for file in folder.iterdir():
        if file.suffix.lower() == ".json" and not file.name.startswith("."):
            yield file


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > BYTES_MAX:
            raise BadInput("too_big", str(file), f"more than {BYTES_MAX // 2**20} MiB")
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from error


def _unreadable(place: Path, error: OSError) -> BadInput:
    return BadInput("unreadable", str(place), f"can't be read: {error.strerror}")


def _decode(file: Path, body: bytes) -> Any:
    """JSON in UTF-8 with or without a mark, or in UTF-16 as PowerShell's `>` writes it."""
    if body.startswith(_UTF16):
        try:
            body = body.decode("utf-16").encode()
        except UnicodeError:
            raise BadInput("not_json", str(file), "not JSON: broken UTF-16") from None
    try:
        return decode_json(body.removeprefix(_UTF8_MARK))
    except TooDeep as error:
        raise BadInput("too_deep", str(file), str(error)) from error
    except Undecodable as error:
        raise BadInput("not_json", str(file), str(error)) from error
