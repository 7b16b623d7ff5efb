"""A whole apply: who runs when, what is kept after failures and interrupts, what is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from reconciler.apply.drive import GroupCommit
from reconciler.apply.event import Event, Failed, Finished, Outcome, Progressed, Skipped, Started
from reconciler.apply.session import Interrupts, undertake
from reconciler.apply.undertaking import Applied, Means, Undertaking
from reconciler.model.diagnostic import Refused, error, exit_code
from reconciler.model.lifecycle import State
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.plan.step import Op, Step
from reconciler.ports import Answer, Call, Leave
from tests.unit.apply.stage import (
    FakeProvider,
    Stage,
    observed,
    plan_of,
    plan_to_make,
    recorded,
    registration,
    row,
    server,
    snapshot_of,
    stage,
    steps_to_make,
    steps_to_unmake,
)


def run(
    scene: Stage,
    plan: Plan,
    snapshot: Snapshot | None = None,
    *,
    parallelism: int = 10,
    presses: Interrupts | None = None,
) -> Applied:
    start = snapshot if snapshot is not None else snapshot_of()
    return asyncio.run(scene.apply(plan, start, None, parallelism, presses))


def of_type(scene: Stage, sort: type[Any]) -> list[Any]:
    return [event for event in scene.events if isinstance(event, sort)]


def test_everything_is_made_and_recorded() -> None:
    scene = stage(settle=3.0)
    made = [server("a"), row("a", "entra"), registration("a", "app"), server("b")]
    applied = run(scene, plan_to_make(*made))
    assert set(applied.outcomes.values()) == {Outcome.DONE}
    assert applied.diagnostics == ()
    assert (applied.added, applied.changed, applied.destroyed, applied.imported) == (4, 0, 0, 0)
    assert set(applied.snapshot.records) == {resource.address for resource in made}
    assert {r.id for r in applied.snapshot.records.values()} == set(scene.world.objects)
    assert {r.status for r in applied.snapshot.records.values()} == {State.ACTIVE}
    assert applied.snapshot.faults() == []
    assert (applied.snapshot.lineage, applied.snapshot.serial) == ("lineage", 3)


def test_every_send_is_preceded_by_its_own_intent_and_followed_by_its_outcome() -> None:
    scene = stage()
    run(scene, plan_to_make(server("a"), row("a", "x"), server("b")))
    waiting: list[tuple[str, int]] = []
    for sort, what in scene.world.machine.log:
        if sort == "send":
            assert waiting, "sent without an intent"
        elif what["kind"] == "intent":
            waiting.append((what["address"], what["attempt"]))
        elif "edits" not in what:
            waiting.remove((what["address"], what["attempt"]))
    assert waiting == []
    assert len(scene.world.machine.sends) == sum(e["kind"] == "intent" for e in scene.world.machine.entries)


def test_entries_say_which_run_and_which_state_they_belong_to() -> None:
    scene = stage()
    run(scene, plan_to_make(server("a")))
    assert {entry["serial"] for entry in scene.world.machine.entries} == {3}
    assert len({entry["run_id"] for entry in scene.world.machine.entries}) == 1
    assert {entry["at"] for entry in scene.world.machine.entries} == {"2026-01-01T00:00:00Z"}


def test_a_failure_stops_only_what_waits_for_it_and_names_the_root() -> None:
    def fault(call: Call) -> Answer | None:
        is_a = (
            call.method == "POST"
            and call.body
            and call.body["attributes"].get("resource_url", "").endswith("a.example.com")
        )
        return Answer(403) if is_a else None

    scene = stage(fault=fault)
    applied = run(scene, plan_to_make(server("a"), row("a", "x"), registration("a", "c"), server("b"), row("b", "y")))
    done = {step for step, outcome in applied.outcomes.items() if outcome is Outcome.DONE}
    assert all(" mcp_server.b" in step for step in done)
    assert len(done) == 6
    assert [event.step.id for event in of_type(scene, Failed)] == ["create mcp_server.a"]
    assert {event.because for event in of_type(scene, Skipped)} == {"mcp_server.a"}
    assert set(applied.snapshot.records) == {"mcp_server.b", "mcp_server.b/authorization_server.y"}
    assert applied.added == 2
    assert [d.code for d in applied.diagnostics] == ["okta.refused", "apply.partial"]
    assert exit_code(applied.diagnostics) == 15
    assert not applied.interrupted


def test_running_again_after_a_failure_does_only_the_rest() -> None:
    trouble = [True]
    scene = stage(fault=lambda call: Answer(500) if trouble[0] and call.path.endswith("/activate") else None)
    resources = [server("a"), row("a", "x")]
    first = run(scene, plan_to_make(*resources))
    assert {r.status for r in first.snapshot.records.values()} == {State.INACTIVE}
    trouble[0] = False
    before = len(scene.world.machine.sends)
    rest = plan_of([replace(s, waits=()) for s in plan_to_make(*resources).steps if s.op is Op.TRANSITION], resources)
    second = run(scene, rest, first.snapshot)
    assert [call.path for call in scene.world.machine.sends[before:]] == ["/id0/activate", "/id1/activate"]
    assert {r.status for r in second.snapshot.records.values()} == {State.ACTIVE}


def test_steps_start_in_plan_order_and_only_so_many_at_once() -> None:
    scene = stage()
    names = [f"s{number}" for number in range(9)]
    run(scene, plan_to_make(*map(server, names)), parallelism=3)
    started = [event.step.id for event in of_type(scene, Started) if event.step.op is Op.CREATE]
    assert started == [f"create mcp_server.{name}" for name in names]
    assert scene.world.most_in_flight <= 3


def test_one_at_a_time_is_sequential() -> None:
    scene = stage()
    run(scene, plan_to_make(server("a"), server("b"), row("b", "x")), parallelism=1)
    assert scene.world.most_in_flight == 1
    kinds_of_event = [type(event) for event in scene.events if not isinstance(event, Progressed)]
    assert kinds_of_event == [Started, Finished] * (len(kinds_of_event) // 2)


def test_long_steps_report_progress_with_the_state_last_seen() -> None:
    scene = stage(settle=40.0)
    run(scene, plan_to_make(server("a")))
    told = of_type(scene, Progressed)
    assert told
    assert {event.step.id for event in told} == {"register mcp_server.a"}
    assert {(event.state, event.doing) for event in told} == {(State.PENDING, "waiting for INACTIVE")}
    gaps = [b.elapsed - a.elapsed for a, b in pairwise(told)]
    assert all(gap >= 5.0 for gap in gaps)


@pytest.mark.parametrize("journal", ["none yet", "written"])
def test_an_unwritable_journal_stops_the_run_before_anything_is_sent(journal: str) -> None:
    scene = stage()
    writes = 0

    def append(entries: Sequence[Mapping[str, Any]]) -> None:
        nonlocal writes
        writes += 1
        if journal == "none yet" or writes > 1:
            raise Refused([error("state.unwritable", "The disk is full")])

    async def go() -> Applied:
        hands = replace(scene.hands, journal=GroupCommit(append))
        plan = plan_to_make(*(server(f"s{n}") for n in range(40)))
        return await scene.apply(plan, snapshot_of(), hands, 2)

    applied = asyncio.run(go())
    assert len(scene.world.machine.sends) <= (0 if journal == "none yet" else 2)
    assert len(of_type(scene, Failed)) <= 2, "no further step is tried"
    assert "state.unwritable" in {d.code for d in applied.diagnostics}
    assert len(applied.outcomes) == 120
    assert {r.id for r in applied.snapshot.records.values()} == set(scene.world.objects)


def test_the_first_interrupt_finishes_the_current_write_and_stops_waiting() -> None:
    presses = Interrupts()

    def fault(call: Call) -> None:
        if call.method == "POST" and call.path == "/":
            presses.press()

    scene = stage(settle=1e9, fault=fault)
    applied = run(scene, plan_to_make(server("a"), server("b")), parallelism=1, presses=presses)
    assert [call.path for call in scene.world.machine.sends] == ["/"]
    assert set(applied.snapshot.records) == {"mcp_server.a"}
    assert applied.interrupted
    assert {event.because for event in of_type(scene, Skipped)} == {None}
    assert len(applied.outcomes) == 6


def test_an_interrupt_cuts_a_long_wait_short_and_records_the_state() -> None:
    presses = Interrupts()
    scene = stage(settle=1e9)
    machine = scene.world.machine

    async def sleep(effect: Any) -> None:
        presses.press()
        await asyncio.sleep(3600)

    async def go() -> Applied:
        hands = replace(scene.hands, sleep=sleep)
        return await scene.apply(plan_to_make(server("a")), snapshot_of(), hands, 10, presses)

    applied = asyncio.run(asyncio.wait_for(go(), 5))
    assert machine.time == 1000.0
    assert applied.interrupted
    assert [d.code for d in applied.diagnostics] == ["apply.interrupted", "apply.partial"]
    assert applied.snapshot.records[server("a").address].status is State.PENDING
    assert applied.outcomes["register mcp_server.a"] is Outcome.FAILED
    assert [(e.step.id, e.because) for e in of_type(scene, Skipped)] == [("activate mcp_server.a", None)]


def test_the_second_interrupt_cuts_off_and_leaves_the_intent_in_doubt() -> None:
    presses = Interrupts()
    scene = stage()

    class Stuck:
        async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
            if leave is None:
                return await scene.world.exchange(call)
            await leave()
            scene.world.answer(call)
            presses.press()
            presses.press()
            await asyncio.sleep(3600)
            raise AssertionError

        async def close(self) -> None:
            return None

    async def go() -> Applied:
        hands = replace(scene.hands, transport=Stuck())
        return await scene.apply(plan_to_make(server("a"), server("b")), snapshot_of(), hands, 1, presses)

    applied = asyncio.run(asyncio.wait_for(go(), 5))
    assert applied.interrupted
    assert applied.snapshot.records == {}
    assert [entry["kind"] for entry in scene.world.machine.entries] == ["intent"]
    assert [d.code for d in applied.diagnostics] == ["apply.interrupted", "apply.partial"]
    assert len(applied.outcomes) == 6


def test_cancelling_the_apply_leaves_no_step_running() -> None:
    scene = stage(settle=1e9)

    async def go() -> int:
        hands = replace(scene.hands, sleep=lambda effect: asyncio.sleep(3600))
        work = scene.apply(plan_to_make(server("a")), snapshot_of(), hands)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(work, 0.05)
        return len(asyncio.all_tasks())

    assert asyncio.run(go()) == 1


def test_a_watcher_that_breaks_does_not_cost_the_state() -> None:
    scene = stage()

    def watch(event: Event) -> None:
        raise BrokenPipeError

    undertaking = Undertaking(plan_to_make(server("a")), snapshot_of(), Means(FakeProvider()), "a-run")
    applied = asyncio.run(undertake(undertaking, scene.hands, watch))
    assert set(applied.outcomes.values()) == {Outcome.DONE}
    assert [(d.code, d.is_error) for d in applied.diagnostics] == [("apply.unwatched", False)]
    assert set(applied.snapshot.records) == {"mcp_server.a"}


def test_an_error_in_the_program_costs_one_step_and_quotes_nothing() -> None:
    def fault(call: Call) -> Exception | None:
        is_a = call.body and call.body["attributes"]["resource_url"].startswith("https://a.")
        return KeyError("s3cr3t") if is_a else None

    scene = stage(fault=fault)
    applied = run(scene, plan_to_make(server("a"), server("b")))
    assert set(applied.snapshot.records) == {"mcp_server.b"}
    problem = applied.diagnostics[0]
    assert problem.code == "apply.unexpected"
    assert "KeyError" in problem.summary
    assert "s3cr3t" not in repr(applied)


def counted(change: Change, steps: list[Step], scene: Stage, *records: Any) -> tuple[int, int, int, int]:
    resources = [server("a", display_name="A"), *([] if change.kind == "mcp_server" else [row("a", "x")])]
    applied = run(scene, plan_of(steps, resources, [change]), snapshot_of(*records))
    assert set(applied.outcomes.values()) == {Outcome.DONE}
    return applied.added, applied.changed, applied.destroyed, applied.imported


def test_resources_are_counted_not_steps() -> None:
    a = server("a", display_name="A")
    address, kind = a.address, a.kind
    scene = stage()
    old = scene.put(server("a"))
    update = Step("update a", Op.UPDATE, address, kind, changed=("display_name",))
    assert counted(Change(address, kind, Action.UPDATE), [update], scene, old) == (0, 1, 0, 0)

    scene = stage()
    old = scene.put(server("a"))
    making = steps_to_make(a, ["delete mcp_server.a"])
    replace_steps = steps_to_unmake(old) + making
    assert counted(Change(address, kind, Action.REPLACE), replace_steps, scene, old) == (1, 0, 1, 0)

    scene = stage()
    old = scene.put(server("a"))
    assert counted(Change(address, kind, Action.DELETE), steps_to_unmake(old), scene, old) == (0, 0, 1, 0)

    scene = stage()
    scene.put(server("a"))
    adopt = Step("adopt a", Op.ADOPT, address, kind, remote_id="id0")
    assert counted(Change(address, kind, Action.ADOPT, importing="id0"), [adopt], scene) == (0, 0, 0, 1)
    scene = stage()
    scene.put(server("a"))
    both = [adopt, replace(update, waits=("adopt a",))]
    assert counted(Change(address, kind, Action.UPDATE, importing="id0"), both, scene) == (0, 1, 0, 1)

    scene = stage()
    old = scene.put(server("a"))
    remember = [replace(adopt, id="remember a")]
    assert counted(Change(address, kind, Action.NONE), remember, scene, old) == (0, 0, 0, 0)

    scene = stage()
    old = scene.put(server("a"))
    forget = Step("forget a", Op.FORGET, address, kind)
    assert counted(Change(address, kind, Action.FORGET), [forget], scene, old) == (0, 0, 0, 0)


def test_a_replacement_that_stops_halfway_counts_the_half() -> None:
    scene = stage(fault=lambda call: Answer(400) if call.path == "/" and call.method == "POST" else None)
    old = scene.put(server("a"))
    steps = steps_to_unmake(old) + steps_to_make(server("a"), ["delete mcp_server.a"])
    applied = run(
        scene, plan_of(steps, [server("a")], [Change(old.address, old.kind, Action.REPLACE)]), snapshot_of(old)
    )
    assert (applied.added, applied.destroyed) == (0, 1)
    assert applied.snapshot.records == {}


def test_a_plan_that_can_not_be_walked_is_refused_before_anything_is_sent() -> None:
    scene = stage()
    steps = [replace(step, waits=("nobody",)) for step in steps_to_make(server("a"))]
    with pytest.raises(Refused, match="nobody"):
        run(scene, plan_of(steps, [server("a")]))
    assert scene.world.machine.log == []


def test_a_plan_without_steps_changes_nothing() -> None:
    scene = stage()
    there = snapshot_of(recorded(server("a")))
    applied = run(scene, plan_of([]), there)
    assert applied.snapshot == there
    assert applied.diagnostics == ()


def test_a_discovered_row_is_awaited_and_recorded() -> None:
    scene = stage()
    found = row("a", "x", discovered=True)
    parent = scene.put(server("a"), "id0")
    scene.world.objects["row"] = observed(found, "row", State.ACTIVE, parent_id="id0")
    steps = [Step("await x", Op.AWAIT, found.address, found.kind, "discover", State.ACTIVE)]
    applied = run(
        scene, plan_of(steps, [found], [Change(found.address, found.kind, Action.CREATE)]), snapshot_of(parent)
    )
    assert applied.snapshot.records[found.address].id == "row"
    assert applied.snapshot.records[found.address].discovered
    assert applied.added == 1
    assert scene.world.machine.sends == []


def test_what_is_recorded_is_seen_by_steps_that_follow() -> None:
    scene = stage()
    run(scene, plan_to_make(server("a"), row("a", "x")))
    body = next(call.body for call in scene.world.machine.sends if call.body and call.body["kind"] == "association")
    assert body["parent_id"] == "id0"


def test_a_change_counts_once_all_of_it_is_done() -> None:
    scene = stage(fault=lambda call: Answer(403) if call.path.endswith("/deactivate") else None)
    old = scene.put(server("a"))
    new = server("a", display_name="A")
    update = Step("update a", Op.UPDATE, new.address, new.kind, changed=("display_name",))
    stop = replace(steps_to_unmake(old)[0], waits=(update.id,))
    applied = run(
        scene, plan_of([update, stop], [new], [Change(new.address, new.kind, Action.UPDATE)]), snapshot_of(old)
    )
    assert applied.changed == 0
    assert applied.snapshot.records[new.address].attributes == new.attributes
