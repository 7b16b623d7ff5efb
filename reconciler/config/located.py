"""A tree of plain values that still know where in which file they were written.

A mapping is a dict and a sequence a list, so that validators take them as they are; the places of their values stand
beside, packed into one integer each, and become spans only when somebody asks.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from reconciler.model.diagnostic import Span
from reconciler.model.kind import SpanAt

_BITS = 25
_MASK = (1 << _BITS) - 1
_LONGEST_SNIPPET = 2000
_BREAK = re.compile(r"\r\n?|\n")
_SECRET_KEY = r"(?:secr\w*|passw\w*|credentials?|tokens?|private_key|\bkey)"
_SECRET = re.compile(rf"""({_SECRET_KEY}["']?\s*:\s*)([^\s{{$&*][^,}}]*)""", re.IGNORECASE)


class Source:
    """A text and the places of its lines."""

    __slots__ = ("_starts", "name", "text")

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.text = text
        self._starts: list[int] | None = None

    @property
    def starts(self) -> list[int]:
        if self._starts is None:
            self._starts = [0, *(match.end() for match in _BREAK.finditer(self.text))]
        return self._starts

    def span(self, start: int, end: int) -> Span:
        """The span between two offsets; an `end` not beyond `start` means the rest of the line."""
        starts = self.starts
        line = bisect_right(starts, start)
        following = starts[line] if line < len(starts) else len(self.text) + 1
        column = start - starts[line - 1] + 1
        if end <= start:
            return Span(self.name, line, column, line, max(column + 1, len(self.line(line).rstrip()) + 1))
        if end < following:
            return Span(self.name, line, column, line, column + end - start)
        end_line = bisect_right(starts, end)
        return Span(self.name, line, column, end_line, end - starts[end_line - 1] + 1)

    def line(self, number: int) -> str:
        starts = self.starts
        if not 1 <= number <= len(starts):
            return ""
        end = starts[number] if number < len(starts) else len(self.text)
        return self.text[starts[number - 1] : end].rstrip("\r\n")

    def snippet(self, span: Span) -> str:
        """The source line of `span`, safe to print: what looks like a secret written out is starred."""
        line = self.line(span.line)[:_LONGEST_SNIPPET]
        line = _SECRET.sub(lambda found: found[1] + "*" * len(found[2]), line)
        return line if line.isprintable() else "".join(c if c.isprintable() or c == "\t" else "\ufffd" for c in line)


def pack(key_start: int, start: int, end: int) -> int:
    """A mark. `end` 0 says that the value is a block collection, which is best shown by its key."""
    return (key_start << 2 * _BITS) | (start << _BITS) | end


def unpack(mark: int) -> tuple[int, int, int]:
    return mark >> 2 * _BITS, (mark >> _BITS) & _MASK, mark & _MASK


class Map(dict[str, Any]):
    """A mapping. `marks` holds a mark for each key, with its source where that is another one (a default's).

    `plain` says that nothing below needs expansion: no `${`, no null.
    """

    __slots__ = ("marks", "plain", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.marks: dict[str, int | tuple[Source, int]] = {}
        self.plain = True

    def mark(self, key: str) -> tuple[Source, int] | None:
        mark = self.marks.get(key)
        return (self.source, mark) if isinstance(mark, int) else mark

    def borrow(self, key: str, lender: Map) -> None:
        """Take the value of `key` from `lender`, which stays the place it is reported at."""
        self[key] = lender[key]
        mark = lender.mark(key)
        if mark is not None:
            self.marks[key] = mark

    def key_span(self, key: str) -> Span | None:
        found = self.mark(key)
        if found is None:
            return None
        source, mark = found
        start, _, _ = unpack(mark)
        text = source.text
        quote = text[start] if start < len(text) and text[start] in "\"'" else ""
        return source.span(start, (text.find(quote, start + 1) + 1) if quote else start + len(key))

    def value_span(self, key: str) -> Span | None:
        found = self.mark(key)
        if found is None:
            return None
        source, mark = found
        _, start, end = unpack(mark)
        return source.span(start, end) if end else self.key_span(key)


class Seq(list[Any]):
    """A sequence. `marks` runs parallel to its items."""

    __slots__ = ("marks", "plain", "source")

    def __init__(self, source: Source) -> None:
        self.source = source
        self.marks: list[int] = []
        self.plain = True

    def item_span(self, index: int) -> Span | None:
        if not 0 <= index < len(self.marks):
            return None
        _, start, end = unpack(self.marks[index])
        return self.source.span(start, end)


def find_span(node: Any, path: Iterable[str | int]) -> Span | None:
    """Where the value at `path` below `node` is written; of a path that isn't all there, the last part that is."""
    found: Callable[[], Span | None] | None = None
    for part in path:
        if isinstance(node, Map) and isinstance(part, str) and part in node.marks:
            found = partial(node.value_span, part)
            node = node.get(part)
        elif isinstance(node, Seq) and isinstance(part, int) and part < len(node.marks):
            found = partial(node.item_span, part)
            node = node[part]
        else:
            break
    return found() if found else None


def locate(owner: Map, key: str, node: Any) -> SpanAt:
    """How the block `node`, written (before expansion) under `key` of `owner`, tells its places."""

    def span(*path: str | int) -> Span | None:
        return (find_span(node, path) if path else None) or owner.key_span(key)

    return span
