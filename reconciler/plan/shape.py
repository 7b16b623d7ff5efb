"""Whether a JSON value is of the shape that a schema asks for, fast enough for a plan of 50,000 resources.

It knows the few keywords that the plan's schema is made of, and only says yes or no: what is wrong, and where, is left
to a validator of all of JSON Schema, to which nothing that is fit ever has to be shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import reduce
from typing import Any

Fits = Callable[[Any], bool]
"""Of a value that `json.loads` gave. Where it is in doubt (1.0 as an integer) it says no."""

_TYPES = {"string": str, "boolean": bool, "object": dict, "array": list, "integer": int, "null": type(None)}
_TOLD = frozenset({"$schema", "title", "description", "format"})
"""Keywords that refuse nothing; a format is an annotation (JSON Schema 2020-12, validation, section 7.2.1)."""


def compiled(schema: Mapping[str, Any]) -> Fits:
    """Raises ValueError for a keyword that it doesn't know."""
    unknown = schema.keys() - _TOLD.union(*_RULES)
    if unknown or ("minimum" in schema and schema.get("type") != "integer"):
        raise ValueError(f"{', '.join(sorted(unknown)) or 'minimum'} in a schema")
    rules = [make(schema) for keywords, make in _RULES.items() if not keywords.isdisjoint(schema)]
    return reduce(_both, rules) if rules else lambda value: True


def _both(one: Fits, other: Fits) -> Fits:
    return lambda value: one(value) and other(value)


def _type(schema: Mapping[str, Any]) -> Fits:
    named = schema["type"]
    wanted = frozenset(_TYPES[name] for name in ([named] if isinstance(named, str) else named))
    least = schema.get("minimum")
    if least is not None:
        return lambda value: type(value) is int and value >= least
    return lambda value: type(value) in wanted


def _const(schema: Mapping[str, Any]) -> Fits:
    wanted = schema["const"]
    return lambda value: type(value) is type(wanted) and value == wanted


def _enum(schema: Mapping[str, Any]) -> Fits:
    wanted = schema["enum"]
    # What is neither a number nor a boolean has no equal of another type.
    if not all(isinstance(one, str | list | None) for one in wanted):
        raise ValueError("an enum of numbers in a schema")
    return lambda value: value in wanted


def _pattern(schema: Mapping[str, Any]) -> Fits:
    pattern = re.compile(schema["pattern"])
    return lambda value: not isinstance(value, str) or pattern.search(value) is not None


def _items(schema: Mapping[str, Any]) -> Fits:
    fits = compiled(schema["items"])
    return lambda value: not isinstance(value, list) or all(map(fits, value))


def _properties(schema: Mapping[str, Any]) -> Fits:
    known = {name: compiled(own) for name, own in schema.get("properties", {}).items()}
    required, rest = frozenset(schema.get("required", ())), schema.get("additionalProperties", True)
    others = compiled(rest) if isinstance(rest, Mapping) else lambda value: bool(rest)

    def fits(value: Any) -> bool:
        if not isinstance(value, dict):
            return True
        for name, each in value.items():
            if not known.get(name, others)(each):
                return False
        return required <= value.keys()

    return fits


_RULES: Mapping[frozenset[str], Callable[[Mapping[str, Any]], Fits]] = {
    frozenset({"type", "minimum"}): _type,
    frozenset({"const"}): _const,
    frozenset({"enum"}): _enum,
    frozenset({"pattern"}): _pattern,
    frozenset({"items"}): _items,
    frozenset({"properties", "required", "additionalProperties"}): _properties,
}
