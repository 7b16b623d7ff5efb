"""The steps of any plan over any sound graph of needs can be put into an order."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.graph import require_order
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Observed, Record, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action
from tests.unit.plan.stage import change, configured, planned

KINDS = ["mcp_server", "mcp_server", "authorization_server", "client_registration"]
KEYS = {"mcp_server": "resource_url", "authorization_server": "name", "client_registration": "name"}
IMMUTABLE = {"mcp_server": "resource_url", "authorization_server": "none", "client_registration": "client_id"}


@st.composite
def worlds(draw: st.DrawFn) -> tuple[dict[Address, Resource], dict[Address, Resource]]:
    """What was recorded and what is desired, over the same few addresses, with any needs between them."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=2, max_size=6))
    addresses = [Address(f"{kind}.n{index}") for index, kind in enumerate(kinds)]
    sides: list[dict[Address, Resource]] = [{}, {}]
    for index, (kind, address) in enumerate(zip(kinds, addresses, strict=True)):
        exists = draw(st.lists(st.sampled_from(addresses[:index]), max_size=2, unique=True)) if index else []
        usual = draw(st.lists(st.sampled_from(addresses), max_size=2, unique=True))
        for side in sides:
            if draw(st.integers(0, 4)) == 0:
                continue
            ready = {target for target in usual if draw(st.integers(0, 3))}
            ready |= {draw(st.sampled_from(addresses))} if draw(st.integers(0, 3)) == 0 else set()
            kept = [target for target in exists if draw(st.integers(0, 5))]
            needs = [Need(target, NeedSort.EXISTS) for target in kept]
            needs += [Need(target, NeedSort.READY) for target in sorted(ready) if target != address]
            status = State.ACTIVE if kind == "client_registration" else draw(st.sampled_from(list(State)[1:3]))
            attributes = {KEYS[kind]: draw(st.sampled_from([f"k{index}", f"k{index}", "k0"])), "description": "x"}
            attributes["description"] = draw(st.sampled_from(["x", "y"]))
            attributes[IMMUTABLE[kind]] = draw(st.sampled_from(["u", "v"]))
            attributes[KEYS[kind]] = f"k{index}" if draw(st.booleans()) else attributes[KEYS[kind]]
            refs = {f"role{n}": target for n, target in enumerate(exists) if target in kept}
            side[address] = Resource(address, kind, attributes, status, tuple(needs), refs)
    return closed(sides[0]), closed(sides[1])


def closed(side: dict[Address, Resource]) -> dict[Address, Resource]:
    """Without needs of what isn't there, and without what would refer to it."""
    left = dict(side)
    while dangling := [a for a, r in left.items() if any(target not in left for target in r.refs.values())]:
        for address in dangling:
            del left[address]
    return {a: replace(r, needs=tuple(need for need in r.needs if need.target in left)) for a, r in left.items()}


def is_sound(*sides: dict[Address, Resource]) -> bool:
    """Whether the needs of both sides together can be met."""
    merged: dict[Address, Resource] = {}
    for side in sides:
        for address, resource in side.items():
            held = merged[address].needs if address in merged else ()
            merged[address] = replace(resource, needs=(*held, *resource.needs))
    try:
        require_order(merged)
    except Refused:
        return False
    return True


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(sides=worlds(), data=st.data())
def test_no_sound_graph_makes_steps_wait_for_each_other(
    sides: tuple[dict[Address, Resource], dict[Address, Resource]], data: st.DataObject
) -> None:
    old, new = sides
    if not is_sound(old, new):
        return
    records, observed = {}, []
    for address, resource in old.items():
        records[address] = Record(
            address, resource.kind, f"id-{address}", resource.attributes, resource.status, resource.needs, resource.refs
        )
        states = list(State)[:4] if resource.kind == "mcp_server" else [resource.status]
        status = data.draw(st.sampled_from([resource.status, *states]))
        if data.draw(st.integers(0, 5)):
            observed.append(Observed(resource.kind, f"id-{address}", resource.attributes, status))
    plan = planned(replace(configured(), resources=new), Snapshot("l", 1, records), observed)
    done: set[str] = set()
    left = {step.id: set(step.waits) for step in plan.steps}
    assert len(left) == len(plan.steps)
    while ready := [name for name, waits in left.items() if waits <= done]:
        done |= set(ready)
        for name in ready:
            del left[name]
    assert left == {}
    assert all(c.action is not Action.REPLACE or change(plan, c.address).path for c in plan.changes)
