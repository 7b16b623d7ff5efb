"""The difference between two sets of attributes of one kind."""

from __future__ import annotations

from typing import Any, NamedTuple


class Absent:
    """The one value that says an attribute is not there at all (None is a value like any other)."""

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


class Difference(NamedTuple):
    """One attribute that differs: `path` leads to it through nested attributes; a side without it holds ABSENT."""

    path: tuple[str, ...]
    before: Any
    after: Any
    replaces: bool = False
    secret: bool = False
