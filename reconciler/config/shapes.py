"""What a block may look like: the pydantic models behind a specification, and how their fields are found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from inspect import cleandoc
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo


@dataclass(frozen=True)
class Shape:
    """The model of a block, or one for each value of the field `discriminator`."""

    adapter: TypeAdapter[Any]
    models: dict[str | None, type[BaseModel]]
    discriminator: str | None = None

    def candidates(self, tag: Any) -> list[type[BaseModel]]:
        """The models a block with that tag may have: all of them if the tag tells nothing."""
        chosen = self.models.get(tag if isinstance(tag, str) else None)
        return [chosen] if chosen else list(self.models.values())

    def fields(self, tag: Any) -> set[str]:
        return {name for model in self.candidates(tag) for name in field_names(model)}


@cache
def shape_of(spec: Any) -> Shape:
    """The shape of a kind's `spec`: a model, or a union of models with a discriminator."""
    if get_origin(spec) is not Annotated:
        return Shape(TypeAdapter(spec), {None: spec})
    union, *metadata = get_args(spec)
    discriminator = next(m.discriminator for m in metadata if getattr(m, "discriminator", None))
    models: dict[str | None, type[BaseModel]] = {}
    for model in get_args(union):
        for tag in get_args(model.model_fields[discriminator].annotation):
            models[tag] = model
    return Shape(TypeAdapter(spec), models, discriminator)


def field_names(model: type[BaseModel]) -> list[str]:
    """The keys that a block of this model may have, as they are written."""
    return [field.alias or name for name, field in model.model_fields.items()]


def find_field(model: type[BaseModel], key: str) -> FieldInfo | None:
    return next((field for name, field in model.model_fields.items() if (field.alias or name) == key), None)


def models_at(models: list[type[BaseModel]], path: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """The models that a block at `path` below blocks of `models` may have."""
    for part in path:
        if isinstance(part, str):
            fields = [found for model in models if (found := find_field(model, part))]
            models = [model for field in fields for model in _models_in(field.annotation)]
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


def describe_field(models: list[type[BaseModel]], key: str) -> str:
    """What the field is for, in the words of its description."""
    for model in models:
        field = find_field(model, key)
        if field is not None:
            return field.description or _description_in(field.annotation) or _first_line(field.annotation)
    return ""


def _first_line(annotation: Any) -> str:
    return next((cleandoc(model.__doc__ or "").partition("\n")[0] for model in _models_in(annotation)), "")


def _description_in(annotation: Any) -> str:
    for part in get_args(annotation):
        found = getattr(part, "description", None) or _description_in(part)
        if found:
            return str(found)
    return ""
