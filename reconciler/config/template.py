"""Text with `${...}` in it, and the values that stand in their place."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.config.findings import quote, suggest

LONGEST_TEXT = 65_536
"""Characters of the longest text that filling in may make."""

_PLACEHOLDER = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_EXPRESSION = re.compile(r"\s*(var|each)((?:\.[A-Za-z0-9_-]+)+)\s*")


class Scope(NamedTuple):
    """What a template may refer to: the variables, and within a `for_each` the instance's key and value."""

    variables: Mapping[str, Any]
    each: tuple[str, Any] | None = None


class Unfillable(ValueError):
    """The template can't be filled in: the problem, and what to do about it."""

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail


class _Reference(NamedTuple):
    written: str
    root: str
    path: tuple[str, ...]


def fill(text: str, scope: Scope) -> Any:
    """`text` with every `${...}` filled in; `$${` is a literal `${`.

    A text that is one `${...}` and nothing else becomes the value itself, of whatever type. Raises Unfillable.
    """
    parts = _parse(text)
    if len(parts) == 1 and isinstance(parts[0], _Reference):
        return _value(parts[0], scope)
    filled = "".join(part if isinstance(part, str) else _text(part, scope) for part in parts)
    if len(filled) > LONGEST_TEXT:
        raise Unfillable(f"The text becomes longer than {LONGEST_TEXT} characters")
    return filled


@lru_cache(maxsize=4096)
def _parse(text: str) -> tuple[str | _Reference, ...]:
    parts: list[str | _Reference] = []
    at = 0
    for match in _PLACEHOLDER.finditer(text):
        if match.start() > at:
            parts.append(text[at : match.start()])
        at = match.end()
        if match[0] == "$${":
            parts.append("${")
            continue
        expression = _EXPRESSION.fullmatch(match[1] or "")
        if expression is None:
            raise Unfillable(*_explain_expression(match[0], match[1]))
        parts.append(_Reference(match[0], expression[1], tuple(expression[2][1:].split("."))))
    if at < len(text):
        parts.append(text[at:])
    return tuple(parts)


def _explain_expression(written: str, inside: str | None) -> tuple[str, str]:
    if inside is None:
        return "A ${ is not closed", "Add the }, or write $${ for the two characters themselves."
    detail = "${var.NAME}, ${each.key} and ${each.value.NAME} can stand here; $${ is a literal ${."
    return f"{quote(written)} refers to nothing", detail


def _value(reference: _Reference, scope: Scope) -> Any:
    if reference.root == "var":
        name, *rest = reference.path
        if name not in scope.variables:
            nearest = suggest(name, scope.variables, "Declare it under variables.")
            raise Unfillable(f"There is no variable {quote(name)}", nearest)
        return _walk(scope.variables[name], rest, f"var.{name}")
    if scope.each is None:
        raise Unfillable(f"{reference.written} has a meaning only in a block with for_each")
    key, value = scope.each
    if reference.path == ("key",):
        return key
    if reference.path[0] == "value":
        return _walk(value, reference.path[1:], "each.value")
    raise Unfillable(f"{quote(reference.written)} refers to nothing", "There are each.key and each.value.")


def _walk(value: Any, path: tuple[str, ...] | list[str], shown: str) -> Any:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part[:9]) < len(value):
            value = value[int(part)]
        else:
            names = value if isinstance(value, Mapping) else ()
            otherwise = "" if isinstance(value, Mapping | list) else f"{shown} is not a map."
            raise Unfillable(f"{shown} has no {quote(part)}", suggest(part, map(str, names), otherwise))
        shown += f".{part}"
    return value


def _text(reference: _Reference, scope: Scope) -> str:
    value = _value(reference, scope)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    what = "is null" if value is None else "is a list" if isinstance(value, list) else "is a map"
    raise Unfillable(
        f"{reference.written} {what}, which can't be a part of a text", "Let it stand alone, or choose a part."
    )
