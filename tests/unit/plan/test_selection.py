from __future__ import annotations

import copy
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.planner import Options
from tests.unit.plan.stage import actions, client, codes, configured, external, okta, planned, server
from tests.unit.plan.world import World, run

BLOCKS: dict[str, dict[str, dict[str, Any]]] = {
    "authorization_servers": {"gh": external(), "todo": okta("read")},
    "client_registrations": {"app": client("gh")},
    "mcp_servers": {
        "a": server("todo", url="https://a.example"),
        "b": server("gh", url="https://b.example"),
        "c": server("todo", url="https://c.example"),
    },
}
TODO = "authorization_server.todo"
A = {"mcp_server.a", "mcp_server.a/authorization_server.todo"}
B = {"mcp_server.b", "mcp_server.b/authorization_server.gh", "mcp_server.b/client_registration.app"}
C = {"mcp_server.c", "mcp_server.c/authorization_server.todo"}


def options(targets: tuple[str, ...] = (), excludes: tuple[str, ...] = (), **more: Any) -> Options:
    allowed = frozenset({"mass-deletion", "replace-active"})
    chosen = frozenset(map(Address, targets)), frozenset(map(Address, excludes))
    return Options(targets=chosen[0], excludes=chosen[1], allowed=allowed, **more)


def applied() -> tuple[World, Snapshot]:
    world = World()
    return world, run(world, planned(configured(BLOCKS)), Snapshot("l"))


def fresh(*targets: str, excludes: tuple[str, ...] = ()) -> Plan:
    return planned(configured(BLOCKS), options=options(targets, excludes))


@pytest.mark.parametrize(
    ("targets", "expected"),
    [
        (("mcp_server.a",), A | {TODO}),
        (("mcp_server.b/client_registration.app",), B),
        ((TODO,), {TODO}),
        (("mcp_server.a", "mcp_server.b"), A | B | {TODO}),
    ],
)
def test_a_target_comes_with_all_that_it_needs(targets: tuple[str, ...], expected: set[str]) -> None:
    plan = fresh(*targets)
    assert set(actions(plan)) == expected
    assert {str(c.address) for c in plan.changes} == expected
    assert codes(plan) == ["plan.partial"] and not plan.diagnostics[0].is_error


@pytest.mark.parametrize(
    ("excludes", "expected"),
    [(("mcp_server.a",), B | C | {TODO}), ((TODO,), B), (("mcp_server.b/client_registration.app",), A | C | {TODO})],
)
def test_what_is_excluded_keeps_out_all_that_needs_it(excludes: tuple[str, ...], expected: set[str]) -> None:
    assert set(actions(fresh(excludes=excludes))) == expected


def test_exclusion_wins_over_targets() -> None:
    assert set(actions(fresh("mcp_server.a", "mcp_server.c", excludes=("mcp_server.c",)))) == A | {TODO}


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(Refused) as caught:
        fresh("mcp_server.aa", "authorization_server.nothing")
    assert [d.code for d in caught.value.diagnostics] == ["plan.unknown-address"] * 2
    assert "mcp_server.a?" in caught.value.diagnostics[1].detail


def test_destroying_a_target_takes_along_what_needs_it() -> None:
    world, snapshot = applied()
    plan = planned(configured(BLOCKS), snapshot, world.observe(), options((TODO,), operation="destroy"))
    assert set(actions(plan)) == {TODO} | A | C
    left = run(world, plan, snapshot)
    assert set(map(str, left.records)) == B


def test_what_an_excluded_resource_needs_is_not_unmade() -> None:
    world, snapshot = applied()
    plan = planned(configured(), snapshot, world.observe(), options((), ("mcp_server.a",)))
    assert set(actions(plan)) == B | C
    assert TODO in run(world, plan, snapshot).records


def test_a_targeted_replacement_takes_along_what_belongs_to_it() -> None:
    world, snapshot = applied()
    chosen = options((TODO,), replaces=frozenset({Address(TODO)}))
    plan = planned(configured(BLOCKS), snapshot, world.observe(), chosen)
    found = actions(plan)
    assert found[TODO] == "replace" and found["mcp_server.a/authorization_server.todo"] == "replace"
    assert found["mcp_server.a"] == "update" and not set(found) & B
    for seed in range(20):
        other = copy.deepcopy(world)
        done = run(other, plan, snapshot, seed)
        assert actions(planned(configured(BLOCKS), done, other.observe())) == {}


def test_every_instance_of_a_target_is_meant() -> None:
    blocks = {
        "authorization_servers": {"todo": okta("read")},
        "mcp_servers": {f'a["{n}"]': server("todo", url=f"https://{n}.example") for n in "xy"},
    }
    plan = planned(configured(blocks), options=options(("mcp_server.a",)))
    assert len(actions(plan)) == 5
