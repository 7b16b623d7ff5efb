"""The name by which a resource is known for its whole life, and which never contains a remote id."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import NamedTuple

NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
_KEY = r'\["(?:[^"\\]|\\.)*"\]'
_SEGMENT = re.compile(rf"(?P<word>[a-z_]+)\.(?P<name>{NAME})(?P<key>{_KEY})?")
_NESTED_KINDS = {"authorization_server": "association"}
"""An `authorization_server` written under an MCP server is the association of the two."""


class Segment(NamedTuple):
    """One `word.name["key"]` of an address."""

    word: str
    name: str
    key: str | None


class Address(str):
    """`mcp_server.github`, `mcp_server.github["eu"]`, `mcp_server.github/authorization_server.entra`.

    A plain string to dictionaries, JSON and sorting; the properties read its parts.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Address:
        """The address that `text` spells; ValueError, in words for a user, if it spells none."""
        address = cls(text)
        if not _segments(text):
            raise ValueError(f'"{text}" is not an address; one looks like mcp_server.github')
        return address

    @classmethod
    def of(cls, word: str, name: str, key: str | None = None) -> Address:
        return cls(f"{word}.{instance(name, key)}")

    def child(self, word: str, name: str) -> Address:
        """The nested resource `word.name` (`name` may carry an instance key) of this one."""
        return Address(f"{self}/{word}.{name}")

    @property
    def segments(self) -> tuple[Segment, ...]:
        return _segments(self)

    @property
    def kind(self) -> str:
        segments = _segments(self)
        word = segments[-1].word
        return _NESTED_KINDS.get(word, word) if len(segments) > 1 else word

    @property
    def name(self) -> str:
        """The last segment's name with its instance key, as it is written in a reference: `todo`, `todo["eu"]`."""
        last = _segments(self)[-1]
        return instance(last.name, last.key)

    @property
    def key(self) -> str | None:
        return _segments(self)[-1].key

    @property
    def parent(self) -> Address | None:
        segments = _segments(self)
        return Address(self[: self.rindex(f"/{segments[-1].word}.")]) if len(segments) > 1 else None


def instance(name: str, key: str | None) -> str:
    """`name`, or `name["key"]` for one instance of a `for_each`."""
    return name if key is None else f"{name}[{json.dumps(key, ensure_ascii=False)}]"


@lru_cache(maxsize=65_536)
def _segments(text: str) -> tuple[Segment, ...]:
    found: list[Segment] = []
    at = 0
    while match := _SEGMENT.match(text, at):
        try:
            key = json.loads(match["key"][1:-1]) if match["key"] else None
        except ValueError:
            return ()
        found.append(Segment(match["word"], match["name"], key))
        at = match.end()
        if at == len(text):
            return tuple(found)
        if text[at] != "/":
            break
        at += 1
    return ()
