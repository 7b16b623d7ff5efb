"""A small live system, a provider that knows it, and a clock that is moved instead of waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from reconciler.apply.drive import Hands
from reconciler.apply.event import Event
from reconciler.apply.gates import Gates
from reconciler.apply.interrupts import Interrupts
from reconciler.apply.session import undertake
from reconciler.apply.undertaking import Applied, Means, Undertaking
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Record, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Basis, Plan
from reconciler.plan.step import Op, Step
from reconciler.ports import Answer, Call, Conversation, Leave, Read, Remote, Send, Sleep, Target

LOST_BEFORE, LOST_AFTER = "the request never arrives", "the answer never arrives"
Fault = Answer | str | Exception | None
SECRET = "s3cr3t-canary"


class Machine:
    """A clock and a journal in memory; `log` has what happened, in order: `("journal", entry)`, `("send", call)`."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.log: list[tuple[str, Any]] = []

    origin = "a test"

    def monotonic(self) -> float:
        return self.time

    def wall(self) -> str:
        return "2026-01-01T00:00:00Z"

    async def journal(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.log += [("journal", json.loads(json.dumps(entry))) for entry in entries]

    async def sleep(self, effect: Sleep) -> None:
        self.time += effect.seconds
        await asyncio.sleep(0)

    @property
    def entries(self) -> list[dict[str, Any]]:
        return [what for sort, what in self.log if sort == "journal"]

    @property
    def sends(self) -> list[Call]:
        return [what for sort, what in self.log if sort == "send"]


@dataclass
class World:
    """ports.Transport over objects in memory. `settle` is how many seconds a registration takes, `fault` what goes
    wrong with a call, if anything; `invalid` names the natural keys that are never found valid, with the reason."""

    machine: Machine
    settle: float = 0.0
    fault: Callable[[Call], Fault] = lambda call: None
    invalid: Mapping[str, str] = field(default_factory=dict)
    objects: dict[str, Observed] = field(default_factory=dict)
    born: dict[str, float] = field(default_factory=dict)
    in_flight: int = 0
    most_in_flight: int = 0

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await asyncio.sleep(0)
            if leave is not None:
                await leave()
            return self.answer(call)
        finally:
            self.in_flight -= 1

    def answer(self, call: Call) -> Answer:
        if call.method != "GET":
            self.machine.log.append(("send", call))
        fault = self.fault(call)
        if isinstance(fault, Exception):
            raise fault
        if isinstance(fault, Answer):
            return fault
        if fault == LOST_BEFORE:
            return Answer(0, lost="connection reset")
        answer = self._act(call)
        return Answer(0, lost="connection reset") if fault == LOST_AFTER else answer

    async def close(self) -> None:
        return None

    def _act(self, call: Call) -> Answer:
        object_id = call.path.removeprefix("/")
        self._settle()
        if call.method == "POST" and call.path == "/":
            return self._create(call.body)
        if call.path == "/":
            return Answer(200, body=[o for o in self.objects.values() if o.kind == call.query["kind"]])
        if call.method == "POST":
            object_id, _, event = object_id.partition("/")
            return self._command(object_id, event)
        if object_id not in self.objects:
            return Answer(404)
        if call.method == "PATCH":
            seen = self.objects[object_id]
            self.objects[object_id] = replace(seen, attributes={**seen.attributes, **call.body})
        elif call.method == "DELETE":
            del self.objects[object_id]
            return Answer(204)
        return Answer(200, body=self.objects[object_id])

    def _settle(self) -> None:
        for object_id, seen in self.objects.items():
            if seen.status is State.PENDING and self.machine.time - self.born[object_id] >= self.settle:
                reason = self.invalid.get(name_of(seen))
                status = State.INVALID if reason else State.INACTIVE
                self.objects[object_id] = replace(seen, status=status, reason=reason)

    def _create(self, body: Mapping[str, Any]) -> Answer:
        made = Observed(
            kind=body["kind"],
            id=f"id{len(self.born)}",
            attributes={k: v for k, v in body["attributes"].items() if k not in kinds()[body["kind"]].write_only},
            status=State.ACTIVE if body["kind"] == "client_registration" else State.PENDING,
            parent_id=body["parent_id"],
            handle=f"orn:id{len(self.born)}",
        )
        if any(_identity(seen) == _identity(made) for seen in self.objects.values()):
            return Answer(409)
        self.objects[made.id], self.born[made.id] = made, self.machine.time
        return Answer(201, body=made.id)

    def _command(self, object_id: str, event: str) -> Answer:
        seen = self.objects[object_id]
        edge = kinds()[seen.kind].lifecycle(seen.attributes).find(seen.status, event)
        if edge is None:
            return Answer(403)
        self.objects[object_id] = replace(seen, status=edge.target)
        return Answer(202)


def name_of(seen: Observed) -> str:
    key = kinds()[seen.kind].key_of(seen.attributes, seen.links)
    assert key is not None
    return str(key[0])


def _identity(seen: Observed) -> tuple[str, str | None, str]:
    return seen.kind, seen.parent_id, name_of(seen)


class FakeProvider:
    """ports.Provider for World; as simple as a provider can be."""

    def observe(self, wanted: frozenset[str]) -> Conversation[tuple[Observed, ...]]:
        found: list[Observed] = []
        for kind in sorted(wanted):
            answer: Answer = yield Read(Call("GET", "/", {"kind": kind}))
            found += answer.body
        return tuple(found)

    def look(self, target: Target) -> Conversation[Observed | None]:
        if target.remote is None:
            return (yield from self._find(target))
        answer: Answer = yield Read(Call("GET", f"/{target.remote.id}"))
        return answer.body if answer.ok else None

    def _find(self, target: Target) -> Conversation[Observed | None]:
        answer: Answer = yield Read(Call("GET", "/", {"kind": target.kind}))
        key = kinds()[target.kind].key_of(target.attributes, {})
        found: list[Observed] = answer.body if answer.ok else []
        mine = [o for o in found if (o.parent_id, (name_of(o),)) == (_parent(target), key)]
        return mine[0] if mine else None

    def create(self, target: Target) -> Conversation[Observed]:
        body = {"kind": target.kind, "attributes": dict(target.attributes), "parent_id": _parent(target)}
        for _ in range(2):
            answer: Answer = yield Send(Call("POST", "/", body=body), "create")
            if answer.ok:
                made = yield from self.look(replace(target, remote=Remote(answer.body)))
                return _required(made)
            if answer.status != 0:
                break
            found = yield from self._find(target)
            if found is not None:
                return found
        raise refused(answer)

    def update(self, target: Target, changed: frozenset[str]) -> Conversation[Observed]:
        remote = _required(target.remote)
        body = {name: target.attributes[name] for name in sorted(changed)}
        answer: Answer = yield Send(Call("PATCH", f"/{remote.id}", body=body), "update")
        if not answer.ok:
            raise refused(answer)
        return _required((yield from self.look(target)))

    def transition(self, target: Target, event: str) -> Conversation[None]:
        answer: Answer = yield Send(Call("POST", f"/{_required(target.remote).id}/{event}"), event)
        if not answer.ok:
            raise refused(answer)

    def delete(self, target: Target) -> Conversation[None]:
        answer: Answer = yield Send(Call("DELETE", f"/{_required(target.remote).id}"), "delete")
        if not answer.ok and answer.status != 404:
            raise refused(answer)


def _required(value: Any) -> Any:
    assert value is not None
    return value


def _parent(target: Target) -> str | None:
    parent = target.refs.get("mcp_server")
    return parent.id if parent else None


def refused(answer: Answer) -> Refused:
    return Refused([error("okta.refused", f"Okta says {answer.status or 'nothing'}")])


# --------------------------------------------------------------------------------------------------------- resources


def server(name: str, **attributes: Any) -> Resource:
    given = {"resource_url": f"https://{name}.example.com", "registration": "manual", **attributes}
    return Resource(Address(f"mcp_server.{name}"), "mcp_server", given)


def registration(parent: str, name: str) -> Resource:
    above = Address(f"mcp_server.{parent}")
    attributes = {"name": name, "method": "static", "client_id": "c", "client_secret": {"env": "CLIENT_SECRET"}}
    address = above.child("client_registration", name)
    return Resource(address, "client_registration", attributes, refs={"mcp_server": above})


def row(parent: str, name: str, discovered: bool = False) -> Resource:
    above = Address(f"mcp_server.{parent}")
    attributes = {"type": "EXTERNAL", "issuer": f"https://{name}.example.com"}
    attributes |= {} if discovered else {"token_endpoint": f"https://{name}.example.com/token"}
    address = above.child("authorization_server", name)
    return Resource(address, "association", attributes, refs={"mcp_server": above}, discovered=discovered)


def recorded(resource: Resource, object_id: str = "id0", status: State = State.ACTIVE) -> Record:
    return Record(
        address=resource.address,
        kind=resource.kind,
        id=object_id,
        attributes=resource.attributes,
        status=status,
        refs=resource.refs,
        handle=f"orn:{object_id}",
        discovered=resource.discovered,
    )


def observed(resource: Resource, object_id: str = "id0", status: State = State.ACTIVE, **more: Any) -> Observed:
    kept = {k: v for k, v in resource.attributes.items() if k not in kinds()[resource.kind].write_only}
    return Observed(resource.kind, object_id, kept, status, handle=f"orn:{object_id}", **more)


# --------------------------------------------------------------------------------------------------------------- plans


def steps_to_make(resource: Resource, after: Iterable[str] = ()) -> list[Step]:
    """Create it, wait until it is registered, activate it; a client registration is only created."""
    address, kind = resource.address, resource.kind
    create = Step(f"create {address}", Op.CREATE, address, kind, "create", State.PENDING, waits=tuple(after))
    if kind == "client_registration":
        return [create]
    register = Step(f"register {address}", Op.AWAIT, address, kind, "register", State.INACTIVE, waits=(create.id,))
    activate = Step(f"activate {address}", Op.TRANSITION, address, kind, "activate", State.ACTIVE, waits=(register.id,))
    return [create, register, activate]


def steps_to_unmake(record: Record) -> list[Step]:
    address, kind = record.address, record.kind
    stop = Step(f"deactivate {address}", Op.TRANSITION, address, kind, "deactivate", State.INACTIVE)
    return [stop, Step(f"delete {address}", Op.DELETE, address, kind, waits=(stop.id,))]


def plan_of(steps: Iterable[Step], resources: Iterable[Resource] = (), changes: Iterable[Change] = ()) -> Plan:
    basis = Basis("lineage", 3, "digest", "default", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", "test")
    return Plan(basis, tuple(changes), tuple(steps), {resource.address: resource for resource in resources})


def plan_to_make(*resources: Resource) -> Plan:
    """Parents before what is nested in them."""
    steps: list[Step] = []
    for resource in resources:
        parent = resource.address.parent
        steps += steps_to_make(resource, [f"create {parent}"] if parent else [])
    changes = [Change(r.address, r.kind, Action.CREATE, after=r.attributes) for r in resources]
    return plan_of(steps, resources, changes)


def snapshot_of(*records: Record) -> Snapshot:
    return Snapshot("lineage", 3, {record.address: record for record in records})


@dataclass
class Stage:
    """A world with its machine, and the hands to work on it; `events` are what a watcher was told."""

    world: World
    events: list[Event] = field(default_factory=list)

    @property
    def hands(self) -> Hands:
        machine = self.world.machine
        return Hands(self.world, machine, machine.journal, machine.sleep)

    def put(self, resource: Resource, object_id: str = "id0", status: State = State.ACTIVE, **more: Any) -> Record:
        """An object that is there already, and the record of it."""
        self.world.objects[object_id] = observed(resource, object_id, status, **more)
        self.world.born[object_id] = self.world.machine.time
        return recorded(resource, object_id, status)

    async def apply(
        self,
        plan: Plan,
        snapshot: Snapshot,
        hands: Hands | None = None,
        parallelism: int = 10,
        presses: Interrupts | None = None,
        gates: Gates | None = None,
    ) -> Applied:
        undertaking = Undertaking(plan, snapshot, Means(FakeProvider(), gates, parallelism), "a-run")
        return await undertake(undertaking, hands or self.hands, self.events.append, presses)


def stage(**world: Any) -> Stage:
    return Stage(World(Machine(), **world))
