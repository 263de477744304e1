"""Frozen models built from values that are what their fields say, without asking again.

A translator takes every value through an accessor that refuses all but its type; asking pydantic
once more costs more than the translation itself. Only for values that the caller has checked:
whatever comes from outside goes through `model_validate` and its siblings.
"""

from collections.abc import Callable
from typing import ParamSpec, TypeVar, cast

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

P = ParamSpec("P")
M = TypeVar("M", bound=BaseModel)

_new = object.__new__
_set = object.__setattr__


def built(model: Callable[P, M]) -> Callable[P, M]:
    """The model's constructor as a type checker sees it, less the validation.

    What it makes equals what the constructor makes of the same values: same fields in the same
    order, same defaults, same fields set.

    Raises:
        TypeError: for a model with validators or private attributes of its own, or for defaults
            that are made anew for each instance; all of these would be passed over.
    """
    if not isinstance(model, type) or not issubclass(model, BaseModel):
        raise TypeError(f"{model!r} is not a model")
    defaults = _defaults(model)
    names = tuple(defaults)
    given: dict[tuple[str, ...], set[str]] = {}

    def build(**values: object) -> BaseModel:
        said = tuple(values)
        fields = given.get(said)
        if fields is None:
            fields = given[said] = set(said)
        one = _new(model)
        _set(one, "__dict__", values if said == names else {**defaults, **values})
        # One set for all that were given the same fields: pydantic copies it before it adds to it.
        _set(one, "__pydantic_fields_set__", fields)
        _set(one, "__pydantic_extra__", None)
        _set(one, "__pydantic_private__", None)
        return one

    return cast("Callable[P, M]", build)


def _defaults(model: type[BaseModel]) -> dict[str, object]:
    """All fields in their order; one without a default is always given."""
    found = model.__pydantic_decorators__
    checks = (found.field_validators, found.model_validators, found.validators)
    made = any(field.default_factory is not None for field in model.model_fields.values())
    if any(checks) or made or model.__private_attributes__ or model.__pydantic_post_init__:
        raise TypeError(f"{model.__name__} does more than hold its fields")
    return {
        name: None if field.default is PydanticUndefined else field.default
        for name, field in model.model_fields.items()
    }
