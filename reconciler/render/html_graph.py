"""A plan's resources as drawings, left to right from what is needed to what needs it; one for each island of them.

Resources that are not connected are drawn apart, so that a search can leave out whole drawings. Columns follow `exists`
needs only: `ready` needs may run against them (a client registration is made under the association that waits for it).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.resource import NeedSort
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.render.page import safe

_WIDTH, _HEIGHT, _ROW, _COLUMN, _MARGIN = 292, 46, 58, 362, 10
_LETTERS = 36
"""As many of the font's letters fit into a card."""


class Line(NamedTuple):
    """`target` needs `source`."""

    source: int
    target: int
    is_gate: bool


@dataclass(frozen=True, slots=True)
class Island:
    """Resources (their numbers among the changes) and where each stands: column and row."""

    places: Mapping[int, tuple[int, float]]
    lines: tuple[Line, ...]
    rows: int = field(default=1)


def islands(plan: Plan) -> list[Island]:
    """Those with the most changes first; what no change touches last."""
    numbers = {change.address: number for number, change in enumerate(plan.changes)}
    lines = _lines(plan, numbers)
    parents = {n: numbers[a.parent] for a, n in numbers.items() if a.parent in numbers}
    made = [_arranged(group, lines, parents) for group in _groups(len(plan.changes), lines)]
    busy = {n for n, change in enumerate(plan.changes) if change.action is not Action.NONE}
    return sorted(made, key=lambda island: (-len(busy & island.places.keys()), min(island.places)))


def draw(island: Island, changes: Sequence[Change], label: str) -> str:
    """One `<svg>`; each card is a link to the resource's details, `#r<number>`."""
    columns = 1 + max(column for column, _ in island.places.values())
    width = columns * _COLUMN - (_COLUMN - _WIDTH) + 2 * _MARGIN
    height = island.rows * _ROW - (_ROW - _HEIGHT) + 2 * _MARGIN
    parts = [_curve(line, island) for line in island.lines]
    parts += [_card(number, changes[number], *_spot(place)) for number, place in sorted(island.places.items())]
    parts += [_gate(line, island, changes) for line in island.lines if line.is_gate]
    shape = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    return f'<svg class="island" role="group" aria-label="{escape(label)}" {shape}>{"".join(parts)}</svg>'


def states_of(change: Change) -> str:
    """`PENDING → INACTIVE → ACTIVE`, or the one state it stays in."""
    if change.path:
        first = change.path[0].source
        return " → ".join([*([first] if first else []), *(transition.target for transition in change.path)])
    if change.status_before is not change.status_after and change.status_before and change.status_after:
        return f"{change.status_before} → {change.status_after}"
    return str(change.status_after or change.status_before or "")


def _lines(plan: Plan, numbers: Mapping[Address, int]) -> list[Line]:
    found: dict[Line, None] = {}
    for number, change in enumerate(plan.changes):
        desired = plan.desired.get(change.address)
        needs = [(need.target, need.sort is NeedSort.READY) for need in desired.needs] if desired else []
        needs += [(address, True) for address in change.waits_for]
        needs += [(change.address.parent, False)] if change.address.parent else []
        for target, is_gate in needs:
            if target in numbers and numbers[target] != number:
                found[Line(numbers[target], number, is_gate)] = None
    return sorted(found)


def _groups(size: int, lines: Iterable[Line]) -> list[list[int]]:
    leader = list(range(size))

    def led(number: int) -> int:
        while leader[number] != number:
            leader[number] = leader[leader[number]]
            number = leader[number]
        return number

    for line in lines:
        leader[led(line.target)] = led(line.source)
    groups: dict[int, list[int]] = {}
    for number in range(size):
        groups.setdefault(led(number), []).append(number)
    return list(groups.values())


def _arranged(group: Sequence[int], lines: Iterable[Line], parents: Mapping[int, int]) -> Island:
    members = set(group)
    own = [line for line in lines if line.source in members] if len(group) > 1 else []
    above: dict[int, list[int]] = {}
    for line in own:
        if not line.is_gate:
            above.setdefault(line.target, []).append(line.source)
    columns = _columns(group, above)
    below: dict[int, list[int]] = {}
    for number, needed in above.items():
        nearest = max(needed, key=lambda one: (columns[one], parents.get(number) == one, -one))
        below.setdefault(nearest, []).append(number)
    roots = [number for number in group if number not in above]
    rows, used = _rows(roots or list(group), below)
    gates: dict[int, list[int]] = {}
    for line in own:
        if line.is_gate:
            gates.setdefault(line.target, []).append(line.source)
    shown = tuple(line for line in own if line.source in _nearest(line.target, gates if line.is_gate else above))
    return Island({n: (columns[n], rows.get(n, 0.0)) for n in group}, shown, used)


