"""What becomes of a resource, and why: from every combination of desired, recorded and observed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from reconciler.diff import ABSENT
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Observed
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.planner import Options
from reconciler.plan.step import Op
from tests.unit.plan.stage import (
    actions,
    change,
    client,
    codes,
    comes_before,
    configured,
    external,
    okta,
    path_of,
    planned,
    server,
    step,
)
from tests.unit.plan.world import World, run

Blocks = dict[str, dict[str, dict[str, Any]]]

XAA: Blocks = {"authorization_servers": {"todo": okta("read")}, "mcp_servers": {"m": server("todo", display_name="M")}}
STS: Blocks = {
    "authorization_servers": {"gh": external()},
    "client_registrations": {"app": client("gh")},
    "mcp_servers": {"m": server("gh", display_name="M")},
}
SERVER, ROW, CLIENT = "mcp_server.m", "mcp_server.m/authorization_server.gh", "mcp_server.m/client_registration.app"


class Place:
    """A live system in which `blocks` have been applied."""

    def __init__(self, blocks: Blocks, published: dict[str, list[str]] | None = None) -> None:
        self.blocks = copy.deepcopy(blocks)
        self.world = World(published)
        self.snapshot = run(self.world, planned(configured(blocks)), Snapshot("lineage"))

    def plan(self, options: Options | None = None, **instructions: Any) -> Plan:
        configuration = configured(self.blocks, **instructions)
        return planned(configuration, self.snapshot, self.world.observe(), options)

    def settle(self, **instructions: Any) -> Plan:
        """Plan and walk; returns the plan that comes after, with the same instructions."""
        plan = self.plan(**instructions)
        assert not codes(plan)
        self.snapshot = run(self.world, plan, self.snapshot)
        return self.plan(**instructions)

    def thing(self, address: str) -> Any:
        return self.world.things[self.snapshot.records[Address(address)].id]


def test_nothing_to_do_is_said_of_every_resource() -> None:
    place = Place(STS)
    plan = place.plan()
    assert [(c.address, c.action) for c in plan.changes] == [(SERVER, "none"), (ROW, "none"), (CLIENT, "none")]
    assert (plan.steps, plan.desired, plan.drift, plan.is_applyable) == ((), {}, (), False)


def test_a_plan_says_what_it_was_made_against() -> None:
    place = Place(XAA)
    basis = place.plan(Options(lifetime_seconds=3600)).basis
    assert (basis.lineage, basis.serial, basis.workspace, basis.operation) == ("lineage", 1, "default", "apply")
    assert (basis.created, basis.expires) == ("2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z")
    assert basis.configuration == configured(XAA).digest


def test_a_changed_attribute_is_updated_in_place() -> None:
    place = Place(XAA)
    place.blocks["mcp_servers"]["m"]["display_name"] = "New"
    plan = place.plan()
    assert actions(plan) == {SERVER: "update"}
    found = change(plan, SERVER)
    assert (found.before or {})["display_name"] == "M" and (found.after or {})["display_name"] == "New"
    assert [(s.op, s.changed, s.waits) for s in plan.steps] == [(Op.UPDATE, ("display_name",), ())]
    assert set(plan.desired) == {SERVER}


def test_an_omitted_attribute_is_no_longer_managed() -> None:
    place = Place(XAA)
    del place.blocks["mcp_servers"]["m"]["display_name"]
    assert actions(place.plan()) == {}


def test_what_the_live_system_only_spells_differently_is_left_alone() -> None:
    blocks = copy.deepcopy(XAA)
    blocks["mcp_servers"]["m"]["resource_url"] = "https://mcp.example/mcp/"
    place = Place(blocks)
    place.thing(SERVER).attributes["resource_url"] = "https://mcp.example/mcp"
    plan = place.plan()
    assert (actions(plan), plan.drift) == ({}, ())


def test_only_the_status_changes() -> None:
    place = Place(XAA)
    place.blocks["mcp_servers"]["m"]["status"] = "inactive"
    assert path_of(place.plan(), SERVER) == ["deactivate"]
    assert actions(place.settle()) == {}
    place.blocks["mcp_servers"]["m"]["status"] = "active"
    plan = place.plan()
    assert path_of(plan, SERVER) == ["activate"]
    assert change(plan, SERVER).waits_for == ("mcp_server.m/authorization_server.todo",)
    assert step(plan, "verify mcp_server.m").needs == ("mcp_server.m/authorization_server.todo",)


def test_an_attribute_changes_after_it_is_deactivated_and_before_it_is_activated() -> None:
    place = Place(XAA)
    place.blocks["mcp_servers"]["m"] |= {"status": "inactive", "display_name": "New"}
    assert comes_before(place.plan(), "deactivate mcp_server.m", "update mcp_server.m")
    place.settle()
    place.blocks["mcp_servers"]["m"] |= {"status": "active", "display_name": "Newer"}
    assert comes_before(place.plan(), "update mcp_server.m", "activate mcp_server.m")


def test_an_immutable_attribute_replaces_and_says_so() -> None:
    place = Place(STS)
    place.blocks["mcp_servers"]["m"]["resource_url"] = "https://other.example/mcp"
    plan = place.plan()
    assert actions(plan) == {SERVER: "replace", ROW: "replace", CLIENT: "replace"}
    reason = change(plan, SERVER).reason
    assert reason and (reason.code, reason.text) == (
        "replace_because_cannot_update",
        "resource_url can't change in place",
    )
    assert path_of(plan, SERVER) == ["deactivate", "delete", "create", "register", "activate"]
    assert comes_before(plan, "delete mcp_server.m", "create mcp_server.m")


def test_a_secret_of_another_name_or_version_is_sent_again() -> None:
    place = Place(STS)
    place.blocks["client_registrations"]["app"]["client_secret_version"] = 2
    plan = place.plan()
    (difference,) = change(plan, CLIENT).differences
    assert (difference.path, difference.before, difference.after) == (("client_secret_version",), ABSENT, 2)
    assert step(plan, f"update {CLIENT}").changed == ("client_secret_version",)
    assert actions(place.settle()) == {}
    place.blocks["client_registrations"]["app"]["client_secret"] = {"env": "OTHER"}
    (difference,) = change(place.plan(), CLIENT).differences
    assert difference.secret and difference.after == {"env": "OTHER"}


def test_what_was_deleted_behind_our_back_is_made_again() -> None:
    place = Place(STS)
    place.world.vanish(place.thing(CLIENT))
    plan = place.plan()
    assert actions(plan) == {CLIENT: "create"}
    assert change(plan, CLIENT).reason and "outside" in change(plan, CLIENT).reason.text  # type: ignore[union-attr]
    assert [(c.address, c.action) for c in plan.drift] == [(CLIENT, "delete")]


def test_what_is_gone_and_not_wanted_is_forgotten() -> None:
    place = Place(STS)
    place.world.vanish(place.thing(SERVER))
    place.blocks = {}
    plan = place.plan()
    assert set(actions(plan).values()) == {"forget"}
    assert {s.op for s in plan.steps} == {Op.FORGET}


def test_what_leaves_the_configuration_is_deleted() -> None:
    place = Place(STS)
    place.blocks = {}
    plan = place.plan()
    assert actions(plan) == {SERVER: "delete", ROW: "delete", CLIENT: "delete"}
    found = change(plan, SERVER)
    assert found.reason and found.reason.code == "delete_because_no_resource_config"
    assert (found.status_after, found.after) == (State.DELETED, None)


def test_a_removed_block_leaves_the_object_alone() -> None:
    place = Place(STS)
    place.blocks = {}
    plan = place.plan(removed=[(SERVER, False)])
    assert set(actions(plan).values()) == {"forget"}
    things = len(place.world.things)
    place.settle(removed=[(SERVER, False)])
    assert (len(place.world.things), place.snapshot.records) == (things, {})


def test_a_removed_block_that_destroys_deletes() -> None:
    place = Place(STS)
    place.blocks = {}
    assert set(actions(place.plan(removed=[(SERVER, True)])).values()) == {"delete"}


@pytest.mark.parametrize(
    ("status", "path"),
    [
        ("INVALID", ["revalidate", "activate"]),
        ("PENDING", ["register", "activate"]),
        ("INACTIVE", ["activate"]),
    ],
)
def test_the_way_back_from_any_state(status: str, path: list[str]) -> None:
    place = Place(STS)
    place.thing(SERVER).status = status
    plan = place.plan()
    assert path_of(plan, SERVER) == path
    assert [c.status_after for c in plan.drift] == [status]
    assert actions(place.settle()) == {}


def test_what_is_invalid_is_corrected_before_it_is_validated_again() -> None:
    place = Place(STS)
    place.thing(ROW).status = "INVALID"
    place.blocks["authorization_servers"]["gh"]["token_endpoint"] = "https://issuer.example/better"
    plan = place.plan()
    assert comes_before(plan, f"update {ROW}", f"revalidate {ROW}")
    assert comes_before(plan, f"revalidate {ROW}", f"verify {ROW}")


def test_what_is_invalid_can_be_deleted_at_once() -> None:
    place = Place(XAA)
    place.thing(SERVER).status = "INVALID"
    place.blocks = {}
    assert path_of(place.plan(), SERVER) == ["delete"]


def test_the_live_systems_reason_is_passed_on() -> None:
    place = Place(XAA)
    observed = [
        replace(o, status=State.INVALID, reason="no metadata") if o.kind == "mcp_server" else o
        for o in place.world.observe()
    ]
    plan = planned(configured(XAA), place.snapshot, observed)
    assert "no metadata" in change(plan, SERVER).notes["invalid"]
    assert "no metadata" in plan.drift[0].notes["invalid"]


def test_a_state_without_a_way_is_an_error_and_not_a_crash() -> None:
    place = Place(STS)
    observed = [
        replace(o, status=State.INACTIVE) if o.kind == "client_registration" else o for o in place.world.observe()
    ]
    plan = planned(configured(STS), place.snapshot, observed)
    assert codes(plan) == ["lifecycle.no-path"]
    assert plan.diagnostics[0].address == CLIENT and not plan.is_applyable


def test_without_looking_what_is_recorded_counts() -> None:
    place = Place(STS)
    place.thing(SERVER).attributes["display_name"] = "Meddled"
    assert actions(planned(configured(STS), place.snapshot, None)) == {}
    place.blocks["mcp_servers"]["m"]["display_name"] = "New"
    plan = planned(configured(place.blocks), place.snapshot, None)
    assert (actions(plan), plan.drift) == ({SERVER: "update"}, ())


def test_refresh_only_reports_drift_and_does_nothing() -> None:
    place = Place(XAA)
    place.thing(SERVER).attributes["display_name"] = "Meddled"
    place.blocks = {}
    plan = place.plan(Options(operation="refresh-only"))
    assert (plan.changes, plan.steps) == ((), ())
    (found,) = plan.drift
    assert [(d.path, d.before, d.after) for d in found.differences] == [(("display_name",), "M", "Meddled")]


def test_destroy_unmakes_everything_recorded() -> None:
    place = Place(STS)
    plan = place.plan(Options(operation="destroy"))
    assert set(actions(plan).values()) == {"delete"}
    assert run(place.world, plan, place.snapshot).records == {}
    assert place.world.things == {}


def test_replacement_on_request() -> None:
    place = Place(STS)
    plan = place.plan(Options(replaces=frozenset({Address(CLIENT)})))
    assert actions(plan)[CLIENT] == "replace"
    reason = change(plan, CLIENT).reason
    assert reason and reason.code == "replace_by_request"
    with pytest.raises(Refused, match="names no resource"):
        place.plan(Options(replaces=frozenset({Address("mcp_server.x")})))


def test_a_need_that_is_to_be_inactive_is_a_contradiction() -> None:
    place = Place(XAA)
    configuration = configured(XAA)
    address = Address("authorization_server.todo")
    resting = replace(configuration.resources[address], status=State.INACTIVE)
    configuration = replace(configuration, resources={**configuration.resources, address: resting})
    place.thing(SERVER + "/authorization_server.todo").status = "INACTIVE"
    plan = planned(configuration, place.snapshot, place.world.observe())
    assert "plan.unready-need" in codes(plan) and not plan.is_applyable


def test_a_circle_of_needs_is_refused() -> None:
    configuration = configured(XAA)
    address = Address("authorization_server.todo")
    needing = replace(configuration.resources[address], needs=(Need(Address(SERVER), NeedSort.READY),))
    with pytest.raises(Refused, match="needs itself"):
        planned(replace(configuration, resources={**configuration.resources, address: needing}))


def test_what_exists_and_is_not_ours_is_not_made_twice() -> None:
    place = Place(XAA)
    plan = planned(configured(XAA), Snapshot("other"), place.world.observe())
    found = [d for d in plan.diagnostics if d.code == "plan.already-exists"]
    assert {d.address for d in found} == {"authorization_server.todo", SERVER}
    assert "import:\n  - {to: 'mcp_server.m', id: ems2}" in next(d.detail for d in found if d.address == SERVER)
    assert not plan.is_applyable


def test_following_the_import_hints_takes_everything_over() -> None:
    place = Place(STS)
    imports: list[tuple[str, str]] = []
    records = place.snapshot.records
    place.snapshot = Snapshot("other")
    for _ in range(4):
        found = [d for d in place.plan(imports=imports).diagnostics if d.code == "plan.already-exists"]
        imports += [(str(d.address), records[d.address].id) for d in found if d.address]
    plan = place.plan(imports=imports)
    assert set(actions(plan).values()) == {"adopt", "update"}
    assert actions(place.settle(imports=imports)) == {}
    assert {r.id for r in place.snapshot.records.values()} == {r.id for r in records.values()}


def test_an_import_may_also_change_what_it_takes_over() -> None:
    place = Place(XAA)
    place.snapshot = place.snapshot.without(Address(SERVER))
    place.snapshot = Snapshot("l", 1, {a: r for a, r in place.snapshot.records.items() if not a.startswith(SERVER)})
    place.blocks["mcp_servers"]["m"]["display_name"] = "Ours"
    row = next(t.id for t in place.world.rows())
    server_id = next(t.id for t in place.world.things.values() if t.kind == "mcp_server")
    plan = place.plan(imports=[(SERVER, server_id), (SERVER + "/authorization_server.todo", row)])
    found = change(plan, SERVER)
    assert (found.action, found.importing) == ("update", server_id)
    assert comes_before(plan, "import mcp_server.m", "update mcp_server.m")
    assert step(plan, "import mcp_server.m").remote_id == server_id


@pytest.mark.parametrize(
    ("target", "remote_id", "code"),
    [
        ("mcp_server.n", "ems99", "plan.import-missing"),
        ("mcp_server.n", "ems2", "plan.import-claimed"),
        ("mcp_server.m", "ems99", "plan.import-conflict"),
    ],
)
def test_an_import_that_can_not_be(target: str, remote_id: str, code: str) -> None:
    place = Place(XAA)
    place.blocks["mcp_servers"]["n"] = server("todo", url="https://n.example/mcp")
    assert codes(place.plan(imports=[(target, remote_id)])) == [code]


def test_an_import_of_something_else_is_refused() -> None:
    place = Place(XAA)
    place.world.add(
        replace(
            place.thing(SERVER), id="ems77", attributes={"resource_url": "https://x.example", "registration": "manual"}
        )
    )
    place.blocks["mcp_servers"]["n"] = server("todo", url="https://n.example/mcp")
    plan = place.plan(imports=[("mcp_server.n", "ems77")])
    assert codes(plan) == ["plan.import-mismatch"] and "resource_url" in plan.diagnostics[0].summary


def test_an_import_needs_a_look() -> None:
    assert codes(planned(configured(XAA, imports=[(SERVER, "ems1")]), None, None)) == ["plan.import-unseen"]


DISCOVERED: Blocks = {
    "authorization_servers": {"gh": external()},
    "mcp_servers": {"m": server("gh", registration="discovered", status="inactive")},
}
PUBLISHED = {"https://mcp.example/mcp": ["https://issuer.example"]}


def test_a_discovered_row_is_awaited_and_not_made() -> None:
    plan = planned(configured(DISCOVERED))
    assert step(plan, f"discover {ROW}").op is Op.AWAIT
    assert not [s for s in plan.steps if s.op is Op.CREATE and s.address == ROW]


def test_a_discovered_row_that_is_there_is_recognised() -> None:
    place = Place(DISCOVERED, PUBLISHED)
    held = place.snapshot.records[Address(ROW)].id
    place.snapshot = place.snapshot.without(Address(ROW))
    plan = place.plan()
    assert (change(plan, ROW).action, change(plan, ROW).importing) == ("adopt", held)
    assert actions(place.settle()) == {}


def test_a_discovered_row_that_is_no_longer_declared_is_only_forgotten() -> None:
    place = Place(DISCOVERED, PUBLISHED)
    place.blocks["mcp_servers"]["m"]["authorization_servers"] = []
    assert [(s.op, s.address) for s in place.plan().steps if s.op is not Op.UPDATE] == [(Op.FORGET, ROW)]


def test_a_discovered_row_goes_with_its_server_and_is_forgotten_after() -> None:
    place = Place(DISCOVERED, PUBLISHED)
    plan = place.plan(Options(operation="destroy"))
    assert comes_before(plan, "delete mcp_server.m", f"forget {ROW}")


def test_what_is_remembered_follows_what_is_needed() -> None:
    """A server that gains an association changes nothing of its own, but the next plan has to know of its need."""
    place = Place(XAA)
    place.blocks["authorization_servers"]["more"] = okta("read", name="more")
    place.blocks["mcp_servers"]["m"]["authorization_servers"] = ["todo", "more"]
    plan = place.plan()
    assert change(plan, SERVER).action == "none"
    assert (step(plan, "remember mcp_server.m").op, step(plan, "remember mcp_server.m").changed) == (Op.UPDATE, ())
    place.settle()
    needs = {need.target for need in place.snapshot.records[Address(SERVER)].needs}
    assert "mcp_server.m/authorization_server.more" in needs


def test_protection_that_is_turned_on_is_remembered() -> None:
    place = Place(XAA)
    place.blocks["mcp_servers"]["m"]["protect"] = True
    plan = place.plan()
    assert actions(plan)[SERVER] == "update"
    assert change(plan, SERVER).notes["protect"] == "protection is turned on"
    assert actions(place.settle()) == {}
    assert place.snapshot.records[Address(SERVER)].protect


def test_objects_of_others_are_none_of_our_business() -> None:
    place = Place(XAA)
    stranger = Observed("mcp_server", "ems99", {"resource_url": "https://stranger.example"}, State.ACTIVE)
    plan = planned(configured(XAA), place.snapshot, [*place.world.observe(), stranger])
    assert (actions(plan), plan.drift) == ({}, ())


def test_planning_twice_gives_the_same_plan() -> None:
    place = Place(STS)
    place.blocks["mcp_servers"]["m"]["resource_url"] = "https://other.example/mcp"
    assert place.plan() == place.plan()
    addresses = [s.address for s in place.plan().steps]
    assert addresses == sorted(addresses)
