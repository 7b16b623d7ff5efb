"""Gates of probes within an apply: what opens them, how old evidence may be, what is looked up, what is waived."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.drive import perform
from reconciler.apply.event import Finished, Outcome
from reconciler.apply.gates import Gates
from reconciler.apply.task import Task
from reconciler.apply.transit import transition, verify
from reconciler.apply.undertaking import Applied
from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Resource
from reconciler.plan.step import Op, Step
from reconciler.ports import Fetch, Fetched
from reconciler.readiness.context import Context, Options
from reconciler.readiness.gate import Verdict
from reconciler.readiness.ruling import Waiver
from tests.unit.apply.stage import FakeProvider, Stage, plan_of, server, snapshot_of, stage

A, B = server("a"), server("b")
URL = "https://a.example.com"


class PlayedDoor:
    """Every MCP server challenges and publishes metadata; `broken` ones publish somebody else's. Each request takes
    `seconds`, by the stage's clock."""

    def __init__(self, scene: Stage, broken: frozenset[str] = frozenset(), seconds: float = 0.0) -> None:
        self.scene, self.broken, self.seconds = scene, broken, seconds
        self.asked: list[str] = []

    async def fetch(self, request: Fetch) -> Fetched:
        self.asked.append(request.url)
        self.scene.world.machine.time += self.seconds
        host = request.url.split("/")[2]
        if request.method == "POST":
            return Fetched(401, {"www-authenticate": "Bearer"})
        document: dict[str, Any] = {"resource": f"https://{'evil' if host in self.broken else host}"}
        if "oauth-protected-resource" not in request.url:
            return Fetched(404)
        return Fetched(200, {"content-type": "application/json"}, json.dumps(document).encode())

    async def close(self) -> None:
        return None


def gates_for(*resources: Resource, waivers: tuple[Waiver, ...] = (), **options: Any) -> Gates:
    context = Context("https://acme.okta.com", {r.address: r for r in resources}, {}, 0.0, options=Options(**options))
    return Gates(context, waivers, "2026-01-01")


def gate_of(resource: Resource) -> Step:
    return Step(f"verify {resource.address}", Op.VERIFY, resource.address, resource.kind)


def activation_of(resource: Resource) -> Step:
    wait = (f"verify {resource.address}",)
    name = f"activate {resource.address}"
    return Step(name, Op.TRANSITION, resource.address, resource.kind, "activate", State.ACTIVE, waits=wait)


def walk(scene: Stage, gates: Gates, door: PlayedDoor, *resources: Resource) -> Applied:
    records = [scene.put(r, f"id{i}", State.INACTIVE) for i, r in enumerate(resources)]
    steps = [step for r in resources for step in (gate_of(r), activation_of(r))]
    hands = replace(scene.hands, door=door)
    return asyncio.run(scene.apply(plan_of(steps, resources), snapshot_of(*records), hands, 1, gates=gates))


def not_connectable(*resources: Resource) -> tuple[Waiver, ...]:
    """The servers of these tests have no authorization server, which is of no interest here."""
    return tuple(Waiver("mcp.connectable", "a test", "2026-12-31", resource.address) for resource in resources)


def test_one_gate_stays_shut_and_the_others_open() -> None:
    scene = stage()
    door = PlayedDoor(scene, frozenset({"b.example.com"}))
    applied = walk(scene, gates_for(A, B, waivers=not_connectable(A, B)), door, A, B)
    assert applied.outcomes == {
        "verify mcp_server.a": Outcome.DONE,
        "activate mcp_server.a": Outcome.DONE,
        "verify mcp_server.b": Outcome.FAILED,
        "activate mcp_server.b": Outcome.SKIPPED,
    }
    assert [(d.code, d.address) for d in applied.diagnostics[:-1]] == [("gate.failed", B.address)]
    assert "mcp.prm.resource" in applied.diagnostics[0].summary
    assert scene.world.objects["id1"].status is State.INACTIVE


def test_what_passed_is_told_and_kept() -> None:
    scene = stage()
    gates = gates_for(A, waivers=not_connectable(A))
    walk(scene, gates, PlayedDoor(scene), A)
    told = next(e for e in scene.events if isinstance(e, Finished) and e.step.op is Op.VERIFY)
    assert "checks passed" in told.note and "1 waived" in told.note
    assert {check.check for check in told.checks} >= {"mcp.url", "mcp.prm.resource", "net.tls"}
    assert gates.found[A.address].results == told.checks


