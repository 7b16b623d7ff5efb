from __future__ import annotations

import copy
from typing import Any

import pytest

from reconciler.config.settings import GuardSettings
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.planner import Options
from tests.unit.plan.stage import client, codes, configured, external, okta, planned, server
from tests.unit.plan.world import World, run

Blocks = dict[str, dict[str, dict[str, Any]]]
ONE: Blocks = {
    "authorization_servers": {"todo": okta("read"), "gh": external()},
    "client_registrations": {"app": client("gh")},
    "mcp_servers": {"m": server("gh", "todo", protect=True)},
}
MANY: Blocks = {
    "authorization_servers": {f"s{n}": okta("read", name=f"S{n}") for n in range(10)},
}


def after(before: Blocks, blocks: Blocks, options: Options | None = None, guards: GuardSettings | None = None) -> Plan:
    world = World()
    snapshot = run(world, planned(configured(before)), Snapshot("l"))
    configuration = configured(blocks, guards=guards or GuardSettings())
    return planned(configuration, snapshot, world.observe(), options or Options())


def without(blocks: Blocks, section: str, *names: str) -> Blocks:
    found = copy.deepcopy(blocks)
    for name in names:
        del found[section][name]
    return found


def edited(blocks: Blocks, section: str, name: str, **values: Any) -> Blocks:
    found = copy.deepcopy(blocks)
    found[section][name].update(values)
    return found


def test_protection_outlives_the_block() -> None:
    plan = after(ONE, without(without(ONE, "mcp_servers", "m"), "client_registrations", "app"))
    found = {d.address for d in plan.diagnostics if d.code == "guard.protected"}
    assert found == {"mcp_server.m", "mcp_server.m/authorization_server.gh", "mcp_server.m/authorization_server.todo"}
    assert not plan.is_applyable and plan.steps


def test_what_is_protected_is_not_replaced() -> None:
    plan = after(ONE, edited(ONE, "mcp_servers", "m", resource_url="https://other.example/mcp"))
    assert "mcp_server.m" in {d.address for d in plan.diagnostics if d.code == "guard.protected"}


def test_what_is_protected_is_not_destroyed() -> None:
    plan = after(ONE, ONE, Options(operation="destroy"))
    assert "guard.protected" in codes(plan)


def test_no_flag_lifts_protection() -> None:
    allowed = frozenset({"protected", "guard.protected", "mass-deletion", "replace-active"})
    assert "guard.protected" in codes(after(ONE, ONE, Options(operation="destroy", allowed=allowed)))


def test_the_configuration_lifts_protection_also_for_what_is_nested() -> None:
    lifted = edited(ONE, "mcp_servers", "m", protect=False, authorization_servers=["gh"])
    assert codes(after(ONE, lifted)) == []
    kept = edited(ONE, "mcp_servers", "m", authorization_servers=["gh"])
    assert codes(after(ONE, kept)) == ["guard.protected"]


def test_what_is_protected_may_be_changed_in_place() -> None:
    assert codes(after(ONE, edited(ONE, "mcp_servers", "m", display_name="New"))) == []


@pytest.mark.parametrize(
    ("deleted", "most", "percent", "refused"),
    [(3, 3, 10, False), (4, 3, 30, True), (4, 3, 40, False), (4, 4, 10, False), (10, 0, 99, True), (10, 0, 100, False)],
)
def test_many_deletions_at_once(deleted: int, most: int, percent: int, refused: bool) -> None:
    left = without(MANY, "authorization_servers", *(f"s{n}" for n in range(deleted)))
    guards = GuardSettings(max_deletes=most, max_delete_percent=percent)
    assert codes(after(MANY, left, guards=guards)) == (["guard.mass-deletion"] if refused else [])
    assert codes(after(MANY, left, Options(allowed=frozenset({"mass-deletion"})), guards)) == []


def test_destroying_is_meant() -> None:
    assert codes(after(MANY, MANY, Options(operation="destroy"))) == []


BARE = edited(ONE, "mcp_servers", "m", protect=False)


def test_replacing_an_active_server_has_to_be_allowed() -> None:
    moved = edited(BARE, "mcp_servers", "m", resource_url="https://other.example/mcp")
    plan = after(BARE, moved)
    assert codes(plan) == ["guard.replace-active"]
    assert "-allow=replace-active" in plan.diagnostics[0].detail
    assert codes(after(BARE, moved, Options(allowed=frozenset({"replace-active"})))) == []


def test_an_inactive_server_may_be_replaced() -> None:
    resting = edited(BARE, "mcp_servers", "m", status="inactive")
    assert codes(after(resting, edited(resting, "mcp_servers", "m", resource_url="https://other.example/mcp"))) == []


def test_deleting_a_server_and_making_it_again_under_another_name_is_replacing_it() -> None:
    renamed = copy.deepcopy(BARE)
    renamed["mcp_servers"]["n"] = renamed["mcp_servers"].pop("m")
    plan = after(BARE, renamed, guards=GuardSettings(max_deletes=100))
    (found,) = plan.diagnostics
    assert (found.code, found.address) == ("guard.replace-active", "mcp_server.m")
    assert "moved block" in found.detail
