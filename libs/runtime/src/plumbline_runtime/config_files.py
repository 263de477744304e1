"""Reading TOML files and turning every problem into one ConfigError in plain words."""

import re
import tomllib
import typing
from collections.abc import Iterator
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from plumbline_runtime.config_checks import NOT_SUPPORTED
from plumbline_runtime.secrets import ConfigError

ModelT = TypeVar("ModelT", bound=BaseModel)


class Document(NamedTuple):
    """One file, or one section of it."""

    file: Path | str
    content: dict[str, Any]
    prefix: str = ""

    def without(self, key: str) -> "Document":
        """The document less one section."""
        rest = {name: value for name, value in self.content.items() if name != key}
        return self._replace(content=rest)

    def section(self, key: str) -> "Document":
        """One section; raises ConfigError when it isn't a table."""
        found = self.content[key]
        if not isinstance(found, dict):
            raise ConfigError(
                f"{self.file}: {key}: found {_plain(found)}, expected a table [{key}]"
            )
        return Document(self.file, found, key)


def read_documents(place: Path) -> list[Document]:
    """Read a file, or every `*.toml` of a folder, sorted by name."""
    if place.is_dir():
        files = sorted(place.glob("*.toml"))
        if not files:
            raise ConfigError(f"{place}: found no *.toml in this folder, expected at least one")
    elif place.is_file():
        files = [place]
    else:
        raise ConfigError(
            f"{place}: found nothing there, expected a deployment file or a folder of *.toml "
            f"(--config or PLUMBLINE_CONFIG names it)"
        )
    return [Document(file, _parse(file)) for file in files]


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file}: found no valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{file}: found bytes that are not UTF-8, expected TOML") from None
    except OSError as error:
        raise ConfigError(f"{file}: can't be read: {error.strerror}") from None


def build(model: type[ModelT], document: Document) -> ModelT:
    """Validate; raises ConfigError with one line per problem."""
    try:
        return model.model_validate(document.content)
    except ValidationError as error:
        lines = [
            _one_line(f"{document.file}: {_describe(item, model, document)}")
            for item in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from None


def _describe(item: ErrorDetails, model: type[BaseModel], document: Document) -> str:
    location = _location(item["loc"])
    key = ".".join(part for part in (document.prefix, *location) if part)
    match item["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{_suggestion(item['loc'], model)}"
        case "missing":
            return f"{key}: found nothing, expected a value{_hint(location)}"
        case "union_tag_invalid" | "union_tag_not_found":
            found = item["input"].get("kind") if isinstance(item["input"], dict) else item["input"]
            return f"{key}.kind: found {_plain(found)}, expected stripe or hubspot"
        case "value_error":
            return _own_words(item, key, location)
        case kind if kind == NOT_SUPPORTED:
            return f"{key}: {item['msg']}"
        case _:
            return f"{key}: found {_shown(item, location)}, expected {_expected(item, location)}"


def _own_words(item: ErrorDetails, key: str, location: list[str]) -> str:
    """Our validators name key and value themselves when they look at a whole section."""
    text = str(item.get("ctx", {}).get("error", item["msg"]))
    if _is_secret(location):
        return f"{key}: found {_shown(item, location)}, {text}"
    if isinstance(item["input"], dict):
        return f"{key}.{text}" if key else text
    return f"{key}: found {_plain(item['input'])}, {text}"


def _location(loc: tuple[int | str, ...]) -> list[str]:
    """Pydantic's path less the tags of unions, which the file doesn't have."""
    parts = [str(part) for part in loc if part != "[key]"]
    if len(parts) > 2 and parts[0] == "connections":
        del parts[2]
    return parts


def _one_line(message: str) -> str:
    """A key may be any text in TOML, a message is one line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in message)


_SECRETS: Final = frozenset(
    {"api_key", "access_token", "webhook_secrets", "client_secret", "refresh_token", "oauth"}
)


def _is_secret(location: list[str]) -> bool:
    """Below a connection's name, which may be any of these words itself."""
    return not _SECRETS.isdisjoint(location[2:])


def _shown(item: ErrorDetails, location: list[str]) -> str:
    """What the file says; of a secret only what kind of value it is."""
    found = item["input"]
    return _kind_of(found) if _is_secret(location) else _plain(found)


_USER: Final = re.compile(r"//[^/\s]*@")
"""The user and password of an address, which a message doesn't repeat."""


def _plain(found: object) -> str:
    if isinstance(found, str):
        return repr(_USER.sub("//...@", found))
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, int | float | date | time):
        return str(found)
    return _kind_of(found)


def _kind_of(found: object) -> str:
    if found in ([], ()):
        return "an empty list"
    kinds: tuple[tuple[type | tuple[type, ...], str], ...] = (
        (type(None), "nothing"),
        (str, "a text"),
        (bool, "true or false"),
        ((int, float), "a number"),
        ((list, tuple), "a list"),
        (dict, "a table"),
        ((date, time), "a date or time"),
    )
    return next((words for kind, words in kinds if isinstance(found, kind)), "a value")


_WORDS: Final = {
    "string_type": "a text in quotes",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "dict_type": "a table",
    "tuple_type": "a list such as {example}",
    "greater_than_equal": "a whole number of at least {ge}",
    "less_than_equal": "a whole number of at most {le}",
    "literal_error": "{expected}",
}


def _expected(item: ErrorDetails, location: list[str]) -> str:
    """The validator's demand in the words of the file's format, not of its implementation."""
    words = _WORDS.get(item["type"])
    if words is None:
        return item["msg"].removeprefix("Input should be ")
    return words.format(example=_example(location), **item.get("ctx", {}))


def _example(location: list[str]) -> str:
    return '["env:NAME"]' if _is_secret(location) else '["NAME"]'


def _hint(location: list[str]) -> str:
    if location[-1] == "webhook_secrets":
        return f" such as {_example(location)}"
    return " such as env:NAME or file:PATH" if _is_secret(location) else ""


def _suggestion(loc: tuple[int | str, ...], model: type[BaseModel]) -> str:
    known = sorted(_known_keys(model, [str(part) for part in loc[:-1]]))
    close = get_close_matches(str(loc[-1]), known, n=1)
    expected = f"expected one of {', '.join(known)}" if known else "expected no such key"
    return f", did you mean {close[0]}? {expected}" if close else f", {expected}"


def _known_keys(model: type[BaseModel], path: list[str]) -> set[str]:
    """Keys allowed at a place of the file, the place as Pydantic tells it, with tags of unions."""
    models: list[type[BaseModel]] = [model]
    named = False
    for part in path:
        if named:  # the name of a connection stands between its table and its keys
            named = False
            continue
        tagged = [found for found in models if _has_tag(found, part)]
        if tagged:
            models = tagged
            continue
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        named = any(typing.get_origin(field.annotation) is dict for field in fields)
        models = [found for field in fields for found in _models(field.annotation)]
    return {name for m in models for name in m.model_fields if name != "name"}


def _has_tag(model: type[BaseModel], tag: str) -> bool:
    kind = model.model_fields.get("kind")
    return kind is not None and tag in typing.get_args(kind.annotation)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)
