"""Single values of a configuration file replaced where they stand: every other character stays what it is.

A file that was written by hand is edited at the places its parser names, and not written anew from what it means:
comments, order, quotes and line breaks are its author's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

import yaml

Path: TypeAlias = tuple[str, ...]
"""Section, block, attribute, and further in: `("mcp_servers", "todo", "display_name")`. In a list a part is an entry's
text or its `name`."""

REMOVED = object()
"""In the place of a value: the key, or entry, is to go."""
_PLAIN = re.compile(r"(https?://)?[A-Za-z/][A-Za-z0-9_./+-]*( [A-Za-z0-9_./+-]+)*")
_TEMPLATE = re.compile(r"(?<!\$)\$\{")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}


class Unwritable(ValueError):
    """The value can't be replaced where it stands; says why, in words for a user."""


def rewritten(text: str, path: Path, value: Any) -> str | None:
    """`text` with `value` at `path`; None if its block isn't in this file. Raises Unwritable."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    node: yaml.Node | None = root
    for depth, part in enumerate(path):
        inner = _below(node, part) if node is not None else None
        if inner is None:
            if depth < 2:
                return None
            assert node is not None
            return text if value is REMOVED else _inserted(text, node, path[depth:], value)
        if depth == len(path) - 1:
            assert node is not None
            return _removed(text, node, part) if value is REMOVED else _replaced(text, inner, value)
        node = inner
    return None


def spelled(value: Any) -> str:
    """A value as YAML in one line. What looks like a template in it stands for itself."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS and " -" not in value:
            return value
        return json.dumps(value.replace("${", "$${"), ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{spelled(key)}: {spelled(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(spelled, value)) + "]"
    return json.dumps(value)


def _below(node: yaml.Node, part: str) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode):
        return next((entry for entry in node.value if part in (entry.value, _name(entry))), None)
    return None


def _name(entry: yaml.Node) -> str | None:
    named = _below(entry, "name") if isinstance(entry, yaml.MappingNode) else None
    return named.value if isinstance(named, yaml.ScalarNode) else None


def _replaced(text: str, node: yaml.Node, value: Any) -> str:
    start, end = node.start_mark.index, _end(node)
    if _TEMPLATE.search(text[start:end]):
        raise Unwritable("it is made of variables")
    if text[start : start + 1] in ("&", "*", "!", "|", ">"):
        raise Unwritable("it is an anchor, an alias, a tag or a block of text")
    written = spelled(value)
    if not isinstance(node, yaml.ScalarNode) and not text[start:end].startswith(("{", "[")):
        # A list may stand as far left as its key: in one line it has to follow the colon.
        colon = text.rindex(":", 0, start)
        if text[colon + 1 : start].strip() or "#" in text[text.rfind("\n", 0, colon) + 1 : colon]:
            raise Unwritable("a comment stands in front of it")
        start = colon + 1
        written = f" {written}"
    if isinstance(value, str) and getattr(node, "style", None) == '"' and not written.startswith('"'):
        written = json.dumps(value, ensure_ascii=False)
    return text[:start] + written + text[end:]


def _end(node: yaml.Node) -> int:
    """Where it ends; the parser's own mark of an indented collection stands behind the comments that follow it."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    index: int = node.end_mark.index
    return index


def _inserted(text: str, node: yaml.Node, path: Path, value: Any) -> str:
    for part in reversed(path[1:]):
        value = {part: value}
    if isinstance(node, yaml.ScalarNode):
        # An entry of a list that is only a name becomes a block with that name.
        inner = {"name": node.value, path[0]: value}
        return _replaced(text, node, inner)
    is_list = isinstance(node, yaml.SequenceNode)
    if is_list and isinstance(value, Mapping) and len(path) == 1:
        value = {"name": path[0], **value} if value else path[0]
    new = spelled(value) if is_list else f"{spelled(path[0])}: {spelled(value)}"
    assert isinstance(node, yaml.CollectionNode)
    if node.flow_style or not node.value:
        start, close = node.start_mark.index, _end(node)
        if text[start : start + 1] not in ("{", "["):
            raise Unwritable("its block is an alias")
        end = close - 1
        return text[:end].rstrip(" ") + (", " if node.value else "") + new + text[end:]
    indent = " " * node.start_mark.column
    end = _line_end(text, _end(node))
    return f"{text[:end]}\n{indent}{'- ' if is_list else ''}{new}{text[end:]}"


def _removed(text: str, node: yaml.Node, part: str) -> str:
    entries = [(pair, pair[1]) for pair in node.value] if isinstance(node, yaml.MappingNode) else []
    if isinstance(node, yaml.SequenceNode):
        entries = [((entry, entry), entry) for entry in node.value]
    found = _below(node, part)
    index = next(i for i, (_, value) in enumerate(entries) if value is found)
    (key, _), value = entries[index]
    if isinstance(node, yaml.CollectionNode) and node.flow_style:
        start, end = key.start_mark.index, _end(value)
        if index + 1 < len(entries):
            end = entries[index + 1][0][0].start_mark.index
        elif index:
            start = _end(entries[index - 1][1])
        return text[:start] + text[end:]
    if len(entries) == 1:
        raise Unwritable("nothing would be left of its block")
    start = text.rfind("\n", 0, key.start_mark.index) + 1
    end = _line_end(text, _end(value))
    if not index and text[start : key.start_mark.index].strip(" ") not in ("", "-"):
        raise Unwritable("it shares its line with other values")
    return text[:start] + text[end + 1 :]


def _line_end(text: str, index: int) -> int:
    """The end of the line, with the comment that may follow on it."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end
