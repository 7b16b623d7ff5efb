"""Reading JSON that a stranger wrote: one object, no key twice, bounded depth and numbers."""

from __future__ import annotations

import json
import re
from typing import Any, NoReturn

_DEPTH = 20
_DIGITS = 20
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[{]|[\]}]', re.DOTALL)


class Malformed(ValueError):
    """A member of an otherwise readable object is not of the type it should be."""


def read_object(data: bytes) -> dict[str, Any]:
    """The JSON object that `data` spells. ValueError, in words for a user, for anything else.

    The depth is found before anything recursive sees the text.
    """
    depth = 0
    for token in _TOKENS.finditer(data):
        if token[0] in (b"[", b"{"):
            depth += 1
            if depth > _DEPTH:
                raise ValueError(f"it is nested deeper than {_DEPTH} levels")
        elif token[0] in (b"]", b"}"):
            depth -= 1
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8") from None
    try:
        value = json.loads(text, object_pairs_hook=_once, parse_constant=_constant, parse_int=_integer)
    except json.JSONDecodeError:
        raise ValueError("it is not JSON") from None
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def texts(document: dict[str, Any], key: str) -> list[str] | None:
    """The list of strings at `key`; None where there is none. Malformed if something else is there."""
    value = document.get(key)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Malformed(f"its {key} is not a list of strings")
    return value


def text(document: dict[str, Any], key: str) -> str | None:
    """The string at `key`; None where there is none. Malformed if something else is there."""
    value = document.get(key)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"its {key} is not a string")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice, which readers understand differently")
    return found


def _constant(name: str) -> NoReturn:
    raise ValueError(f"it has {name}, which is not JSON")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError("it has a number out of range")
    return int(digits)
