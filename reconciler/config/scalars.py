"""What an unquoted YAML scalar means.

YAML 1.2 core schema (yaml.org/spec/1.2.2, section 10.3.2), and stricter where it would surprise: a number with a
leading zero is text, for it is an identifier more often than a number.
"""

from __future__ import annotations

import re
from typing import Any

_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBER_START = frozenset("-+.0123456789")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_LONGEST = 18
"""Digits of the longest whole number: what every JSON reader keeps exactly fits into 64 bits."""


def resolve_plain(text: str) -> Any:
    """The null, boolean, number or text that `text` means.

    Raises ValueError, in words for a user, for a number that can't be kept exactly.
    """
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMBER_START else text


def _number(text: str) -> Any:
    if _INTEGER.fullmatch(text):
        if len(text) > _LONGEST:
            raise ValueError("is too large for a number; put it in quotes if it is text")
        return int(text)
    if _RADIX.fullmatch(text):
        if len(text) > _LONGEST:
            raise ValueError("is too large for a number; put it in quotes if it is text")
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if value in (float("inf"), float("-inf")):
            raise ValueError("is too large for a number; put it in quotes if it is text")
        return value
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("is not a number anything here can use; put it in quotes if it is text")
    return text
