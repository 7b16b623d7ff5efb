"""One step at a time: what is asked, what is remembered, what is said when it goes wrong."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.drive import perform
from reconciler.apply.edit import Drop, Put, Rename
from reconciler.apply.recovery import recover
from reconciler.apply.task import StepResult
from reconciler.apply.worker import perform_step
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Observed, Record, Resource
from reconciler.plan.step import Op, Step
from reconciler.ports import Answer, Call, Conversation, Foreign, Incomplete, Journal, Send, Sleep, Target
from tests.unit.apply.stage import (
    LOST_AFTER,
    LOST_BEFORE,
    FakeProvider,
    Stage,
    observed,
    plan_of,
    recorded,
    registration,
    row,
    server,
    snapshot_of,
    stage,
)

A = server("a")


def step(op: Op, resource: Resource = A, **more: Any) -> Step:
    return Step(f"{op} {resource.address}", op, resource.address, resource.kind, **more)


def run(scene: Stage, what: Step, *desired: Resource, records: tuple[Record, ...] = (), **more: Any) -> StepResult:
    provider = more.get("provider") or FakeProvider()
    plan = plan_of(more.get("steps", [what]), desired)
    return asyncio.run(perform(perform_step(what, plan, snapshot_of(*records), provider), scene.hands))


def put(result: StepResult) -> Record:
    (edit,) = result.edits
    assert isinstance(edit, Put)
    return edit.record


def problem(result: StepResult) -> Diagnostic:
    (found,) = result.diagnostics
    assert found.is_error
    assert found.address is not None
    return found


# -------------------------------------------------------------------------------------------------------------- create


def test_a_creation_is_recorded_as_desired_under_its_new_id() -> None:
    scene = stage(settle=10.0)
    needs = (Need(Address("mcp_server.z"), NeedSort.READY),)
    result = run(scene, step(Op.CREATE), replace(A, protect=True, needs=needs))
    record = put(result)
    assert (record.id, record.handle, record.status) == ("id0", "orn:id0", State.PENDING)
    assert (record.attributes, record.protect, record.needs) == (A.attributes, True, needs)
    assert (result.remote_id, result.diagnostics) == ("id0", ())


def test_a_secret_is_recorded_by_its_reference_only() -> None:
    scene = stage()
    wanted = registration("a", "c")
    result = run(scene, step(Op.CREATE, wanted), wanted, records=(recorded(A),))
    assert put(result).attributes["client_secret"] == {"env": "CLIENT_SECRET"}
    recognised = scene.world.machine.entries[0]
    assert recognised["natural_key"] == ["c"]
    assert recognised["parent_id"] == "id0"


def test_a_creation_whose_answer_is_lost_is_found() -> None:
    scene = stage(fault=lambda call: LOST_AFTER if call.method == "POST" else None)
    result = run(scene, step(Op.CREATE), A)
    assert put(result).id == "id0"
    assert result.note == "found after a lost answer"
    assert len(scene.world.objects) == 1


def test_a_refused_creation_records_nothing() -> None:
    scene = stage(fault=lambda call: Answer(403) if call.method == "POST" else None)
    result = run(scene, step(Op.CREATE), A)
    assert result.edits == ()
    assert problem(result).code == "okta.refused"


class Halfway(FakeProvider):
    """Makes the object, and is not content with it."""

    def __init__(self, complete: bool) -> None:
        self.complete = complete

    def create(self, target: Target) -> Conversation[Observed]:
        made = yield from super().create(target)
        told = [error("okta.field-ignored", "Okta ignored display_name")]
        raise Refused(told) if self.complete else Incomplete(told, made)


@pytest.mark.parametrize("complete", [True, False])
def test_what_a_failed_creation_left_behind_is_recorded(complete: bool) -> None:
    scene = stage()
    result = run(scene, step(Op.CREATE), A, provider=Halfway(complete))
    assert put(result).id == "id0"
    assert problem(result).code == "okta.field-ignored"


def test_somebody_elses_object_is_never_recorded() -> None:
    scene = stage()
    scene.put(A)
    result = run(scene, step(Op.CREATE), A)
    assert result.edits == ()
    assert result.diagnostics


class Outdone(FakeProvider):
    """Its answer is lost, and then it turns out that somebody else had made it before."""

    def create(self, target: Target) -> Conversation[Observed]:
        yield Send(Call("POST", "/mcp-servers"), "create")
        raise Foreign([error("okta.already-exists", "it is there")])


def test_what_is_proven_to_be_somebody_elses_is_not_taken_for_ours_after_a_crash() -> None:
    entries: list[dict[str, Any]] = []
    conversation = perform_step(step(Op.CREATE), plan_of([step(Op.CREATE)], [A]), snapshot_of(), Outdone())
    result: Any = None
    while True:
        try:
            effect = conversation.send(result)
        except StopIteration as end:
            assert problem(end.value).code == "okta.already-exists"
            break
        result = Answer(0, lost="broken") if isinstance(effect, Send) else None
        if isinstance(effect, Journal):
            entries.append({"run_id": "r", **effect.entry})
    assert [entry["kind"] for entry in entries] == ["intent", "lost", "abandoned"]
    assert recover(snapshot_of(), entries, [observed(A)]).snapshot.records == {}


def test_a_reference_to_what_is_not_recorded_is_an_error() -> None:
    result = run(stage(), step(Op.CREATE, row("a", "x")), row("a", "x"))
    assert problem(result).code == "apply.missing-reference"


# ------------------------------------------------------------------------------------------- update, delete, memory


def test_an_update_sends_what_changed_and_records_all() -> None:
    scene = stage()
    old = scene.put(A)
    new = server("a", display_name="New")
    result = run(scene, step(Op.UPDATE, changed=("display_name",)), new, records=(old,))
    assert scene.world.machine.sends[0].body == {"display_name": "New"}
    assert put(result).attributes == new.attributes
    assert scene.world.objects["id0"].attributes["display_name"] == "New"


@pytest.mark.parametrize(
    ("theirs", "told"),
    [
        ({"description": "Theirs"}, ["apply.changed-meanwhile"]),
        ({"description": "Ours ", "resource_url": "https://A.example.com/"}, []),
        ({"another": "of its own"}, []),
    ],
)
def test_what_somebody_else_changed_around_an_update_is_told(theirs: dict[str, str], told: list[str]) -> None:
    before = server("a", display_name="One", description="Ours")
    scene = stage()
    record = scene.put(before)

    def meddle(call: Call) -> None:
        if call.method == "PATCH":
            seen = scene.world.objects["id0"]
            scene.world.objects["id0"] = replace(seen, attributes={**seen.attributes, **theirs})

    scene.world.fault = meddle
    wanted = server("a", display_name="Two", description="Ours")
    result = run(scene, step(Op.UPDATE, changed=("display_name",)), wanted, records=(record,))
    assert [d.code for d in result.diagnostics] == told
    assert not any(d.is_error for d in result.diagnostics), "ours is done"
    assert put(result).attributes == wanted.attributes, "the next plan finds theirs"
    ignored = replace(wanted, ignores={"description": "marketing edits it"})
    assert run(scene, step(Op.UPDATE, changed=("display_name",)), ignored, records=(record,)).diagnostics == ()


def test_an_update_of_nothing_remote_calls_nobody() -> None:
    scene = stage()
    result = run(scene, step(Op.UPDATE), replace(A, protect=True), records=(recorded(A),))
    assert put(result).protect
    assert scene.world.machine.sends == []


def test_a_failed_update_leaves_the_record_as_it_was() -> None:
    scene = stage(fault=lambda call: Answer(400) if call.method == "PATCH" else None)
    result = run(scene, step(Op.UPDATE, changed=("resource_url",)), A, records=(scene.put(A),))
    assert result.edits == ()
    assert problem(result).code == "okta.refused"


def test_a_deletion_goes_by_the_record_not_by_what_is_desired() -> None:
    scene = stage()
    old = scene.put(A)
    result = run(scene, step(Op.DELETE), server("a", resource_url="https://new"), records=(old,))
    assert result.edits == (Drop(A.address),)
    assert scene.world.objects == {}


def test_deleting_what_is_gone_is_success() -> None:
    scene = stage()
    assert run(scene, step(Op.DELETE), records=(recorded(A),)).edits == (Drop(A.address),)
    assert run(scene, step(Op.DELETE)).note == "already gone"


def test_an_adoption_records_what_later_steps_change_as_it_was_found() -> None:
    scene = stage()
    scene.put(server("a", display_name="Old"))
    wanted = server("a", display_name="New")
    adopt = step(Op.ADOPT, remote_id="id0")
    later = step(Op.UPDATE, changed=("display_name",))
    assert put(run(scene, adopt, wanted, steps=[adopt, later])).attributes["display_name"] == "Old"
    assert put(run(scene, adopt, wanted)).attributes["display_name"] == "New"
    assert scene.world.machine.sends == []
    assert {entry["kind"] for entry in scene.world.machine.entries} == {"adopted"}


def test_adopting_what_is_not_there_is_an_error() -> None:
    assert problem(run(stage(), step(Op.ADOPT, remote_id="id9"), A)).code == "apply.gone"


def test_move_and_forget_call_nobody() -> None:
    scene = stage()
    target = Address("mcp_server.b")
    move = Step("move", Op.MOVE, target, "mcp_server", source=A.address)
    assert run(scene, move, records=(recorded(A),)).edits == (Rename(A.address, target),)
    assert run(scene, move).edits == ()
    assert run(scene, step(Op.FORGET), records=(recorded(A),)).edits == (Drop(A.address),)
    assert scene.world.machine.sends == []


# ---------------------------------------------------------------------------------------------------------- transitions

ACTIVATE = step(Op.TRANSITION, event="activate", target=State.ACTIVE)
DEACTIVATE = step(Op.TRANSITION, event="deactivate", target=State.INACTIVE)
REVALIDATE = step(Op.TRANSITION, event="revalidate", target=State.INACTIVE)
REGISTER = step(Op.AWAIT, event="register", target=State.INACTIVE)


def test_a_transition_is_commanded_and_arrives() -> None:
    scene = stage()
    result = run(scene, ACTIVATE, A, records=(scene.put(A, status=State.INACTIVE),))
    assert put(result).status is State.ACTIVE
    assert [call.path for call in scene.world.machine.sends] == ["/id0/activate"]


def test_what_is_already_so_needs_no_command() -> None:
    scene = stage()
    old = recorded(A, status=State.INACTIVE)
    scene.put(A)
    result = run(scene, ACTIVATE, A, records=(old,))
    assert (put(result).status, result.note) == (State.ACTIVE, "already ACTIVE")
    assert scene.world.machine.sends == []


@pytest.mark.parametrize(
    ("status", "code"), [(State.PENDING, "apply.unexpected-state"), (State.INVALID, "apply.invalid")]
)
def test_a_state_without_that_way_out_is_an_error_and_recorded(status: State, code: str) -> None:
    scene = stage(settle=1e9)
    scene.put(A, status=status, reason="unreachable")
    result = run(scene, ACTIVATE, A, records=(recorded(A, status=State.INACTIVE),))
    assert problem(result).code == code
    assert put(result).status is status
    assert scene.world.machine.sends == []


def test_a_resource_that_is_gone_is_an_error() -> None:
    assert problem(run(stage(), ACTIVATE, A, records=(recorded(A),))).code == "apply.gone"


class Script(FakeProvider):
    """Shows one look after the other, the last for ever; commands are accepted."""

    def __init__(self, *looks: State | None) -> None:
        self.looks = list(looks)

    def look(self, target: Target) -> Conversation[Observed | None]:
        shown = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        return None if shown is None else observed(A, status=shown, reason="no metadata")
        yield Sleep(0)

    def transition(self, target: Target, event: str) -> Conversation[None]:
        yield Sleep(0)


NEW, OFF, ON, BAD = State.PENDING, State.INACTIVE, State.ACTIVE, State.INVALID


@pytest.mark.parametrize(
    ("what", "looks", "expected"),
    [
        (ACTIVATE, [OFF, OFF, OFF, ON], None),
        (ACTIVATE, [OFF, OFF, BAD], "apply.invalid"),
        (ACTIVATE, [OFF, None, ON], None),
        (ACTIVATE, [OFF, OFF], "gate.not-ready"),
        (REVALIDATE, [BAD, BAD, BAD, OFF], None),
        (REVALIDATE, [BAD, BAD, NEW, OFF], None),
        (REVALIDATE, [BAD, BAD, NEW, BAD, OFF], "apply.invalid"),
        (REVALIDATE, [BAD, BAD], "apply.invalid"),
        (REGISTER, [NEW, NEW, OFF], None),
        (REGISTER, [NEW, BAD], "apply.invalid"),
        (REGISTER, [BAD], "apply.invalid"),
        (REGISTER, [ON], None),
        (REGISTER, [NEW], "gate.not-ready"),
        (REGISTER, [None, NEW, OFF], None),
        (REGISTER, [None], "apply.gone"),
    ],
)
def test_how_waiting_ends(what: Step, looks: list[State | None], expected: str | None) -> None:
    scene = stage()
    result = run(scene, what, A, records=(recorded(A, status=OFF),), provider=Script(*looks))
    assert (problem(result).code if result.diagnostics else None) == expected
    last = looks[-1]
    if last is not None:
        seen = put(result).status
        assert seen in (last, BAD)
    if expected == "apply.invalid":
        assert "no metadata" in problem(result).summary
    if expected == "gate.not-ready":
        assert scene.world.machine.time >= 1120.0


def test_a_discovered_row_may_take_its_time_to_appear() -> None:
    scene = stage()
    found = row("a", "x", discovered=True)
    what = step(Op.AWAIT, found, event="discover", target=State.ACTIVE)
    result = run(scene, what, found, records=(recorded(A),), provider=Script(*[None] * 12, ON))
    assert put(result).status is State.ACTIVE
    assert put(result).discovered
    late = run(stage(), what, found, records=(recorded(A),), provider=Script(None))
    assert problem(late).code == "gate.not-ready"
    assert "not there" in problem(late).summary


def test_waiting_for_a_row_to_vanish() -> None:
    old = row("a", "x", discovered=True)
    gone = step(Op.AWAIT, old, event="vanish", target=State.DELETED)
    records = (recorded(A), recorded(old, "id1"))
    assert run(stage(), gone, old, records=records, provider=Script(ON, None)).edits == (Drop(old.address),)


# ---------------------------------------------------------------------------------------------------------------- gates


def verify(*needs: Resource) -> Step:
    return step(Op.VERIFY, needs=tuple(need.address for need in needs))


def test_a_gate_opens_when_all_that_is_needed_is_active() -> None:
    scene = stage()
    needed = row("a", "x")
    records = (scene.put(A), scene.put(needed, "id1", parent_id="id0"))
    result = run(scene, verify(needed), A, records=records)
    assert (result.diagnostics, result.edits, result.note) == ((), (), "1 check passed")


@pytest.mark.parametrize("status", [State.INACTIVE, State.INVALID, None])
def test_a_gate_stays_shut_and_says_why(status: State | None) -> None:
    scene = stage()
    needed = row("a", "x")
    records = (scene.put(A), recorded(needed, "id1"))
    if status is not None:
        scene.put(needed, "id1", status, parent_id="id0", reason="no token endpoint")
    result = run(scene, verify(needed), A, records=records)
    found = problem(result)
    assert (found.code, found.address) == ("gate.failed", A.address)
    assert needed.address in found.summary
    if status is State.INVALID:
        assert "no token endpoint" in found.summary


def test_a_gate_forgives_an_answer_that_is_a_little_old() -> None:
    scene = stage()
    result = run(scene, verify(A), A, records=(recorded(A),), provider=Script(OFF, OFF, ON))
    assert (result.diagnostics, result.edits) == ((), ())
    assert scene.world.machine.time < 1005.0


def test_what_can_not_be_found_out_keeps_the_gate_shut() -> None:
    scene = stage(fault=lambda call: Refused([error("auth.denied", "403 by Okta")]))
    found = problem(run(scene, verify(A), A, records=(recorded(A),)))
    assert (found.code, "403 by Okta" in found.summary) == ("gate.unknown", True)


def test_what_is_not_recorded_keeps_the_gate_shut() -> None:
    assert problem(run(stage(), verify(row("a", "x")), A, records=(recorded(A),))).code == "gate.failed"


# -------------------------------------------------------------------------------------------------------------- journal


def test_a_step_ends_with_what_it_changed() -> None:
    scene = stage()
    run(scene, step(Op.CREATE), A)
    *_, last = scene.world.machine.entries
    assert last["edits"][0]["put"]["id"] == "id0"


def test_a_result_that_can_not_be_journalled_is_kept_and_said() -> None:
    scene = stage()

    async def journal(entries: Any) -> None:
        if "edits" in entries[0]:
            raise Refused([error("state.unwritable", "The disk is full")])

    conversation = perform_step(step(Op.CREATE), plan_of([], [A]), snapshot_of(), FakeProvider())
    result = asyncio.run(perform(conversation, replace(scene.hands, journal=journal)))
    assert put(result).id == "id0"
    assert problem(result).code == "state.unwritable"


def test_no_write_happens_before_its_intent_is_durable() -> None:
    scene = stage()

    async def journal(entries: Any) -> None:
        raise Refused([error("state.unwritable", "The disk is full")])

    conversation = perform_step(step(Op.CREATE), plan_of([], [A]), snapshot_of(), FakeProvider())
    result = asyncio.run(perform(conversation, replace(scene.hands, journal=journal)))
    assert problem(result).code == "state.unwritable"
    assert scene.world.machine.sends == []


def test_a_call_lost_twice_is_an_error_and_stays_in_doubt() -> None:
    scene = stage(fault=lambda call: LOST_BEFORE if call.method == "POST" else None)
    result = run(scene, step(Op.CREATE), A)
    assert result.edits == ()
    assert result.diagnostics
    kinds = [(entry["kind"], entry["attempt"]) for entry in scene.world.machine.entries]
    assert kinds == [("intent", 1), ("lost", 1), ("intent", 2), ("lost", 2)]


def test_a_desired_resource_that_the_plan_lacks_is_an_error() -> None:
    assert problem(run(stage(), step(Op.CREATE))).code == "plan.incomplete"
