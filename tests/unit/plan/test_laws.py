"""The eight laws of order: each walked in many permitted orders, each shown to break something when switched off."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.model.snapshot import Snapshot
from reconciler.plan import consequences, laws, planner
from reconciler.plan.lowering import lower
from tests.unit.plan.stage import (
    actions,
    change,
    client,
    comes_before,
    configured,
    external,
    okta,
    path_of,
    planned,
    server,
)
from tests.unit.plan.world import Broken, World, run

Blocks = dict[str, dict[str, dict[str, Any]]]
ORDERS = 40

XAA: Blocks = {"authorization_servers": {"todo": okta("read")}, "mcp_servers": {"m": server("todo")}}
STS: Blocks = {
    "authorization_servers": {"gh": external()},
    "client_registrations": {"app": client("gh")},
    "mcp_servers": {"m": server("gh")},
}


def changed(blocks: Blocks, *edits: Callable[[Blocks], Any]) -> Blocks:
    found = copy.deepcopy(blocks)
    for edit in edits:
        edit(found)
    return found


def put(section: str, name: str, **values: Any) -> Callable[[Blocks], Any]:
    return lambda blocks: blocks[section][name].update(values)


class Story(NamedTuple):
    """A configuration that is there, and what it becomes."""

    before: Blocks
    after: Blocks


def prepared(story: Story) -> tuple[World, Snapshot]:
    world = World({"https://mcp.example/mcp": ["https://issuer.example"]})
    return world, run(world, planned(configured(story.before)), Snapshot("lineage"))


def walk_in_many_orders(story: Story) -> None:
    """Plan and walk; raises Broken, Refused or KeyError at the first order in which something breaks."""
    world, snapshot = prepared(story)
    plan = planned(configured(story.after), snapshot, world.observe())
    goal = copy.deepcopy(world)
    run(goal, plan, snapshot)
    for seed in range(ORDERS):
        run(copy.deepcopy(world), plan, snapshot, seed, goal.grants())


TWO: Blocks = {
    "authorization_servers": {"old": okta("read"), "new": okta("read", name="other")},
    "mcp_servers": {"m": server("old")},
}
EMPTY: Blocks = {}
STORIES = {
    "make_needed_first": Story(EMPTY, STS),
    "unmake_dependents_first": Story(STS, EMPTY),
    "let_go_first": Story(TWO, changed(TWO, put("mcp_servers", "m", authorization_servers=["new"]))),
    "unmake_old_first": Story(STS, changed(STS, put("client_registrations", "app", client_id="id-2"))),
    "activate_when_ready": Story(EMPTY, XAA),
    "stop_dependents_first": Story(XAA, EMPTY),
    "grant_nothing_between": Story(
        XAA,
        changed(
            XAA,
            put("authorization_servers", "todo", scopes=["read", "admin"]),
            put("mcp_servers", "m", status="inactive"),
        ),
    ),
}
BY_NAME = {law.__name__: law for law in laws.LAWS}


def test_every_law_has_its_story() -> None:
    assert list(STORIES) == list(BY_NAME)


@pytest.mark.parametrize("name", BY_NAME)
def test_with_all_laws_every_permitted_order_is_sound(name: str) -> None:
    walk_in_many_orders(STORIES[name])


@pytest.mark.parametrize("name", BY_NAME)
def test_a_law_switched_off_breaks_its_story(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple(law for law in laws.LAWS if law.__name__ != name)
    monkeypatch.setattr(planner, "lower", partial(lower, laws=others))
    with pytest.raises((Broken, KeyError)):
        walk_in_many_orders(STORIES[name])


REPLACED = Story(STS, changed(STS, put("mcp_servers", "m", resource_url="https://moved.example/mcp")))


def test_what_refers_to_a_replaced_resource_is_replaced_too(monkeypatch: pytest.MonkeyPatch) -> None:
    walk_in_many_orders(REPLACED)
    world, snapshot = prepared(REPLACED)
    plan = planned(configured(REPLACED.after), snapshot, world.observe())
    assert set(actions(plan).values()) == {"replace"}
    assert change(plan, "mcp_server.m/authorization_server.gh").reason.code == "replace_by_triggers"  # type: ignore[union-attr]

    monkeypatch.setattr(consequences, "replace_dependents", lambda decisions, ties: dict(decisions))
    with pytest.raises((Broken, KeyError, Refused)):
        walk_in_many_orders(REPLACED)


def test_what_gains_access_gains_it_after_what_it_reaches_is_narrowed() -> None:
    start = changed(
        XAA, put("mcp_servers", "m", status="inactive"), put("authorization_servers", "todo", scopes=["admin"])
    )
    story = Story(start, XAA)
    walk_in_many_orders(story)
    world, snapshot = prepared(story)
    plan = planned(configured(story.after), snapshot, world.observe())
    assert comes_before(plan, "update authorization_server.todo", "activate mcp_server.m")


def test_what_is_let_go_is_stopped_before_the_access_it_would_give() -> None:
    both = changed(XAA, lambda b: b["authorization_servers"].update(gh=external()))
    both["client_registrations"] = {"app": client("gh")}
    start = changed(both, put("mcp_servers", "m", authorization_servers=["gh", "todo"], status="inactive"))
    walk_in_many_orders(Story(start, both))


def test_a_need_that_is_stopped_for_a_time_restarts_what_needs_it() -> None:
    story = STORIES["unmake_old_first"]
    world, snapshot = prepared(story)
    plan = planned(configured(story.after), snapshot, world.observe())
    assert path_of(plan, "mcp_server.m") == ["deactivate", "activate"]
    assert path_of(plan, "mcp_server.m/authorization_server.gh") == ["deactivate", "activate"]
    assert comes_before(plan, "deactivate mcp_server.m", "delete mcp_server.m/client_registration.app")
    assert comes_before(plan, "create mcp_server.m/client_registration.app", "activate mcp_server.m")


def test_what_changes_hands_keeps_running() -> None:
    """The new need is ready before the old one is stopped, so that the server is never without."""
    story = STORIES["let_go_first"]
    world, snapshot = prepared(story)
    plan = planned(configured(story.after), snapshot, world.observe())
    assert path_of(plan, "mcp_server.m") == []
    new, old = "mcp_server.m/authorization_server.new", "mcp_server.m/authorization_server.old"
    assert comes_before(plan, f"activate {new}", f"deactivate {old}")


def test_what_can_only_change_hands_one_after_the_other_restarts() -> None:
    """The new association takes the natural key of the old one, so it can't be made beforehand."""
    renamed = changed(STS, lambda b: b["authorization_servers"].update(hub=b["authorization_servers"].pop("gh")))
    renamed["mcp_servers"]["m"]["authorization_servers"] = ["hub"]
    renamed["client_registrations"]["app"]["authorization_server"] = "hub"
    story = Story(STS, renamed)
    walk_in_many_orders(story)
    world, snapshot = prepared(story)
    plan = planned(configured(renamed), snapshot, world.observe())
    assert path_of(plan, "mcp_server.m") == ["deactivate", "activate"]


def test_a_discovered_row_is_awaited_once_its_server_is_registered() -> None:
    discovered = changed(STS, put("mcp_servers", "m", registration="discovered"))
    plan = planned(configured(discovered))
    row = "discover mcp_server.m/authorization_server.gh"
    assert comes_before(plan, "register mcp_server.m", row)
    assert comes_before(plan, row, "create mcp_server.m/client_registration.app")
    assert comes_before(plan, "create mcp_server.m/client_registration.app", "activate mcp_server.m")
    walk_in_many_orders(Story(EMPTY, discovered))
    walk_in_many_orders(Story(discovered, EMPTY))
    walk_in_many_orders(Story(STS, discovered))
    walk_in_many_orders(Story(discovered, STS))
