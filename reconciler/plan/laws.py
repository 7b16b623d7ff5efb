"""The laws that order steps of different resources, each as the edges it demands: (earlier step, later step).

1. Make what is needed before what needs it.
2. Unmake what needs before what is needed.
3. Let go of a resource before unmaking it.
4. Unmake the old before making its replacement.
5. Activate after every `ready` need is ACTIVE.
6. Deactivate dependents before what they depend on.
7. A replaced resource replaces what refers to it immutably (`consequences.replace_dependents`: it makes no edges).
8. No intermediate state grants more than the union of before and after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.plan.course import Course
from reconciler.plan.decision import Decision
from reconciler.plan.ties import Ties, closure


class Edge(NamedTuple):
    earlier: str
    later: str


@dataclass(frozen=True, slots=True)
class Work:
    """Everything that is to be ordered. `live_made` are the resources that the live system makes, and what can only
    be made once it has."""

    courses: Mapping[Address, Course]
    decisions: Mapping[Address, Decision]
    ties: Ties
    live_made: frozenset[Address]


Law: TypeAlias = Callable[[Work], Iterator[Edge]]


def make_needed_first(work: Work) -> Iterator[Edge]:
    """Law 1. What waits for the live system's validation waits for what that will look at."""
    for address, course in work.courses.items():
        for target in {*work.ties.new_exists.get(address, ()), *work.ties.old_exists.get(address, ())}:
            moved = work.courses[target].moved if target in work.courses else None
            if moved:
                yield from (Edge(moved, drafts[0]["id"]) for drafts in (course.old, course.new) if drafts)
        desired = course.decision.situation.desired
        awaits = course.active if desired and desired.discovered else None
        taking = {step for step in (course.made, course.update, awaits) if step}
        for target in work.ties.new_exists.get(address, ()) if taking else ():
            needed = work.courses.get(target)
            awaited = needed and _awaited_by(course, needed)
            if awaited:
                yield from (Edge(awaited, step) for step in taking)
        if course.registered:
            yield from (Edge(step, course.registered) for step in _looked_at(work, address))


def unmake_dependents_first(work: Work) -> Iterator[Edge]:
    """Law 2. What the live system made goes with what it is nested in, so it is forgotten after that."""
    for address, course in work.courses.items():
        for target in work.ties.old_exists.get(address, ()) if course.gone else ():
            needed = work.courses.get(target)
            if needed is None or needed.gone is None or course.gone is None:
                continue
            cascades = course.decision.situation.is_discovered and needed.is_deleted
            yield Edge(needed.gone, course.gone) if cascades else Edge(course.gone, needed.gone)


def let_go_first(work: Work) -> Iterator[Edge]:
    """Law 3. What stays ACTIVE lets go of a need by having its others ready."""
    for address, decision in work.decisions.items():
        if not decision.stays:
            continue
        left = list(_let_go(work, address))
        course = work.courses.get(address)
        if course and course.update:
            yield from (Edge(course.update, other.ends) for other in left if other.ends)
        if left and decision.wants_active and decision.situation.status is State.ACTIVE and not decision.stops:
            ready = [step for step in _brought_up(work, address) if step]
            yield from (Edge(step, other.down) for other in left if other.down for step in ready)


def unmake_old_first(work: Work) -> Iterator[Edge]:
    """Law 4, for a replacement under the same address and for one that takes over another's natural key."""
    for course in work.courses.values():
        if course.old and course.new:
            if course.decision.situation.kind.make_before_break:
                yield Edge(course.active or course.new[-1]["id"], course.old[0]["id"])
            else:
                yield Edge(course.old[-1]["id"], course.new[0]["id"])
        for address in course.decision.follows:
            other = work.courses.get(address)
            freed = other and (other.gone or other.update)
            if freed and course.made:
                yield Edge(freed, course.made)


def activate_when_ready(work: Work) -> Iterator[Edge]:
    """Law 5. What needs no step is ready if all that it needs is."""

    def own(address: Address) -> tuple[tuple[str, ...], bool]:
        course = work.courses.get(address)
        if course is None or course.active:
            return ((course.active,), False) if course and course.active else ((), True)
        known = course.made or course.moved
        return (known,) if known else (), True

    frontier = Frontier(own, lambda address: work.ties.new_ready.get(address, ()))
    for address, course in work.courses.items():
        for target in work.ties.new_ready.get(address, ()) if course.gate else ():
            yield from (Edge(step, course.gate) for step in frontier.of(target) if course.gate)


def stop_dependents_first(work: Work) -> Iterator[Edge]:
    """Law 6."""
    for address, course in work.courses.items():
        if course.ends is None:
            continue
        for dependent in work.ties.old_ready_for.get(address, ()):
            other = work.courses.get(dependent)
            if other and other.down:
                yield Edge(other.down, course.ends)


