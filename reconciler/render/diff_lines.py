"""One change as the lines of a diff: what goes is under `-`, what comes under `+`, the rest under a space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.diff import Absent, Difference
from reconciler.plan.change import Action, Change
from reconciler.render.page import Page, listing, safe
from reconciler.render.plan_text import lifecycle_text
from reconciler.render.value_text import attribute_lines

_PLAIN = Page()
_HEADS = {Action.CREATE: "+", Action.DELETE: "-", Action.FORGET: "-"}


def diff_lines(change: Change) -> list[str]:
    """Each line begins with its symbol; no line holds anything but printable text."""
    head = _HEADS.get(change.action, "!")
    lines = [f"{head} {safe(change.address)}", *_attributes(change)]
    hidden = len(change.after or ()) - len({difference.path[0] for difference in change.differences})
    if change.differences and hidden > 0:
        lines.append(f"      # ({hidden} unchanged attribute{'s' if hidden != 1 else ''} hidden)")
    if change.status_before is not change.status_after and not change.path and change.status_before:
        lines.append(f"      status: {change.status_before} -> {change.status_after or 'not managed'}")
    if change.path:
        lines.append(f"      lifecycle: {way_of(change)}")
    return lines


def way_of(change: Change) -> str:
    """`INACTIVE -> ACTIVE after mcp_server.x is ACTIVE`."""
    text = lifecycle_text(change.path)
    if change.waits_for:
        verb = "is" if len(change.waits_for) == 1 else "are"
        text += f" after {listing([safe(address) for address in change.waits_for])} {verb} ACTIVE"
    return text


def remarks_on(change: Change) -> list[str]:
    """Why, from where, and what else there is to know; each printable, in one line."""
    found = [change.reason.text] if change.reason and change.reason.text else []
    found += [f"moved from {change.moved_from}"] if change.moved_from else []
    found += [f"imported from {change.importing}"] if change.importing else []
    return [safe(text) for text in (*found, *change.notes.values())]


def _attributes(change: Change) -> Iterator[str]:
    if change.action is Action.CREATE and change.after is not None:
        yield from _whole("+", change.after)
    elif change.action is Action.DELETE and change.before is not None and not change.differences:
        yield from _whole("-", change.before)
    else:
        for difference in change.differences:
            yield from _difference(difference)


def _difference(difference: Difference) -> Iterator[str]:
    name = ".".join(difference.path)
    before, after = difference.before, difference.after
    if isinstance(before, list) and isinstance(after, list) and _is_long(before, after):
        before, after = [one for one in before if one not in after], [one for one in after if one not in before]
        if not before and not after:
            before, after = difference.before, difference.after
    if not isinstance(before, Absent):
        yield from _whole("-", {name: before})
    if not isinstance(after, Absent):
        yield from _whole("+", {name: after})
    if difference.replaces:
        yield "      # forces replacement"


def _is_long(before: list[Any], after: list[Any]) -> bool:
    return len(before) + len(after) > 8


def _whole(symbol: str, attributes: Mapping[str, Any]) -> Iterator[str]:
    for line in attribute_lines(attributes, symbol, 4, _PLAIN):
        indent = len(line) - len(line.lstrip(" "))
        yield f"{symbol}{' ' * (indent + 1)}{line[indent + 2 :]}"
