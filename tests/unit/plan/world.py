"""A small live system of our own, which knows its lifecycles by heart and complains of whatever breaks a law.

It shares no table with the planner. `run` walks a plan's steps one at a time in any order its waits permit, keeps what
is recorded as an apply would, and checks after every step that nothing is ACTIVE without what it needs and that nobody
has been granted more than before or after.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Observed, Record, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.step import Step

BORN = {"mcp_server": "PENDING", "association": "PENDING", "authorization_server": "ACTIVE"}
BORN["client_registration"] = "ACTIVE"
COMMANDS = {
    ("INACTIVE", "activate"): "ACTIVE",
    ("ACTIVE", "deactivate"): "INACTIVE",
    ("INVALID", "revalidate"): "INACTIVE",
}
PREFIX = {"mcp_server": "ems", "association": "eas", "authorization_server": "aus", "client_registration": "rsc"}


class Broken(AssertionError):
    """A law was broken, or a step asked for what can't be."""


@dataclass
class Thing:
    kind: str
    id: str
    attributes: dict[str, Any]
    status: str
    parent: str | None = None
    refs: dict[str, str] = field(default_factory=dict)
    discovered: bool = False

    @property
    def key(self) -> tuple[Any, ...]:
        held = {**self.refs, **self.attributes}
        names = {"mcp_server": "resource_url", "authorization_server": "name", "client_registration": "name"}
        name = names.get(self.kind) or ("authorization_server" if held.get("type") == "OKTA" else "issuer")
        return (self.kind, self.parent, held.get(name))


class World:
    """`published` says which issuers a discovered server's metadata names, by its resource URL."""

    def __init__(self, published: Mapping[str, Iterable[str]] | None = None) -> None:
        self.things: dict[str, Thing] = {}
        self.published = {url: list(issuers) for url, issuers in (published or {}).items()}
        self.made = 0
        self.calls: list[str] = []

    def observe(self) -> tuple[Observed, ...]:
        return tuple(
            Observed(
                thing.kind,
                thing.id,
                {k: v for k, v in thing.attributes.items() if not k.startswith("client_secret")},
                State(thing.status),
                thing.parent,
                handle=f"orn:{thing.id}",
                links={role: f"orn:{other}" for role, other in thing.refs.items() if role != "mcp_server"},
            )
            for thing in self.things.values()
        )

    def add(self, thing: Thing) -> Thing:
        if any(other.key == thing.key for other in self.things.values()):
            raise Broken(f"{thing.key} exists already")
        self.things[thing.id] = thing
        return thing

    def new_id(self, kind: str) -> str:
        self.made += 1
        return f"{PREFIX[kind]}{self.made}"

    def settle(self, thing: Thing) -> None:
        """What the live system does of its own accord when it looks at a thing that is not yet registered."""
        if thing.status != "PENDING":
            return
        if thing.kind == "association":
            thing.status = "INACTIVE"
        elif thing.attributes.get("registration") == "discovered":
            thing.status = "INACTIVE"
            self.discover(thing)
        elif any(row.parent == thing.id and row.status in ("INACTIVE", "ACTIVE") for row in self.rows()):
            thing.status = "INACTIVE"

    def discover(self, server: Thing) -> None:
        held = {row.attributes.get("issuer"): row for row in self.rows() if row.parent == server.id}
        for issuer in self.published.get(server.attributes["resource_url"], ()):
            if issuer in held:
                held[issuer].status = "ACTIVE"
                continue
            attributes = {"type": "EXTERNAL", "issuer": issuer}
            self.add(Thing("association", self.new_id("association"), attributes, "ACTIVE", server.id, discovered=True))

    def rows(self) -> list[Thing]:
        return [thing for thing in self.things.values() if thing.kind == "association"]

    def delete(self, thing: Thing) -> None:
        if thing.status == "ACTIVE" and thing.kind != "client_registration":
            raise Broken(f"{thing.id} is ACTIVE and can't be deleted")
        for other in list(self.things.values()):
            if thing.id in (*other.refs.values(), other.parent):
                if not other.discovered:
                    raise Broken(f"{thing.id} is still needed by {other.id}")
                del self.things[other.id]
        del self.things[thing.id]

    def vanish(self, thing: Thing) -> None:
        """Someone deletes it behind our back, with all that hangs on it."""
        self.things.pop(thing.id, None)
        for other in list(self.things.values()):
            if thing.id in (*other.refs.values(), other.parent):
                self.vanish(other)

    def grants(self) -> set[tuple[str, ...]]:
        """Who can get what: server, who issues, and scope."""
        found: set[tuple[str, ...]] = set()
        for row in self.rows():
            server = self.things[row.parent or ""]
            if (row.status, server.status) != ("ACTIVE", "ACTIVE"):
                continue
            url = server.attributes["resource_url"]
            if row.attributes["type"] == "OKTA":
                issuer = self.things[row.refs["authorization_server"]]
                scopes = issuer.attributes["scopes"] if issuer.status == "ACTIVE" else ()
                found |= {(url, issuer.attributes["audiences"][0], scope) for scope in scopes}
            for credentials in self.things.values():
                if credentials.refs.get("association") == row.id:
                    about = (url, row.attributes["issuer"], str(credentials.attributes.get("client_id")))
                    found |= {(*about, scope) for scope in credentials.attributes.get("scopes", ["*"])}
        return found


