"""Any configuration, edited in any way, over a live system that someone else has touched: the plan gets there.

Every plan is walked twice, in its own order and in one at random, against a small live system that refuses what is not
permitted and notices when something is ACTIVE without what it needs, or grants more than it did or will.
"""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from reconciler.model.snapshot import Snapshot
from tests.unit.plan.stage import actions, client, configured, external, okta, planned, server
from tests.unit.plan.world import World, run

URLS = [f"https://mcp{n}.example/mcp" for n in range(4)]
ISSUERS = [f"https://issuer{n}.example" for n in range(3)]
STATUS = st.sampled_from(["active", "active", "active", "inactive"])
SCOPES = st.lists(st.sampled_from(["read", "write", "admin"]), min_size=1, max_size=3, unique=True).map(sorted)

Blocks = dict[str, dict[str, dict[str, Any]]]


SECTIONS = ("authorization_servers", "mcp_servers", "client_registrations")


@st.composite
def raw(draw: st.DrawFn) -> Blocks:
    """Blocks over a few names, so that two configurations have much in common; not all of them make sense together."""
    issuing: dict[str, dict[str, Any]] = {}
    for name in sorted(draw(st.sets(st.sampled_from(["xaa1", "xaa2"])))):
        issuing[name] = okta(*draw(SCOPES), audiences=[f"https://{name}.example"], status=draw(STATUS))
    for name in sorted(draw(st.sets(st.sampled_from(["ext1", "ext2"])))):
        issuing[name] = external(draw(st.sampled_from(ISSUERS)), status=draw(STATUS))
    servers = {}
    for name in sorted(draw(st.sets(st.sampled_from(["a", "b", "c"]), min_size=1))):
        attached = sorted(draw(st.sets(st.sampled_from(["xaa1", "xaa2", "ext1", "ext2"]), min_size=1)))
        servers[name] = server(*attached, url=draw(st.sampled_from(URLS)), status=draw(STATUS))
        servers[name]["display_name"] = draw(st.sampled_from(["One", "Two"]))
        servers[name]["registration"] = draw(st.sampled_from(["manual", "manual", "discovered"]))
    clients = {}
    for name in sorted(draw(st.sets(st.sampled_from(["app1", "app2"])))):
        clients[name] = client(draw(st.sampled_from(["ext1", "ext2"])), client_id=draw(st.sampled_from(["i1", "i2"])))
        clients[name]["scopes"] = draw(SCOPES)
    return dict(zip(SECTIONS, (issuing, servers, clients), strict=True))


def sensible(given: Blocks) -> Blocks:
    """The blocks, without what the configuration's own checks would refuse."""
    issuers: set[str] = set()
    issuing = {}
    for name, body in given["authorization_servers"].items():
        if body.get("issuer") not in issuers:
            issuing[name] = body
            issuers |= {body["issuer"]} if "issuer" in body else set()
    clients = {
        name: body
        for name, body in given["client_registrations"].items()
        if issuing.get(body["authorization_server"], {}).get("type") == "external"
    }
    found: Blocks = dict(zip(SECTIONS, (issuing, {}, clients), strict=True))
    urls = set()
    for name, body in given["mcp_servers"].items():
        attached = [one for one in body["authorization_servers"] if one in issuing]
        if body["registration"] == "discovered":
            attached = [one for one in attached if issuing[one]["type"] == "external"]
        if (attached or body["registration"] == "discovered") and body["resource_url"] not in urls:
            urls.add(body["resource_url"])
            usable = not attached or any(is_usable(one, found) for one in attached)
            status = body["status"] if usable else "inactive"
            found["mcp_servers"][name] = body | {"authorization_servers": attached, "status": status}
    return found


@st.composite
def histories(draw: st.DrawFn) -> list[Blocks]:
    """A configuration and two edits of it, which change, add and remove some of its blocks."""
    current = draw(raw())
    found = [sensible(current)]
    for _ in range(2):
        other = draw(raw())
        edited: Blocks = {}
        for section in SECTIONS:
            edited[section] = {}
            for name in sorted({*current[section], *other[section]}):
                sides = [side[section].get(name) for side in (current, current, other)]
                body = draw(st.sampled_from(sides))
                if body is not None:
                    edited[section][name] = body
        current = edited
        found.append(sensible(current))
    return found


def is_usable(name: str, found: Blocks) -> bool:
    body = found["authorization_servers"][name]
    has_client = any(one["authorization_server"] == name for one in found["client_registrations"].values())
    return bool(body.get("status", "active") == "active") and (body["type"] == "okta" or has_client)


def published(*configurations: Blocks) -> dict[str, list[str]]:
    """Metadata that agrees with whatever any of the configurations expects to be discovered."""
    found: dict[str, list[str]] = {}
    for one in configurations:
        for body in one["mcp_servers"].values():
            if body["registration"] == "discovered":
                issuers = [one["authorization_servers"][name]["issuer"] for name in body["authorization_servers"]]
                found.setdefault(body["resource_url"], []).extend(i for i in issuers)
    return {url: list(dict.fromkeys(issuers)) for url, issuers in found.items()}


MEDDLING = ["vanish", "vanish", "INVALID", "INVALID", "INACTIVE", "PENDING", "rename", "rescope"]


def meddle(world: World, draw: st.DataObject) -> None:
    """What others do to it meanwhile."""
    for _ in range(draw.draw(st.integers(0, 3), label="how often")):
        if not world.things:
            return
        thing = world.things[draw.draw(st.sampled_from(sorted(world.things)), label="thing")]
        what = draw.draw(st.sampled_from(MEDDLING), label="what")
        if what == "vanish":
            world.vanish(thing)
        elif what == "rename" and thing.kind == "mcp_server":
            thing.attributes["display_name"] = "Meddled"
        elif what == "rescope" and thing.kind == "authorization_server":
            thing.attributes["scopes"] = {"meddled": {}}
        elif what == "INACTIVE" and thing.kind == "authorization_server":
            thing.status = what
        elif what.isupper() and thing.kind in ("mcp_server", "association"):
            thing.status = "INVALID" if thing.discovered else what
            if thing.discovered:
                # It comes back whenever the live system wants; what that grants is in nobody's hand unless its server
                # is not ACTIVE.
                world.things[thing.parent or ""].status = "INVALID"


def settled(world: World, blocks: Blocks, snapshot: Snapshot, seed: int) -> Snapshot:
    """Plan and walk in two orders, which must end alike; then there is nothing left to do."""
    configuration = configured(blocks)
    plan = planned(configuration, snapshot, world.observe())
    assert not [d for d in plan.diagnostics if d.is_error], plan.diagnostics
    note("\n".join(f"{step.id} <- {', '.join(step.waits)}" for step in plan.steps))
    straight = copy.deepcopy(world)
    run(straight, plan, snapshot)
    found = run(world, plan, snapshot, seed, straight.grants())
    assert world.grants() == straight.grants()
    again = planned(configuration, found, world.observe())
    assert (actions(again), again.steps) == ({}, ())
    if plan.steps:
        assert again.drift == ()
    return found


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(history=histories(), seed=st.integers(0, 1000), data=st.data())
def test_every_edit_of_every_world_is_settled_by_one_plan(
    history: list[Blocks], seed: int, data: st.DataObject
) -> None:
    world = World(published(*history))
    snapshot = settled(world, history[0], Snapshot("lineage"), seed)
    for edited in history[1:]:
        meddle(world, data)
        snapshot = settled(world, edited, snapshot, seed)
    empty: Blocks = {}
    settled(world, empty, snapshot, seed)
    assert world.things == {}