def grant_nothing_between(work: Work) -> Iterator[Edge]:
    """Law 8. What loses access loses it before anything it reaches is changed or activated, and what gains access
    gains it after all it reaches is changed, and after what it shall not reach is stopped."""

    def downs(address: Address) -> tuple[tuple[str, ...], bool]:
        course = work.courses.get(address)
        return ((course.down,), False) if course and course.down else ((), True)

    def updates(address: Address) -> tuple[tuple[str, ...], bool]:
        course = work.courses.get(address)
        changing = [course.update] if course and course.update else []
        return (*changing, *_stopped_for(work, address)), course is None or course.gate is None

    old_for, new_for = work.ties.old_ready_for, work.ties.new_ready_for
    losing = Frontier(downs, lambda address: old_for.get(address, ()))
    losing_new = Frontier(downs, lambda address: (*old_for.get(address, ()), *new_for.get(address, ())))
    changing = Frontier(updates, lambda address: work.ties.new_ready.get(address, ()))
    for address, course in work.courses.items():
        if course.update:
            yield from (Edge(step, course.update) for step in losing.beyond(address))
        if course.gate:
            yield from (Edge(step, course.gate) for step in losing_new.beyond(address) if step != course.down)
            yield from (Edge(step, course.gate) for step in changing.beyond(address))
            yield from (Edge(step, course.gate) for step in _stopped_for(work, address))


LAWS: tuple[Law, ...] = (
    make_needed_first,
    unmake_dependents_first,
    let_go_first,
    unmake_old_first,
    activate_when_ready,
    stop_dependents_first,
    grant_nothing_between,
)


class Frontier:
    """The nearest steps in a direction: those a resource has itself, or else those of the resources beyond it.

    `own` gives a resource's steps, and whether to look beyond it nevertheless.
    """

    def __init__(
        self,
        own: Callable[[Address], tuple[tuple[str, ...], bool]],
        onward: Callable[[Address], Iterable[Address]],
    ) -> None:
        self._own = own
        self._onward = onward
        self._found: dict[Address, frozenset[str]] = {}

    def beyond(self, address: Address) -> frozenset[str]:
        return frozenset().union(*[self.of(following) for following in self._onward(address)])

    def of(self, start: Address) -> frozenset[str]:
        open_ones: set[Address] = set()
        waiting = [start] if start not in self._found else []
        while waiting:
            address = waiting[-1]
            steps, looks_beyond = self._own(address)
            following = [a for a in self._onward(address) if a not in self._found] if looks_beyond else []
            fresh = [a for a in following if a not in open_ones] if address not in open_ones else []
            open_ones.add(address)
            if fresh:
                waiting += fresh
                continue
            waiting.pop()
            inner = [self._found.get(a, frozenset()) for a in self._onward(address)] if looks_beyond else []
            self._found[address] = frozenset(steps).union(*inner)
        return self._found[start]


def made_by_the_live_system(decisions: Mapping[Address, Decision], ties: Ties) -> frozenset[Address]:
    discovered = [a for a, d in decisions.items() if d.situation.desired and d.situation.desired.discovered]
    return frozenset(closure(discovered, lambda address: ties.new_exists_for.get(address, ())))


def _awaited_by(course: Course, needed: Course) -> str | None:
    """The step after which what `course` makes can be there."""
    desired = course.decision.situation.desired
    if desired is not None and desired.discovered and needed.registered:
        return needed.registered
    return needed.made


def _looked_at(work: Work, address: Address) -> Iterator[str]:
    """What the live system validates a resource by: its ready needs and what is nested in it, as far as we make it."""
    nested = (a for a in work.ties.new_exists_for.get(address, ()) if a.parent == address)
    for target in dict.fromkeys((*work.ties.new_ready.get(address, ()), *nested)):
        course = work.courses.get(target)
        if course is None or target in work.live_made or address in work.ties.new_ready.get(target, ()):
            continue
        step = course.registered or course.update or course.made
        if step:
            yield step


def _let_go(work: Work, address: Address) -> Iterator[Course]:
    """The courses of those resources that it needed and needs no more."""
    ties = work.ties
    for old, new in ((ties.old_ready, ties.new_ready), (ties.old_exists, ties.new_exists)):
        kept = new.get(address, ())
        yield from (work.courses[a] for a in old.get(address, ()) if a not in kept and a in work.courses)


def _stopped_for(work: Work, address: Address) -> Iterator[str]:
    return (course.down for course in _let_go(work, address) if course.down)


def _brought_up(work: Work, address: Address) -> Iterator[str | None]:
    for target in work.ties.new_ready.get(address, ()):
        course = work.courses.get(target)
        if course and course.decision.comes_up:
            yield course.active
