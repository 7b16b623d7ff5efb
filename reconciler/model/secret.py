"""Secret values, which are never shown, and references to them, which may be."""

from __future__ import annotations

import hmac
import shlex
from collections.abc import Container, Mapping
from typing import Any, NoReturn, TypeAlias

REFERENCE_SOURCES = ("env", "file", "keyring", "vault", "command")
"""The sources a secret may be read from; `{source: name}` is a reference wherever a secret is expected."""

Reference: TypeAlias = Mapping[str, Any]
"""`{source: name}`; the name is text, for a command the list of its words."""


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
    if not isinstance(value, dict) or len(value) != 1:
        return False
    ((source, name),) = value.items()
    if source == "command":
        return isinstance(name, list) and bool(name) and all(isinstance(word, str) for word in name)
    return source in REFERENCE_SOURCES and isinstance(name, str)


def describe(reference: Reference) -> str:
    """`env:NAME`: how a reference is shown to people."""
    source, name = next(iter(reference.items()))
    return f"{source}:{shlex.join(name) if isinstance(name, list) else name}"


def secrets_sent(attributes: Mapping[str, Any], changed: Container[str]) -> dict[str, Reference]:
    """The attributes that hold a reference, and whose secret goes out when `changed` do: they themselves, or the
    `..._version` by which a user asks for them to be sent again."""
    return {
        name: value
        for name, value in attributes.items()
        if is_reference(value) and (name in changed or f"{name}_version" in changed)
    }