@pytest.mark.parametrize(
    ("waivers", "code"),
    [((), "gate.failed"), ((Waiver("mcp.connectable", "over", "2025-12-31", A.address),), "gate.failed")],
)
def test_only_a_waiver_in_force_lets_through(waivers: tuple[Waiver, ...], code: str) -> None:
    scene = stage()
    applied = walk(scene, gates_for(A, waivers=waivers), PlayedDoor(scene), A)
    assert applied.diagnostics[0].code == code
    assert not scene.world.machine.sends


def test_what_can_not_be_found_out_keeps_a_gate_shut() -> None:
    class Silent(PlayedDoor):
        async def fetch(self, request: Fetch) -> Fetched:
            return Fetched(0, problem="timeout", detail="it didn't answer in time")

    scene = stage()
    applied = walk(scene, gates_for(A, waivers=not_connectable(A)), Silent(scene), A)
    assert {d.code for d in applied.diagnostics[:-1]} == {"gate.unknown"}


def activate_later(seconds: float, door: PlayedDoor, gates: Gates, scene: Stage) -> Any:
    """A gate is passed, then `seconds` go by until the activation's turn comes, and the server changes meanwhile."""
    record = scene.put(A, "id0", State.INACTIVE)
    plan = plan_of([gate_of(A), activation_of(A)], [A])
    hands = replace(scene.hands, door=door)
    first = Task(plan.steps[0], plan, snapshot_of(record), FakeProvider(), gates)

    async def play() -> Any:
        passed = await perform(verify(first, {}), hands)
        assert not passed.diagnostics
        scene.world.machine.time += seconds
        door.broken = frozenset({"a.example.com"})
        return await perform(
            transition(replace(first, step=plan.steps[1]), {"address": "a", "op": "transition"}), hands
        )

    return asyncio.run(play())


def test_evidence_of_less_than_five_minutes_opens_a_gate() -> None:
    scene = stage()
    result = activate_later(290.0, PlayedDoor(scene), gates_for(A, waivers=not_connectable(A)), scene)
    assert not result.diagnostics
    assert scene.world.objects["id0"].status is State.ACTIVE


def test_older_evidence_is_gathered_again_before_the_activation() -> None:
    scene = stage()
    result = activate_later(301.0, PlayedDoor(scene), gates_for(A, waivers=not_connectable(A)), scene)
    assert [d.code for d in result.diagnostics] == ["gate.failed"]
    assert scene.world.objects["id0"].status is State.INACTIVE


def test_evidence_is_as_old_as_the_first_answer_of_it() -> None:
    """A slow host: the checks ended just now, but the first answer is minutes old."""
    scene = stage()
    door = PlayedDoor(scene, seconds=6.0)
    result = activate_later(290.0, door, gates_for(A, waivers=not_connectable(A)), scene)
    assert [d.code for d in result.diagnostics] == ["gate.failed"]


def test_hosts_that_nobody_plays_are_not_asked() -> None:
    scene = stage()
    door = PlayedDoor(scene)
    gates = gates_for(A, waivers=not_connectable(A), hosts=frozenset())
    applied = walk(scene, gates, door, A)
    assert door.asked == []
    assert applied.outcomes["activate mcp_server.a"] is Outcome.DONE
    skipped = {r.check for r in gates.found[A.address].results if r.verdict is Verdict.SKIP}
    assert {"mcp.challenge", "mcp.prm"} <= skipped


def test_without_gates_the_live_systems_word_is_enough() -> None:
    scene = stage()
    record = scene.put(A, "id0", State.INACTIVE)
    plan = plan_of([gate_of(A), activation_of(A)], [A])
    applied = asyncio.run(scene.apply(plan, snapshot_of(record)))
    assert set(applied.outcomes.values()) == {Outcome.DONE}


def test_what_is_related_is_looked_up_with_what_is_needed() -> None:
    custom = Resource(Address("authorization_server.todo"), "authorization_server", {})
    row = Resource(
        A.address.child("authorization_server", "todo"),
        "association",
        {"type": "OKTA"},
        refs={"mcp_server": A.address, "authorization_server": custom.address},
    )
    gates = gates_for(A, custom, row)
    assert gates.related(A.address, [row.address]) == {custom.address}
    gates.seen[custom.address] = (0.0, None)
    assert gates.recent([custom.address], 299.0) == {custom.address: None}
    assert gates.recent([custom.address], 301.0) == {}
