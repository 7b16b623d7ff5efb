"""Attributes and their differences as indented lines: symbols for what comes and goes, arrows for what changes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.diff import Absent, Difference
from reconciler.model.secret import describe, is_reference
from reconciler.render.page import Page, safe

_STEP = 4
_LONG = 72
_ARROW = " -> "
_spelled = json.JSONEncoder(ensure_ascii=False).encode
_COLOURS = {"+": "green", "-": "red", " ": "yellow"}


class _Line(NamedTuple):
    """One attribute, or the heading of nested ones (`text` empty)."""

    symbol: str
    key: str
    text: str = ""
    note: str = ""
    nested: tuple[_Line, ...] = ()


def shown(value: Any) -> str:
    """A value in one line. A secret's reference is named, never resolved."""
    if isinstance(value, Absent):
        return "(none)"
    if is_reference(value) and isinstance(next(iter(value.values())), str):
        return f"(secret {safe(describe(value))})"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key_text(key)}: {shown(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(shown(item) for item in value) + "]"
    return safe(_spelled(value))


@lru_cache(maxsize=1024)
def key_text(key: str) -> str:
    """A key as it would stand in YAML."""
    plain = bool(key) and all(c.isalnum() or c in "_-./" for c in key)
    return safe(key) if plain else safe(_spelled(key))


def attribute_lines(attributes: Mapping[str, Any], symbol: str, indent: int, page: Page) -> list[str]:
    """Every attribute of something that comes (`+`) or goes (`-`)."""
    return _written([_whole(symbol, key, value) for key, value in attributes.items()], indent, page)


def difference_lines(differences: Iterable[Difference], indent: int, page: Page) -> list[str]:
    """The differences, gathered under the attributes they are nested in."""
    tree: dict[str, Any] = {}
    for difference in differences:
        branch = tree
        for key in difference.path[:-1]:
            branch = branch.setdefault(key, {})
        branch[difference.path[-1]] = difference
    return _written([_changed(key, node) for key, node in tree.items()], indent, page)


def _whole(symbol: str, key: str, value: Any, note: str = "") -> _Line:
    if isinstance(value, Mapping) and not is_reference(value):
        nested = tuple(_whole(symbol, str(inner), item) for inner, item in value.items())
        return _Line(symbol, key, "", note, nested)
    text = shown(value)
    if isinstance(value, list | tuple) and len(text) > _LONG:
        return _Line(symbol, key, "", note, tuple(_Line(symbol, "", shown(item)) for item in value))
    return _Line(symbol, key, text, note)


def _changed(key: str, node: Any) -> _Line:
    if not isinstance(node, Difference):
        return _Line(" ", key, "", "", tuple(_changed(inner, below) for inner, below in node.items()))
    note = "# forces replacement" if node.replaces else ""
    if node.secret:
        return _secret(key, node, note)
    if isinstance(node.before, Absent):
        return _whole("+", key, node.after, note)
    if isinstance(node.after, Absent):
        return _whole("-", key, node.before, note)
    text = f"{shown(node.before)}{_ARROW}{shown(node.after)}"
    if isinstance(node.before, list) and isinstance(node.after, list) and len(text) > _LONG:
        return _Line(" ", key, "", note, _elements(node.before, node.after))
    return _Line(" ", key, text, note)


def _secret(key: str, node: Difference, note: str) -> _Line:
    before, after = shown(node.before), shown(node.after)
    if isinstance(node.before, Absent):
        return _Line("+", key, after, note)
    if isinstance(node.after, Absent):
        return _Line("-", key, before, note)
    return _Line(" ", key, after if before == after else f"{before}{_ARROW}{after}", note)


def _elements(before: list[Any], after: list[Any]) -> tuple[_Line, ...]:
    gone = [_Line("-", "", shown(item)) for item in before if item not in after]
    new = [_Line("+", "", shown(item)) for item in after if item not in before]
    kept = sum(item in after for item in before)
    hidden = [_Line(" ", "", f"# ({kept} unchanged element{'s' if kept != 1 else ''} hidden)")] if kept else []
    return (*gone, *new, *hidden)


def _written(lines: Iterable[_Line], indent: int, page: Page) -> list[str]:
    siblings = list(lines)
    widest = max((len(key_text(line.key)) for line in siblings if line.text and line.key), default=0)
    written: list[str] = []
    for line in siblings:
        key = f"{key_text(line.key)}:" if line.key else ""
        label = key if not line.text and not line.nested else f"{key:<{widest + 1}}"
        parts = [part for part in (label if line.key else "", line.text) if part]
        colour = _COLOURS[line.symbol]
        body = " ".join(parts).rstrip()
        if not line.text and not line.nested:
            body = body.removesuffix(":")
        note = page.paint(line.note, "red") if line.note else ""
        prefix = " " * indent + page.paint(line.symbol, colour) + " "
        written.append((prefix + _arrow_painted(body, line, page) + (f" {note}" if note else "")).rstrip())
        written += _written(line.nested, indent + _STEP, page)
    return written


def _arrow_painted(body: str, line: _Line, page: Page) -> str:
    if line.text.startswith("# ("):
        return page.paint(body, "dim")
    if line.symbol == " " and _ARROW in line.text:
        return body.replace(_ARROW, page.paint(_ARROW, "yellow"), 1)
    return body
