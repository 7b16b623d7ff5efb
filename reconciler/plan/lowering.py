"""Decisions lowered into steps: the courses of all resources, woven together by the laws."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, pairwise

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.plan.course import Course, chart, needs_renewal, renewed
from reconciler.plan.decision import Decision, Route
from reconciler.plan.laws import LAWS, Edge, Frontier, Law, Work, made_by_the_live_system
from reconciler.plan.step import Step
from reconciler.plan.ties import Ties

_FEW = 8
"""A wait is left out where one of few others implies it; looking through many costs more than it tidies."""


def lower(
    decisions: Mapping[Address, Decision], routes: Mapping[Address, Route], ties: Ties, laws: Sequence[Law] = LAWS
) -> tuple[Step, ...]:
    """The steps in address order, those of one resource in their own. `laws` other than all of them are for tests.

    Raises Refused if the steps would wait for each other in a circle, which the acyclic graph of needs rules out.
    """
    courses = _courses(decisions, routes)
    if not courses:
        return ()
    work = Work(courses, decisions, ties, made_by_the_live_system(decisions, ties))
    waits: dict[str, set[str]] = {draft["id"]: set() for course in courses.values() for draft in course.all}
    for course in courses.values():
        for drafts in (course.old, course.new):
            for before, after in pairwise(drafts):
                waits[after["id"]].add(before["id"])
    for law in laws:
        for earlier, later in law(work):
            waits[later].add(earlier)
    for earlier, later in chain(_rename_first(work), _remember_last(work)):
        waits[later].add(earlier)
    _require_order(waits)
    return tuple(
        Step(**draft, waits=_essential(draft["id"], waits)) for course in courses.values() for draft in course.all
    )


def _courses(decisions: Mapping[Address, Decision], routes: Mapping[Address, Route]) -> dict[Address, Course]:
    renames = _renames(decisions.values())
    charted: dict[Address, Course] = {}
    for address, decision in decisions.items():
        course = chart(decision, routes[address], renames) if address in routes else Course(decision)
        if needs_renewal(course):
            course = renewed(course)
        if course.all:
            charted[address] = course
    return charted


def _renames(decisions: Iterable[Decision]) -> dict[Address, Address]:
    """New address -> the address it goes by when its turn comes: what it is nested in has been renamed by then."""
    found = {}
    for decision in decisions:
        origin, address = decision.situation.moved_from, decision.address
        if origin is None:
            continue
        parent = address.parent
        own = origin.segments[-1]
        source = parent.child(own.word, origin.name) if parent and origin.parent else origin
        if source != address:
            found[address] = source
    return found


def _rename_first(work: Work) -> Iterable[Edge]:
    """An address is given away before anything else is made of it, or in it."""
    vacated = {c.all[0]["source"]: c.moved for c in work.courses.values() if c.moved}
    for address, course in work.courses.items() if vacated else ():
        at: Address | None = address
        while at is not None:
            moved = vacated.get(at)
            if moved and moved != course.moved:
                yield from (Edge(moved, drafts[0]["id"]) for drafts in (course.old, course.new) if drafts)
            at = at.parent


def _remember_last(work: Work) -> Iterable[Edge]:
    """What is remembered of a resource's needs changes after the needs have."""

    def own(address: Address) -> tuple[tuple[str, ...], bool]:
        course = work.courses.get(address)
        return ((course.active,), False) if course and course.active else ((), True)

    frontier = Frontier(own, lambda address: work.ties.new_ready.get(address, ()))
    for address, course in work.courses.items():
        if course.renewal:
            yield from (Edge(step, course.renewal) for step in frontier.beyond(address))
            for target in (*work.ties.old_ready.get(address, ()), *work.ties.old_exists.get(address, ())):
                other = work.courses.get(target)
                kept = target in work.ties.new_ready.get(address, ()) or target in work.ties.new_exists.get(address, ())
                if other and other.gone and not kept:
                    yield Edge(other.gone, course.renewal)


def _essential(name: str, waits: Mapping[str, set[str]]) -> tuple[str, ...]:
    own = waits[name]
    if len(own) < 2:
        return tuple(own)
    implied = {step for other in own if len(waits[other]) <= _FEW for step in waits[other]}
    return tuple(sorted(own - implied))


def _require_order(waits: Mapping[str, set[str]]) -> None:
    left = {step: len(earlier) for step, earlier in waits.items()}
    later: dict[str, list[str]] = {}
    for step, earlier in waits.items():
        for other in earlier:
            later.setdefault(other, []).append(step)
    ready = [step for step, count in left.items() if not count]
    while ready:
        step = ready.pop()
        del left[step]
        for other in later.get(step, ()):
            left[other] -= 1
            if not left[other]:
                ready.append(other)
    if left:
        raise Refused([_circle({step: waits[step] & left.keys() for step in left})])


def _circle(waits: Mapping[str, set[str]]) -> Diagnostic:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph([(earlier, later) for later, them in waits.items() for earlier in them])
    around = " -> ".join(earlier for earlier, _ in nx.find_cycle(graph))
    return error(
        "plan.cycle",
        "The steps of this plan would wait for each other",
        f"{around}\nMake the change in two parts, with -target.",
    )
