"""After a crash at any point: everything that was made is recorded, once, and nothing is recorded that isn't there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.event import Outcome
from reconciler.apply.journal import unsettled
from reconciler.apply.quarantine import Moment
from reconciler.apply.record import encode_record
from reconciler.apply.recovery import longest_wait, recover
from reconciler.apply.walker import Walk
from reconciler.apply.worker import perform_step
from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Record, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.ports import Conversation, Journal, Now, Read, Send, Sleep, Together
from reconciler.render.diagnostic_text import folded
from reconciler.render.page import Page
from tests.unit.apply.stage import (
    SECRET,
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
    steps_to_unmake,
)

RESOURCES = [server("a"), row("a", "x"), registration("a", "c"), server("b")]


class Crash(BaseException):
    """The power goes out."""


class Machine:
    """Performs steps one after the other, with a journal whose outcomes may not have reached the disk; the power goes
    out at the effect number `crash_at`, just before it happens or just after."""

    def __init__(self, scene: Stage, crash_at: int, is_after: bool, keeps_outcomes: bool) -> None:
        self.scene = scene
        self.left = crash_at
        self.is_after = is_after
        self.keeps_outcomes = keeps_outcomes
        self.disk: list[dict[str, Any]] = []
        self.buffer: list[dict[str, Any]] = []

    def perform(self, conversation: Conversation[Any]) -> Any:
        result: Any = None
        while True:
            try:
                effect = conversation.send(result)
            except StopIteration as end:
                return end.value
            if isinstance(effect, Together):
                result = tuple(self.perform(each) for each in effect.conversations)
                continue
            self.left -= 1
            if self.left == 0 and not self.is_after:
                raise Crash
            result = self.act(effect)
            if self.left == 0:
                raise Crash

    def act(self, effect: Any) -> Any:
        match effect:
            case Read(call) | Send(call):
                return self.scene.world.answer(call)
            case Now():
                return self.scene.world.machine.time
            case Sleep(seconds):
                self.scene.world.machine.time += seconds
            case Journal(entry):
                self.buffer.append(json.loads(json.dumps({**entry, "run_id": "r", "serial": 3})))
                if entry["kind"] == "intent" or self.keeps_outcomes:
                    self.disk += self.buffer
                    self.buffer.clear()
        return None

    def apply(self, plan: Plan, snapshot: Snapshot) -> Snapshot:
        walk = Walk(plan.steps, snapshot)
        while (step := walk.take()) is not None:
            result = self.perform(perform_step(step, plan, walk.view, FakeProvider()))
            assert not result.diagnostics
            walk.finish(step, Outcome.DONE, result.edits)
        return walk.snapshot()


def observe(scene: Stage) -> tuple[Observed, ...]:
    return tuple(scene.world.objects.values())


def crash_points(plan: Plan, snapshot: Snapshot, put: list[tuple[Resource, str]]) -> Iterator[tuple[Stage, Machine]]:
    """The plan, cut off at every effect in every way."""
    for is_after in (False, True):
        for keeps_outcomes in (False, True):
            for crash_at in range(1, 1000):
                scene = stage(settle=0.3)
                for resource, object_id in put:
                    parent = "id0" if resource.address.parent else None
                    scene.put(resource, object_id, parent_id=parent)
                machine = Machine(scene, crash_at, is_after, keeps_outcomes)
                try:
                    machine.apply(plan, snapshot)
                except Crash:
                    yield scene, machine
                else:
                    break


def test_a_crash_while_making_loses_and_doubles_nothing() -> None:
    points = 0
    for scene, machine in crash_points(plan_to_make(*RESOURCES), snapshot_of(), []):
        points += 1
        found = recover(snapshot_of(), machine.disk, observe(scene))
        assert sorted(r.id for r in found.snapshot.records.values()) == sorted(scene.world.objects)
        assert found.snapshot.faults() == []
        for record in found.snapshot.records.values():
            assert record.attributes == next(r.attributes for r in RESOURCES if r.address == record.address)
        again = recover(found.snapshot, machine.disk, observe(scene))
        assert again.snapshot.records.keys() == found.snapshot.records.keys(), "a crash during recovery is harmless"
        assert SECRET not in json.dumps(machine.disk)
    assert points > 100


def test_a_crash_while_unmaking_leaves_no_record_of_what_is_gone() -> None:
    held = {r.address: r for r in (recorded(server("a")), recorded(row("a", "x"), "id1"))}
    inner, outer = held[row("a", "x").address], held[server("a").address]
    steps = steps_to_unmake(inner)
    steps += [replace(s, waits=(*s.waits, steps[-1].id)) for s in steps_to_unmake(outer)]
    put = [(server("a"), "id0"), (row("a", "x"), "id1")]
    points = 0
    for scene, machine in crash_points(plan_of(steps), snapshot_of(outer, inner), put):
        points += 1
        found = recover(snapshot_of(outer, inner), machine.disk, observe(scene))
        assert sorted(r.id for r in found.snapshot.records.values()) == sorted(scene.world.objects)
    assert points > 40


def intent(resource: Resource, parent_id: str | None = None, kind: str = "intent", **more: Any) -> dict[str, Any]:
    born = {
        "address": resource.address,
        "kind": resource.kind,
        "id": "",
        "status": "PENDING",
        "attributes": dict(resource.attributes),
        "refs": dict(resource.refs),
    }
    key = [resource.attributes.get("resource_url") or resource.attributes.get("issuer") or resource.attributes["name"]]
    about = {"address": resource.address, "op": "create", "run_id": "r", "attempt": 1, "natural_key": key}
    return {"kind": kind, **about, "parent_id": parent_id, "record": born, **more}


def codes(found: Any) -> list[str]:
    return [note.code for note in found.notes]


def test_without_entries_the_snapshot_is_as_it_was() -> None:
    there = snapshot_of(recorded(server("a")))
    assert recover(there, [], []).snapshot is there


def test_an_object_that_was_made_is_adopted_and_said() -> None:
    a = server("a")
    found = recover(snapshot_of(), [intent(a)], [observed(a, "id7", State.INACTIVE, fingerprint="f")])
    record = found.snapshot.records[a.address]
    assert (record.id, record.handle, record.status, record.fingerprint) == ("id7", "orn:id7", State.INACTIVE, "f")
    assert record.attributes == a.attributes
    assert codes(found) == ["recovery.adopted"]
    assert not any(note.is_error for note in found.notes)


def test_what_is_not_there_did_not_happen() -> None:
    found = recover(snapshot_of(), [intent(server("a"))], [observed(server("b"))])
    assert found.snapshot.records == {}
    assert codes(found) == ["recovery.not-made"]


def test_people_are_told_once_of_all_that_an_interrupted_run_made() -> None:
    entries = [intent(server(name)) for name in "abcd"]
    found = recover(snapshot_of(), entries, [observed(server("a"), "id1"), observed(server("b"), "id2")])
    assert len(found.notes) == 4
    made, not_made = folded(found.notes)
    assert made.summary == "An earlier run was interrupted; what it was creating was made, and is recorded now"
    assert made.detail.splitlines() == ["  mcp_server.a, as id1", "  mcp_server.b, as id2"]
    assert not_made.detail.splitlines() == ["  mcp_server.c", "  mcp_server.d", "The next apply creates them."]


def test_how_long_it_can_take_to_find_out_is_known_beforehand() -> None:
    now = Moment(100.0, "boot", 0.0)
    heard = intent(server("a"), count=99.0, origin="boot", quarantine=50.0)
    entries = [heard, {**heard, "kind": "refused"}, intent(server("b"), count=90.0, origin="boot", quarantine=65.0)]
    assert longest_wait(entries, now) == 55.0
    assert longest_wait(entries[:2], now) == 0.0


def test_two_candidates_are_left_to_the_user() -> None:
    a = server("a")
    found = recover(snapshot_of(), [intent(a)], [observed(a, "id1"), observed(a, "id2")])
    assert found.snapshot.records == {}
    assert codes(found) == ["recovery.ambiguous"]
    assert "id1, id2" in found.notes[0].summary


def test_the_commands_that_settle_it_can_be_copied_into_a_shell() -> None:
    a = replace(server("a"), address=Address('mcp_server.a["eu west"]'))
    twins = [replace(observed(a, f"id{n}"), computed={"created": f"2026-01-0{n}T00:00:00Z"}) for n in (1, 2)]
    detail = recover(snapshot_of(), [intent(a)], twins).notes[0].detail
    lines = [line for line in Page(40).wrap(detail) if line.startswith("    ")]
    commands = [shlex.split(line) for line in lines]
    resolve = ["reconciler", "resolve", 'mcp_server.a["eu west"]']
    assert commands == [[*resolve, "--adopt", "id1"], [*resolve, "--adopt", "id2"], [*resolve, "--abandon"]]
    assert "(created 2026-01-02T00:00:00Z)" in detail


@pytest.mark.parametrize(
    "other",
    [
        observed(server("a", registration="discovered"), "id1"),
        observed(server("a"), "id1", parent_id="elsewhere"),
        replace(observed(server("a"), "id1"), kind="association"),
        replace(observed(server("a"), "id1"), attributes={}),
    ],
)
def test_what_only_resembles_it_is_not_adopted(other: Observed) -> None:
    assert codes(recover(snapshot_of(), [intent(server("a"))], [other])) == ["recovery.not-made"]


def test_what_another_address_has_is_not_adopted() -> None:
    a = server("a")
    owner: Record = replace(recorded(a, "id1"), address=server("z").address)
    found = recover(snapshot_of(owner), [intent(a)], [observed(a, "id1")])
    assert set(found.snapshot.records) == {owner.address}


def test_a_nested_object_is_looked_for_under_its_parent_only() -> None:
    x = row("a", "x")
    parent = recorded(server("a"))
    live = [observed(x, "id1", parent_id="other"), observed(x, "id2", parent_id="id0")]
    found = recover(snapshot_of(parent), [intent(x, "id0")], live)
    assert found.snapshot.records[x.address].id == "id2"


def test_a_creation_that_was_refused_is_not_mentioned() -> None:
    refusal = {**intent(server("a"), kind="refused"), "status": 403}
    found = recover(snapshot_of(), [intent(server("a")), refusal], [observed(server("a"))])
    assert (found.snapshot.records, found.notes) == ({}, ())


def test_an_unclear_deletion_of_what_is_still_there_keeps_the_record() -> None:
    a = recorded(server("a"))
    entry = {**intent(server("a")), "op": "delete"}
    assert recover(snapshot_of(a), [entry], [observed(server("a"))]).snapshot.records == {a.address: a}
    gone = recover(snapshot_of(a), [entry], [])
    assert (gone.snapshot.records, codes(gone)) == ({}, ["recovery.deleted"])


def test_a_secret_that_was_rotated_and_may_not_have_been_sent_is_sent_again() -> None:
    """The reference is the same before and after, so nothing that the live system shows tells which one it holds."""
    resource = registration("a", "c")
    before = replace(recorded(resource, "id1"), secrets={"client_secret": "old"})
    about = {"address": resource.address, "op": "update", "run_id": "r", "attempt": 1}
    meant = encode_record(replace(before, secrets={"client_secret": "new"}))
    live = [observed(server("a")), observed(resource, "id1", parent_id="id0")]
    found = recover(snapshot_of(recorded(server("a")), before), [{**about, "kind": "intent", "record": meant}], live)
    assert found.snapshot.records[resource.address].secrets == {"client_secret": "old"}
    assert codes(found) == ["recovery.not-updated"]


def test_what_the_answer_named_is_ours_even_if_the_live_system_made_something_else_of_it() -> None:
    a = server("a")
    made = {**intent(a, kind="done"), "status": 201, "id": "id1"}
    found = recover(snapshot_of(), [intent(a), made], [observed(server("a", registration="discovered"), "id1")])
    assert found.snapshot.records[a.address].id == "id1"


def test_a_deletion_of_what_is_outlived_by_something_is_not_over_with_its_object() -> None:
    own = {"registrar": "tool", "credentials_file": "kept.json", "registration_endpoint": "https://x.example.com/reg"}
    client = registration("a", "c")
    before = recorded(replace(client, attributes={"name": "c", "method": "static", **own}), "id1")
    entry = {**intent(client, "id0"), "op": "delete"}
    found = recover(snapshot_of(recorded(server("a")), before), [entry], [observed(server("a"))])
    assert found.snapshot.records[client.address] == before


LATE = Moment(10.0, "boot", 0.0)


def change(op: str, **more: Any) -> dict[str, Any]:
    """The intent, five seconds ago, of a change to what exists; it may take effect for fifteen."""
    when = {"origin": "boot", "count": 5.0, "quarantine": 20.0, "at": "2026-01-01T00:00:00Z"}
    return {"kind": "intent", "address": server("a").address, "op": op, "run_id": "r", "attempt": 1, **when, **more}


@pytest.mark.parametrize(
    ("entries", "seen", "seconds"),
    [
        ([change("transition")], observed(server("a")), 15.0),
        ([change("transition")], observed(server("a"), status=State.INACTIVE), 0.0),
        ([change("transition"), change("transition", kind="done", status=200)], observed(server("a")), 0.0),
        ([change("transition"), change("transition", kind="refused", status=403)], observed(server("a")), 0.0),
        ([change("transition"), change("transition", kind="lost", status=0)], observed(server("a")), 15.0),
        ([change("delete")], observed(server("a")), 15.0),
        ([change("delete")], None, 0.0),
        ([change("update")], observed(server("a")), 15.0),
        ([change("transition"), change("transition", kind="done", edits=[{"drop": "x"}])], observed(server("a")), 0.0),
    ],
)
def test_a_change_that_may_still_come_is_waited_for_unless_it_shows(
    entries: list[Any], seen: Observed | None, seconds: float
) -> None:
    """It would undo, after the next plan was made, what that found: an activation of what shall be inactive by now."""
    found = recover(snapshot_of(recorded(server("a"))), entries, [seen] if seen else [], LATE)
    assert found.wait == seconds


def test_an_update_that_shows_is_not_waited_for() -> None:
    renamed = server("a", display_name="New")
    about = change("update", record=encode_record(recorded(renamed)))
    assert recover(snapshot_of(recorded(server("a"))), [about], [observed(renamed)], LATE).wait == 0.0


def test_nothing_is_open_after_a_run_without_a_crash() -> None:
    scene = stage(settle=0.3)
    machine = Machine(scene, -1, False, True)
    final = machine.apply(plan_to_make(*RESOURCES), snapshot_of())
    assert unsettled(machine.disk) == {}
    assert recover(snapshot_of(), machine.disk, []).snapshot.records == final.records
