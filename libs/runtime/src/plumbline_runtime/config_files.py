"""Reading TOML files and turning every problem into one ConfigError in plain words."""

import tomllib
import typing
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

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
            raise ConfigError(f"{self.file}: {key}: found {found!r}, expected a table [{key}]")
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
            f"{document.file}: {_describe(item, model, document)}"
            for item in error.errors(include_url=False)
        ]
        raise ConfigError("\n".join(lines)) from None


def _describe(item: ErrorDetails, model: type[BaseModel], document: Document) -> str:
    location = _location(item["loc"])
    key = ".".join(part for part in (document.prefix, *location) if part)
    match item["type"]:
        case "extra_forbidden":
            return f"{key}: unknown key{_suggestion(location, model)}"
        case "missing":
            return f"{key}: found nothing, expected a value{_hint(location)}"
        case "union_tag_invalid" | "union_tag_not_found":
            found = item["input"].get("kind") if isinstance(item["input"], dict) else item["input"]
            return f"{key}.kind: found {found!r}, expected stripe or hubspot"
        case "value_error":
            return _own_words(item, key)
        case _:
            return f"{key}: found {_shown(item, location)}, expected {_expected(item)}"


def _own_words(item: ErrorDetails, key: str) -> str:
    """Our validators name key and value themselves when they look at a whole section."""
    text = str(item.get("ctx", {}).get("error", item["msg"]))
    if isinstance(item["input"], dict):
        return f"{key}.{text}" if key else text
    if "reference" in text:
        return f"{key}: found something else, {text}"
    return f"{key}: found {item['input']!r}, {text}"


def _location(loc: tuple[int | str, ...]) -> list[str]:
    """Pydantic's path less the tags of unions, which the file doesn't have."""
    parts = [str(part) for part in loc if part != "[key]"]
    if len(parts) > 2 and parts[0] == "connections":
        del parts[2]
    return parts


def _shown(item: ErrorDetails, location: list[str]) -> str:
    secret = location and any(word in location[-1] for word in ("secret", "token", "key"))
    return "a value" if secret else repr(item["input"])


def _expected(item: ErrorDetails) -> str:
    text = item["msg"].removeprefix("Input should be ").removeprefix("a valid ")
    return text[0].lower() + text[1:]


def _hint(location: list[str]) -> str:
    secrets = {"api_key", "access_token", "webhook_secrets", "client_secret"}
    return " such as env:NAME or file:PATH" if location[-1] in secrets else ""


def _suggestion(location: list[str], model: type[BaseModel]) -> str:
    known = sorted(_known_keys(model, location[:-1]))
    close = get_close_matches(location[-1], known, n=1)
    expected = f"expected one of {', '.join(known)}" if known else "expected no such key"
    return f", did you mean {close[0]}? {expected}" if close else f", {expected}"


def _known_keys(model: type[BaseModel], path: list[str]) -> set[str]:
    """Keys allowed at a place of the file: the fields of every model that may stand there."""
    models: list[type[BaseModel]] = [model]
    skip = False
    for part in path:
        if skip:
            skip = False
            continue
        fields = [m.model_fields[part] for m in models if part in m.model_fields]
        skip = any(typing.get_origin(field.annotation) is dict for field in fields)
        models = [found for field in fields for found in _models(field.annotation)]
    return {name for m in models for name in m.model_fields if name != "name"}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)