def _nearest(number: int, above: Mapping[int, Sequence[int]]) -> set[int]:
    """What is needed, but for what that itself needs."""
    needed = above.get(number, ())
    implied = {further for one in needed for further in above.get(one, ())}
    return {one for one in needed if one not in implied}


def _columns(group: Iterable[int], above: Mapping[int, Sequence[int]]) -> dict[int, int]:
    found: dict[int, int] = {}

    def column(number: int, path: tuple[int, ...]) -> int:
        if number not in found:
            # A saved plan may say anything, also that things need each other.
            needed = [one for one in above.get(number, ()) if one not in path and len(path) < 50]
            found[number] = 1 + max((column(one, (*path, number)) for one in needed), default=-1)
        return found[number]

    for number in group:
        column(number, ())
    return found


def _rows(roots: Iterable[int], below: Mapping[int, Sequence[int]]) -> tuple[dict[int, float], int]:
    """Every leaf has a row of its own; what has something below stands at the height of the first."""
    found: dict[int, float] = {}
    next_row = 0

    def place(number: int) -> None:
        nonlocal next_row
        if number in found:
            return
        found[number] = float(next_row)
        under = sorted(below.get(number, ()))
        for one in under:
            place(one)
        if not under:
            next_row += 1

    for root in roots:
        place(root)
    return found, max(1, next_row)


def _spot(place: tuple[int, float]) -> tuple[int, int]:
    return _MARGIN + place[0] * _COLUMN, _MARGIN + round(place[1] * _ROW)


def _ends(line: Line, island: Island) -> tuple[int, int, int, int, int]:
    """Where it begins and ends, and how far it bends on its way."""
    x1, y1 = _spot(island.places[line.source])
    x2, y2 = _spot(island.places[line.target])
    down = 34 if line.is_gate else 15
    bend = max(24, abs(x2 - x1) - _WIDTH) // 2
    if x2 > x1:
        return x1 + _WIDTH, y1 + down, x2, y2 + down, bend
    if x2 < x1:
        return x1, y1 + down, x2 + _WIDTH, y2 + down, -bend
    return x1 + _WIDTH, y1 + down, x2 + _WIDTH, y2 + down, bend


def _curve(line: Line, island: Island) -> str:
    x1, y1, x2, y2, bend = _ends(line, island)
    arrives = x2 + bend if x1 == x2 else x2 - bend
    style = "e g" if line.is_gate else "e"
    return f'<path class="{style}" d="M{x1} {y1}C{x1 + bend} {y1} {arrives} {y2} {x2} {y2}"/>'


def _gate(line: Line, island: Island, changes: Sequence[Change]) -> str:
    _, _, x, y, _ = _ends(line, island)
    told = f"{safe(changes[line.target].address)} waits until {safe(changes[line.source].address)} is ready"
    return f'<path class="gate" d="M{x - 6} {y}l6 -6l6 6l-6 6z"><title>{escape(told)}</title></path>'


def _card(number: int, change: Change, x: int, y: int) -> str:
    name = safe(change.address.name)
    shown = name if len(name) <= _LETTERS else f"{name[: _LETTERS - 1]}…"
    states = states_of(change)
    way = states.split(" → ")
    under = " · ".join(
        filter(None, [safe(change.kind.replace("_", " ")), "→".join(way if len(way) < 4 else [way[0], "…", way[-1]])])
    )
    told = f"{safe(change.address)}: {change.action.value}{f', {states}' if states else ''}"
    return (
        f'<a class="n {change.action.value}" href="#r{number}"><title>{escape(told)}</title>'
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="7"/>'
        f'<path class="b" d="M{x} {y + 7}a7 7 0 0 1 4 -6v{_HEIGHT - 2}a7 7 0 0 1 -4 -6z"/>'
        f'<text x="{x + 14}" y="{y + 20}">{escape(shown)}</text>'
        f'<text class="s" x="{x + 14}" y="{y + 36}">{escape(under)}</text></a>'
    )
