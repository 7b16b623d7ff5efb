"""Who needs whom, before (recorded) and after (desired), and the other way round."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from reconciler.model.address import Address
from reconciler.model.resource import NeedSort, Record, Resource
from reconciler.plan.situation import Situation

Needs: TypeAlias = Mapping[Address, tuple[Address, ...]]


@dataclass(frozen=True, slots=True)
class Ties:
    """Address -> what it needs; in the `_for` ones, address -> what needs it. What is not there has no entry."""

    old_exists: Needs
    old_ready: Needs
    new_exists: Needs
    new_ready: Needs
    old_exists_for: Needs
    old_ready_for: Needs
    new_exists_for: Needs
    new_ready_for: Needs


def tie(situations: Iterable[Situation]) -> Ties:
    """The ties between those resources; who is not among them is nobody's need."""
    held = list(situations)
    known = {situation.address for situation in held}
    records = [situation.record for situation in held if situation.record]
    desired = [situation.desired for situation in held if situation.desired]
    old = {r.address: _sorted_out(r, known) for r in records}
    new = {r.address: _sorted_out(r, known) for r in desired}
    exists, ready = ({a: pair[0] for a, pair in old.items() if pair[0]}, {a: p[1] for a, p in old.items() if p[1]})
    exist, read = ({a: pair[0] for a, pair in new.items() if pair[0]}, {a: p[1] for a, p in new.items() if p[1]})
    return Ties(exists, ready, exist, read, _turned(exists), _turned(ready), _turned(exist), _turned(read))


def closure(starts: Iterable[Address], onward: Callable[[Address], Iterable[Address]]) -> set[Address]:
    """Everything that can be reached from `starts`, themselves included."""
    reached = set(starts)
    waiting = list(reached)
    while waiting:
        for following in onward(waiting.pop()):
            if following not in reached:
                reached.add(following)
                waiting.append(following)
    return reached


def _sorted_out(held: Record | Resource, known: set[Address]) -> tuple[tuple[Address, ...], tuple[Address, ...]]:
    parent = held.address.parent
    exists = dict.fromkeys(need.target for need in held.needs if need.sort is NeedSort.EXISTS)
    exists |= dict.fromkeys((*held.refs.values(), parent) if parent else held.refs.values())
    ready = dict.fromkeys(need.target for need in held.needs if need.sort is NeedSort.READY)
    return tuple(a for a in exists if a in known), tuple(a for a in ready if a in known)


def _turned(needs: Needs) -> Needs:
    turned: dict[Address, list[Address]] = {}
    for address, targets in needs.items():
        for target in targets:
            turned.setdefault(target, []).append(address)
    return {target: tuple(addresses) for target, addresses in turned.items()}
