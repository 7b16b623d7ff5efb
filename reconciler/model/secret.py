"""Secret values, which are never shown, and references to them, which may be."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn

REFERENCE_SOURCES = ("env", "file")
"""The sources a secret may be read from; `{source: name}` is a reference wherever a secret is expected."""


class Secret:
    """A secret value. It prints as `***`, can't be pickled, and compares in constant time."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself; call this only where the bytes leave for the wire."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format("***", spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret can't be pickled")


def is_reference(value: Any) -> bool:
    """Whether `value` is `{"env": NAME}` or another secret reference."""
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in REFERENCE_SOURCES


def describe(reference: dict[str, str]) -> str:
    """`env:NAME`: how a reference is shown to people."""
    source, name = next(iter(reference.items()))
    return f"{source}:{name}"
