"""Laws of the walk, for any graph, any failures, any order in which steps end."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.apply.edit import Drop, Put
from reconciler.apply.event import Outcome
from reconciler.apply.walker import Walk
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Record
from reconciler.plan.step import Op, Step
from tests.unit.apply.stage import recorded, server, snapshot_of


def step(number: int, waits: frozenset[int] = frozenset()) -> Step:
    names = tuple(f"s{wait}" for wait in sorted(waits))
    return Step(f"s{number}", Op.CREATE, Address(f"mcp_server.n{number}"), "mcp_server", waits=names)


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    size = draw(st.integers(0, 12))
    steps = [step(n, draw(st.frozensets(st.integers(0, n - 1), max_size=3)) if n else frozenset()) for n in range(size)]
    return draw(st.permutations(steps))


def ancestors(steps: list[Step]) -> dict[str, set[str]]:
    waits = {s.id: s.waits for s in steps}
    found: dict[str, set[str]] = {}
    for number in range(len(steps)):
        name = f"s{number}"
        found[name] = {*waits[name], *(a for wait in waits[name] for a in found[wait])}
    return found


def record(of: Step) -> Record:
    return Record(of.address, of.kind, of.id, {}, State.PENDING)


@given(graphs(), st.frozensets(st.integers(0, 11)), st.data())
@settings(max_examples=200, deadline=None)
def test_laws_of_the_walk(steps: list[Step], failing: frozenset[int], data: st.DataObject) -> None:
    walk = Walk(steps, snapshot_of())
    running: list[Step] = []
    started: list[str] = []
    skipped: dict[str, Address | None] = {}
    while True:
        while (taken := walk.take()) is not None:
            assert all(walk.outcomes.get(wait) is Outcome.DONE for wait in taken.waits), "nothing before its waits"
            started.append(taken.id)
            running.append(taken)
        if not running:
            break
        ended = running.pop(data.draw(st.integers(0, len(running) - 1)))
        fails = int(ended.id[1:]) in failing
        walk.finish(ended, Outcome.FAILED if fails else Outcome.DONE, () if fails else [Put(record(ended))])
        if fails:
            skipped |= {found.step.id: found.because for found in walk.skip_after(ended, ended.address)}
    assert len(started) == len(set(started)), "each at most once"
    assert set(walk.outcomes) == {s.id for s in steps}
    above = ancestors(steps)
    failed = {name for name, outcome in walk.outcomes.items() if outcome is Outcome.FAILED}
    for name, outcome in walk.outcomes.items():
        assert (outcome is Outcome.SKIPPED) == bool(above[name] & failed), "skipped if and only if a need failed"
        if outcome is Outcome.SKIPPED:
            assert skipped[name] in {f"mcp_server.n{root[1:]}" for root in above[name] & failed}
    done = {f"mcp_server.n{name[1:]}" for name, outcome in walk.outcomes.items() if outcome is Outcome.DONE}
    assert set(walk.snapshot().records) == done, "the snapshot is the work that was done"


@given(graphs(), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_stopping_skips_exactly_what_was_not_started(steps: list[Step], before: int) -> None:
    walk = Walk(steps, snapshot_of())
    for _ in range(before):
        if (taken := walk.take()) is not None:
            walk.finish(taken, Outcome.DONE)
    done = set(walk.outcomes)
    rest = walk.skip_rest()
    assert {found.step.id for found in rest} == {s.id for s in steps} - done
    assert {found.because for found in rest} <= {None}
    assert walk.take() is None


def test_ready_steps_come_in_plan_order() -> None:
    steps = [step(3), step(1), step(2, frozenset({1})), step(0)]
    walk = Walk(steps, snapshot_of())
    first = walk.take()
    second = walk.take()
    assert first is not None and second is not None
    walk.finish(second, Outcome.DONE)
    third = walk.take()
    assert [s.id for s in (first, second, third) if s] == ["s3", "s1", "s2"]


def test_the_view_grows_with_the_walk_and_can_not_be_written() -> None:
    old = recorded(server("old"))
    walk = Walk([step(0)], snapshot_of(old))
    taken = walk.take()
    assert taken is not None
    view = walk.view
    walk.finish(taken, Outcome.FAILED, [Put(record(taken)), Drop(old.address)])
    assert set(view.records) == {taken.address}, "what a failed step did counts too"
    with pytest.raises(TypeError):
        view.records[old.address] = old  # type: ignore[index]


@pytest.mark.parametrize(
    "steps",
    [
        [step(0), step(0)],
        [replace(step(0), waits=("s9",))],
        [replace(step(0), waits=("s1",)), replace(step(1), waits=("s0",))],
        [replace(step(0), waits=("s0",))],
    ],
)
def test_steps_that_can_not_be_walked_are_refused(steps: list[Step]) -> None:
    with pytest.raises(Refused) as caught:
        Walk(steps, snapshot_of())
    assert caught.value.diagnostics[0].code == "plan.broken"


def test_a_long_chain_and_a_wide_fan_take_no_stack() -> None:
    size = 20_000
    chain = [step(n, frozenset({n - 1}) if n else frozenset()) for n in range(size)]
    walk = Walk(chain, snapshot_of())
    first = walk.take()
    assert first is not None
    walk.finish(first, Outcome.FAILED)
    assert len(walk.skip_after(first, first.address)) == size - 1
    middle = size // 2
    fan = [step(n, frozenset({middle}) if n > middle else frozenset()) for n in range(middle)]
    fan += [step(middle, frozenset(range(middle))), *(step(n, frozenset({middle})) for n in range(middle + 1, size))]
    walk, began = Walk(fan, snapshot_of()), time.process_time()
    taken = 0
    while (one := walk.take()) is not None:
        taken += 1
        walk.finish(one, Outcome.DONE)
    assert taken == size, "half of them, then one that waits for all of these, then the rest"
    assert time.process_time() - began < 10
