from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.snapshot import Snapshot
from reconciler.plan.planner import Options
from reconciler.plan.refresh import refreshed
from tests.unit.plan.stage import actions, client, configured, external, okta, planned, server
from tests.unit.plan.world import World, run

BLOCKS: dict[str, dict[str, dict[str, Any]]] = {
    "authorization_servers": {"gh": external(), "todo": okta("read")},
    "client_registrations": {"app": client("gh")},
    "mcp_servers": {"m": server("gh", "todo", display_name="M")},
}
SERVER = Address("mcp_server.m")


def applied() -> tuple[World, Snapshot]:
    world = World()
    return world, run(world, planned(configured(BLOCKS)), Snapshot("l"))


def test_an_unchanged_world_leaves_the_snapshot_alone() -> None:
    world, snapshot = applied()
    assert refreshed(snapshot, world.observe()) is snapshot


def test_what_differs_is_taken_over_and_is_no_drift_any_more() -> None:
    world, snapshot = applied()
    thing = world.things[snapshot.records[SERVER].id]
    thing.attributes["display_name"] = "Meddled"
    thing.attributes["unmanaged"] = "whatever"
    thing.status = "INACTIVE"
    found = refreshed(snapshot, world.observe())
    record = found.records[SERVER]
    assert (record.attributes["display_name"], record.status) == ("Meddled", State.INACTIVE)
    assert "unmanaged" not in record.attributes and found.serial == snapshot.serial
    plan = planned(configured(BLOCKS), found, world.observe(), Options(operation="refresh-only"))
    assert plan.drift == ()
    assert actions(planned(configured(BLOCKS), found, world.observe())) == {"mcp_server.m": "update"}


def test_what_is_gone_is_left_out_with_what_belonged_to_it() -> None:
    world, snapshot = applied()
    world.vanish(world.things[snapshot.records[SERVER].id])
    found = refreshed(snapshot, world.observe())
    assert set(found.records) == {"authorization_server.todo"} and found.faults() == []


def test_secrets_stay_as_they_were_recorded() -> None:
    world, snapshot = applied()
    meddled = copy.deepcopy(world)
    meddled.things[snapshot.records[SERVER].id].attributes["display_name"] = "Meddled"
    found = refreshed(snapshot, meddled.observe())
    address = Address("mcp_server.m/client_registration.app")
    assert found.records[address].attributes["client_secret"] == {"env": "SECRET"}


def test_a_state_that_was_on_its_way_is_told_as_a_change_by_nobody() -> None:
    world, snapshot = applied()
    pending = snapshot.with_record(replace(snapshot.records[SERVER], status=State.PENDING))
    thing = world.things[snapshot.records[SERVER].id]
    for status, told in (("INACTIVE", 0), ("INVALID", 1), ("ACTIVE", 1)):
        thing.status = status
        assert len(planned(configured(BLOCKS), pending, world.observe()).drift) == told
        only = planned(configured(BLOCKS), pending, world.observe(), Options(operation="refresh-only"))
        assert len(only.drift) == 1
