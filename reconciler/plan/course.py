"""The steps of one resource in their own order, and the milestones among them that others wait for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from reconciler.model.address import Address
from reconciler.model.lifecycle import Sort, State, Transition
from reconciler.plan.change import Action
from reconciler.plan.decision import Decision, Route, activates, is_remembered
from reconciler.plan.step import Op

Draft: TypeAlias = dict[str, Any]
"""The arguments of a Step that doesn't know yet what it waits for."""


@dataclass(frozen=True, slots=True)
class Course:
    """`old` unmakes what was there, `new` makes or changes what will be; each in order. Milestones are ids of steps:

    moved       it goes by its new address
    down        it is no longer ACTIVE, having been so
    gone        what was there is deleted, or forgotten
    made        it is there, and known by its address
    update      its attributes are as desired
    registered  the live system has validated what was made or changed, and it is INACTIVE
    gate        it may be activated after this
    active      it is ACTIVE
    renewal     what is remembered of it is as desired
    """

    decision: Decision
    old: tuple[Draft, ...] = ()
    new: tuple[Draft, ...] = ()
    moved: str | None = None
    down: str | None = None
    gone: str | None = None
    made: str | None = None
    update: str | None = None
    registered: str | None = None
    gate: str | None = None
    active: str | None = None
    renewal: str | None = None

    @property
    def is_deleted(self) -> bool:
        """Whether what was there is deleted by a call of ours."""
        return any(draft["op"] is Op.DELETE for draft in self.old)

    @property
    def ends(self) -> str | None:
        """The first step by which there is less of it than before; forgetting takes nothing away."""
        return self.down or (self.gone if self.is_deleted else None)

    @property
    def all(self) -> tuple[Draft, ...]:
        return self.old + self.new


def chart(decision: Decision, route: Route, renames: Mapping[Address, Address]) -> Course:
    """The course of one resource; empty if nothing is to be done. `renames` are the moves that need a step."""
    situation, action = decision.situation, decision.action
    writer = _Writer(decision)
    source = renames.get(decision.address)
    moved = writer.add(Op.MOVE, "move", source=source) if source else None
    marks: dict[str, str | None] = {}
    if _is_forgotten(decision):
        marks["gone"] = writer.add(Op.FORGET, "forget")
    elif action in (Action.DELETE, Action.REPLACE):
        marks |= _descend(writer, route.down)
    count = len(writer.drafts)
    if action is Action.ADOPT or (situation.adopts and action is Action.UPDATE):
        marks["made"] = writer.add(Op.ADOPT, "import", remote_id=situation.adopts)
    if decision.stays:
        marks |= _descend(writer, route.down)
        changed = tuple(sorted({difference.path[0] for difference in decision.differences}))
        marks["update"] = writer.add(Op.UPDATE, "update", changed=changed) if changed else None
    marks |= {name: mark for name, mark in _ascend(writer, decision, route.up).items() if mark}
    drafts = tuple(writer.drafts)
    kept = 0 if decision.stays else count
    return Course(decision, drafts[:kept], drafts[kept:], moved, **marks)


def _is_forgotten(decision: Decision) -> bool:
    """Forgotten is also what is no longer there, or goes by itself, before the live system makes another of it: lest
    the one is waited for in the place of the other."""
    situation, action = decision.situation, decision.action
    if action is Action.CREATE:
        return situation.record is not None and situation.desired is not None and situation.desired.discovered
    return action is Action.FORGET or (action is Action.REPLACE and situation.is_discovered)


def needs_renewal(course: Course) -> bool:
    """Whether nothing that happens to the resource anyway brings what is remembered of it up to date."""
    situation = course.decision.situation
    if not course.decision.stays or situation.desired is None or situation.record is None:
        return False
    rewritten = course.made is not None or course.update is not None
    return not rewritten and (not is_remembered(situation.record, situation.desired) or _is_restated(course))


def renewed(course: Course) -> Course:
    """The course with a last step that changes only what is remembered: an update of no attribute, or, for a state
    that came about without us, an import of what is there."""
    seen = course.decision.situation.seen
    writer = _Writer(course.decision, course.new)
    if _is_restated(course) and seen is not None:
        renewal = writer.add(Op.ADOPT, "remember", remote_id=seen.id)
    else:
        renewal = writer.add(Op.UPDATE, "remember")
    return replace(course, new=tuple(writer.drafts), renewal=renewal)


def _is_restated(course: Course) -> bool:
    situation = course.decision.situation
    unmoved = course.active is None and course.registered is None and course.down is None
    return unmoved and situation.record is not None and situation.record.status is not situation.status


class _Writer:
    """Collects drafts; the words of an id are repeated with `again` where a course takes the same turn twice."""

    def __init__(self, decision: Decision, drafts: Iterable[Draft] = ()) -> None:
        self.address = decision.address
        self.kind = decision.situation.kind.name
        self.drafts: list[Draft] = list(drafts)

    def add(self, op: Op, verb: str, **details: Any) -> str:
        name = f"{verb} {self.address}"
        while any(draft["id"] == name for draft in self.drafts):
            name += " again"
        self.drafts.append({"id": name, "op": op, "address": self.address, "kind": self.kind, **details})
        return name

    def follow(self, transition: Transition) -> str:
        event, target = transition.event, transition.target
        if transition.sort is Sort.AWAITED:
            return self.add(Op.AWAIT, event, event=event, target=target)
        op = Op.CREATE if transition.source is None else Op.DELETE if target is State.DELETED else Op.TRANSITION
        return self.add(op, event, event=event, target=target)


def _descend(writer: _Writer, path: Iterable[Transition]) -> dict[str, str | None]:
    marks: dict[str, str | None] = {}
    for transition in path:
        name = writer.follow(transition)
        if transition.source is State.ACTIVE:
            marks["down"] = name
        if transition.target is State.DELETED:
            marks["gone"] = name
    return marks


def _ascend(writer: _Writer, decision: Decision, path: Iterable[Transition]) -> dict[str, str | None]:
    marks: dict[str, str | None] = {}
    desired = decision.situation.desired
    ready = tuple(sorted({need.target for need in desired.needs if need.sort == "ready"})) if desired else ()
    for transition in path:
        gated = activates(transition) and (transition.source is not None or (ready and decision.wants_active))
        gate = writer.add(Op.VERIFY, "verify", needs=ready) if gated else None
        name = writer.follow(transition)
        if transition.source is None:
            marks["made"] = name
        elif transition.target is not State.ACTIVE:
            marks.setdefault("registered", name)
        if transition.target is State.ACTIVE:
            marks["active"] = name
            marks["gate"] = gate or (name if activates(transition) else None)
    return marks