class Run:
    """One plan being walked; `records` is what is remembered meanwhile."""

    def __init__(self, world: World, plan: Plan, snapshot: Snapshot) -> None:
        self.world, self.plan = world, plan
        self.records = dict(snapshot.records)
        self.old = {record.id: record for record in snapshot.records.values()}
        self.known = {address: record.id for address, record in snapshot.records.items()}
        self.known |= {step.address: step.remote_id for step in plan.steps if step.remote_id}
        self.seen_covered = {thing.id for thing in world.things.values() if self.is_covered(thing)}

    def walk(self, choose: random.Random | None = None, after: set[tuple[str, ...]] | None = None) -> None:
        """`after` are the grants once all is done; without it grants are not checked."""
        before = self.world.grants()
        done: set[str] = set()
        left = list(self.plan.steps)
        while left:
            ready = [step for step in left if done.issuperset(step.waits)]
            if not ready:
                raise Broken(f"nothing can go on: {[step.id for step in left]}")
            step = choose.choice(ready) if choose else ready[0]
            self.perform(step)
            self.world.calls.append(step.id)
            left.remove(step)
            done.add(step.id)
            self.check(step, None if after is None else before | after)

    def check(self, step: Step, permitted: set[tuple[str, ...]] | None) -> None:
        for thing in self.world.things.values():
            if thing.status != "ACTIVE":
                self.seen_covered.discard(thing.id)
            elif self.is_covered(thing):
                self.seen_covered.add(thing.id)
            elif thing.id in self.seen_covered:
                raise Broken(f"after {step.id}: {thing.id} is ACTIVE, and what it needs isn't")
        excess = self.world.grants() - permitted if permitted is not None else None
        if excess:
            raise Broken(f"after {step.id}: {excess} is granted, and was not before nor will be")

    def is_covered(self, thing: Thing) -> bool:
        """Whether all that it needed, or all that it is to need, is ACTIVE."""
        record = self.old.get(thing.id)
        now = next((r.address for r in self.records.values() if (r.kind, r.id) == (thing.kind, thing.id)), None)
        desired = self.plan.desired.get(now) if now else None
        sides = [held.needs for held in (record, desired) if held is not None]
        return not sides or any(all(map(self.is_met, needs)) for needs in sides)

    def is_met(self, need: Need) -> bool:
        if need.sort is not NeedSort.READY:
            return True
        record = self.records.get(need.target)
        thing = self.world.things.get(record.id if record else self.known.get(need.target, ""))
        return thing is not None and thing.status == "ACTIVE"

    def perform(self, step: Step) -> None:
        getattr(self, f"on_{step.op.value}")(step)

    def thing(self, step: Step) -> Thing:
        record = self.records.get(step.address)
        if record is None or record.id not in self.world.things:
            raise Broken(f"{step.id}: there is no such thing")
        return self.world.things[record.id]

    def desired(self, step: Step) -> Resource:
        return self.plan.desired[step.address]

    def remember(self, desired: Resource, thing: Thing) -> None:
        needs = tuple(Need(need.target, need.sort) for need in desired.needs)
        self.records[desired.address] = Record(
            desired.address,
            desired.kind,
            thing.id,
            dict(desired.attributes),
            State(thing.status),
            needs,
            dict(desired.refs),
            handle=f"orn:{thing.id}",
            protect=desired.protect,
            discovered=desired.discovered,
        )

    def restate(self, step: Step, thing: Thing) -> None:
        self.records[step.address] = replace(self.records[step.address], status=State(thing.status))

    def on_create(self, step: Step) -> None:
        desired = self.desired(step)
        refs = {}
        for role, target in desired.refs.items():
            record = self.records.get(target)
            if record is None or record.id not in self.world.things:
                raise Broken(f"{step.id}: {target} isn't there yet")
            refs[role] = record.id
        parent = self.records[desired.address.parent].id if desired.address.parent else None
        kind = desired.kind
        thing = Thing(kind, self.world.new_id(kind), dict(desired.attributes), BORN[kind], parent, refs)
        self.remember(desired, self.world.add(thing))

    def on_update(self, step: Step) -> None:
        desired, record = self.desired(step), self.records[step.address]
        if step.changed:
            thing = self.thing(step)
            for name in step.changed:
                thing.attributes[name] = desired.attributes[name]
            self.remember(desired, thing)
        else:
            needs = tuple(Need(need.target, need.sort) for need in desired.needs)
            self.records[step.address] = replace(
                record, attributes=desired.attributes, needs=needs, refs=desired.refs, protect=desired.protect
            )

    def on_transition(self, step: Step) -> None:
        thing = self.thing(step)
        if thing.status == step.target:
            return self.restate(step, thing)
        target = COMMANDS.get((thing.status, step.event or ""))
        if target is None:
            raise Broken(f"{step.id}: it is {thing.status}")
        if step.event == "activate":
            unmet = [need.target for need in self.desired(step).needs if not self.is_met(need)]
            if unmet:
                raise Broken(f"{step.id}: {unmet} is not ACTIVE")
        thing.status = target
        if step.event == "revalidate":
            self.require_complete(step)
            if thing.attributes.get("registration") == "discovered":
                self.world.discover(thing)
        return self.restate(step, thing)

    def require_complete(self, step: Step) -> None:
        """A manual resource is validated by what was made for it."""
        desired = self.desired(step)
        for need in desired.needs:
            source = self.plan.desired.get(need.target)
            if source is not None and source.discovered:
                continue
            if desired.attributes.get("registration") == "discovered":
                continue
            if need.target not in self.records:
                raise Broken(f"{step.id}: {need.target} isn't there to be validated")

    def on_await(self, step: Step) -> None:
        desired = self.desired(step)
        if desired.discovered:
            parent = self.records[desired.address.parent or Address("")].id
            held = self.records.get(step.address)
            if self.world.things[parent].status in ("INACTIVE", "ACTIVE"):
                self.world.discover(self.world.things[parent])
            row = next(
                (
                    row
                    for row in self.world.rows()
                    if row.parent == parent and row.attributes.get("issuer") == desired.attributes["issuer"]
                ),
                None,
            )
            if row is None or row.status == "PENDING":
                raise Broken(f"{step.id}: it would wait for ever")
            row.status = "ACTIVE"
            if held is not None and held.id != row.id:
                raise Broken(f"{step.id}: another row is remembered, and would be waited for")
            if held is None:
                self.remember(desired, row)
            return self.restate(step, row)
        thing = self.thing(step)
        self.require_complete(step)
        self.world.settle(thing)
        if thing.status != step.target:
            raise Broken(f"{step.id}: it would wait for ever, being {thing.status}")
        return self.restate(step, thing)

    def on_verify(self, step: Step) -> None:
        shut = [address for address in step.needs if not self.is_met(Need(address, NeedSort.READY))]
        if shut:
            raise Broken(f"{step.id}: {shut} is not ready")

    def on_delete(self, step: Step) -> None:
        self.world.delete(self.thing(step))
        self.drop(step.address)

    def drop(self, address: Address) -> None:
        self.records.pop(address, None)
        for nested in [a for a, r in self.records.items() if r.discovered and a.startswith(f"{address}/")]:
            del self.records[nested]

    def on_adopt(self, step: Step) -> None:
        self.remember(self.desired(step), self.world.things[step.remote_id or ""])

    def on_forget(self, step: Step) -> None:
        self.drop(step.address)

    def on_move(self, step: Step) -> None:
        source, target = step.source or "", step.address
        if source not in self.records:
            raise Broken(f"{step.id}: {source} is not recorded")

        def renamed(address: Address) -> Address:
            meant = address == source or address.startswith(f"{source}/")
            return Address(target + address[len(source) :]) if meant else address

        self.records = {
            renamed(address): replace(
                record,
                address=renamed(address),
                needs=tuple(Need(renamed(need.target), need.sort) for need in record.needs),
                refs={role: renamed(to) for role, to in record.refs.items()},
            )
            for address, record in self.records.items()
        }


def run(
    world: World, plan: Plan, snapshot: Snapshot, seed: int | None = None, after: set[tuple[str, ...]] | None = None
) -> Snapshot:
    """Walk the plan - in its own order, or in one that `seed` chooses - and return what is recorded then."""
    walked = Run(world, plan, snapshot)
    walked.walk(None if seed is None else random.Random(seed), after)
    found = replace(snapshot, records=walked.records, serial=snapshot.serial + 1)
    assert found.faults() == []
    return found
