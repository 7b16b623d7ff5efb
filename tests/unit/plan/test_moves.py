from __future__ import annotations

import copy
from typing import Any

import pytest

from reconciler.config.configuration import Moved
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Record
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action
from reconciler.plan.moves import relocate
from reconciler.plan.step import Op
from tests.unit.plan.stage import HERE, actions, change, client, configured, external, okta, planned, server
from tests.unit.plan.world import World, run

STS: dict[str, dict[str, dict[str, Any]]] = {
    "authorization_servers": {"gh": external(), "todo": okta("read")},
    "client_registrations": {"app": client("gh")},
    "mcp_servers": {"m": server("gh", "todo")},
}


def record(address: str, *refs: str) -> Record:
    held = Address(address)
    targets = {f"role{n}": Address(target) for n, target in enumerate(refs)}
    needs = tuple(Need(target, NeedSort.EXISTS) for target in targets.values())
    return Record(held, held.kind, f"id-{address}", {}, State.ACTIVE, needs, targets)


def places(records: list[Record], *moves: tuple[str, str]) -> dict[str, str]:
    moved = [Moved(Address(source), Address(target), HERE) for source, target in moves]
    found = relocate({r.address: r for r in records}, moved)
    assert not found.diagnostics, found.diagnostics
    return {str(r.address): r.id.removeprefix("id-") for r in found.records.values()}


def test_what_is_nested_moves_along() -> None:
    records = [record("mcp_server.a"), record("mcp_server.a/authorization_server.x", "mcp_server.a")]
    assert places(records, ("mcp_server.a", "mcp_server.b")) == {
        "mcp_server.b": "mcp_server.a",
        "mcp_server.b/authorization_server.x": "mcp_server.a/authorization_server.x",
    }


def test_what_is_named_after_it_moves_along() -> None:
    records = [record("mcp_server.a"), record("mcp_server.a/authorization_server.x", "mcp_server.a")]
    moved = places(records, ("authorization_server.x", "authorization_server.y"), ("mcp_server.a", "mcp_server.b"))
    assert moved["mcp_server.b/authorization_server.y"] == "mcp_server.a/authorization_server.x"


def test_a_chain_is_followed_to_its_end() -> None:
    moves = [("mcp_server.b", "mcp_server.c"), ("mcp_server.a", "mcp_server.b")]
    assert places([record("mcp_server.a")], *moves) == {"mcp_server.c": "mcp_server.a"}
    assert places([record("mcp_server.b")], *moves) == {"mcp_server.c": "mcp_server.b"}


def test_a_move_without_a_key_moves_every_instance() -> None:
    records = [record('mcp_server.a["x"]'), record('mcp_server.a["y"]')]
    assert places(records, ("mcp_server.a", "mcp_server.b")) == {
        'mcp_server.b["x"]': 'mcp_server.a["x"]',
        'mcp_server.b["y"]': 'mcp_server.a["y"]',
    }
    assert places([record("mcp_server.a")], ("mcp_server.a", 'mcp_server.a["x"]')) == {
        'mcp_server.a["x"]': "mcp_server.a"
    }


def test_references_follow() -> None:
    records = {
        r.address: r for r in [record("authorization_server.x"), record("mcp_server.a", "authorization_server.x")]
    }
    move = Moved(Address("authorization_server.x"), Address("authorization_server.y"), HERE)
    found = relocate(records, [move]).records[Address("mcp_server.a")]
    assert found.refs == {"role0": "authorization_server.y"}
    assert [need.target for need in found.needs] == ["authorization_server.y"]


@pytest.mark.parametrize(
    ("moves", "code"),
    [
        ([("mcp_server.a", "mcp_server.b")], "plan.move-conflict"),
        ([("mcp_server.a", "mcp_server.c"), ("mcp_server.b", "mcp_server.c")], "plan.move-conflict"),
        ([("mcp_server.a", "mcp_server.b"), ("mcp_server.b", "mcp_server.a")], "plan.move-cycle"),
    ],
)
def test_moves_that_can_not_be(moves: list[tuple[str, str]], code: str) -> None:
    records = {r.address: r for r in [record("mcp_server.a"), record("mcp_server.b")]}
    with pytest.raises(Refused) as caught:
        planned(configured(moved=moves), Snapshot("l", 1, records), None)
    assert {d.code for d in caught.value.diagnostics} == {code}


def test_a_rename_changes_nothing_in_the_live_system() -> None:
    world = World()
    snapshot = run(world, planned(configured(STS)), Snapshot("l"))
    renamed = copy.deepcopy(STS)
    renamed["mcp_servers"]["n"] = renamed["mcp_servers"].pop("m")
    renamed["mcp_servers"]["n"]["authorization_servers"] = ["hub", "tasks"]
    renamed["authorization_servers"] = {"hub": external(), "tasks": okta("read", name="todo")}
    renamed["client_registrations"] = {"cli": client("hub", name="app")}
    moves = [
        ("mcp_server.m", "mcp_server.n"),
        ("authorization_server.gh", "authorization_server.hub"),
        ("authorization_server.todo", "authorization_server.tasks"),
        ("client_registration.app", "client_registration.cli"),
    ]
    configuration = configured(renamed, moved=moves)
    plan = planned(configuration, snapshot, world.observe())
    assert set(actions(plan).values()) == {"move"} and {s.op for s in plan.steps} == {Op.MOVE}
    assert change(plan, "mcp_server.n/authorization_server.hub").moved_from == "mcp_server.m/authorization_server.gh"
    before = {r.id for r in snapshot.records.values()}
    for seed in range(20):
        found = run(copy.deepcopy(world), plan, snapshot, seed)
        assert {r.id for r in found.records.values()} == before
        assert actions(planned(configuration, found, world.observe())) == {}


def test_a_move_and_a_change_at_once() -> None:
    world = World()
    snapshot = run(world, planned(configured(STS)), Snapshot("l"))
    renamed = copy.deepcopy(STS)
    renamed["mcp_servers"]["n"] = renamed["mcp_servers"].pop("m") | {"description": "new"}
    plan = planned(configured(renamed, moved=[("mcp_server.m", "mcp_server.n")]), snapshot, world.observe())
    found = change(plan, "mcp_server.n")
    assert (found.action, found.moved_from) == (Action.UPDATE, "mcp_server.m")
    assert actions(planned(configured(renamed), run(world, plan, snapshot, 1), world.observe())) == {}


def test_the_old_name_may_be_given_away_at_once() -> None:
    world = World()
    snapshot = run(world, planned(configured(STS)), Snapshot("l"))
    both = copy.deepcopy(STS)
    both["mcp_servers"]["n"] = copy.deepcopy(both["mcp_servers"]["m"])
    both["mcp_servers"]["m"]["resource_url"] = "https://another.example/mcp"
    configuration = configured(both, moved=[("mcp_server.m", "mcp_server.n")])
    plan = planned(configuration, snapshot, world.observe())
    assert actions(plan)["mcp_server.m"] == "create" and actions(plan)["mcp_server.n"] == "move"
    for seed in range(20):
        other = copy.deepcopy(world)
        found = run(other, plan, snapshot, seed)
        assert found.records[Address("mcp_server.n")].id == snapshot.records[Address("mcp_server.m")].id
        again = planned(configured(both), found, other.observe())
        assert actions(again) == {}
