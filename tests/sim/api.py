"""The live system as far as the simulator needs it: MCP servers, their associations, client registrations.

It answers ports.Call with ports.Answer in the words of okta-api, so that the real provider talks to it. Nasty by
default: names need not be unique, lists lag behind, fields may be ignored.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from reconciler.ports import Answer, Call

SETTLES = 0.15
"""Seconds until a registration is completed."""
GONE = Answer(404, body={"errorCode": "E0000007", "errorSummary": "Not found"})
TAKEN = Answer(400, body={"errorCode": "E0000001", "errorCauses": [{"reason": "UNIQUE_CONSTRAINT"}]})
NO_HEADERS: dict[str, str] = {}
NOTHING, DELETED = Answer(200, NO_HEADERS, []), Answer(204, NO_HEADERS)
_SERVERS, _CLIENTS = "mcp-servers", "client-auth-settings"


class Thing:
    """One object: `visible` is when lists begin to show it, `hidden` when they cease to, `pending_until` when what is
    PENDING is no longer (0: it isn't)."""

    __slots__ = ("hidden", "id", "item", "key", "parent", "pending_until", "sort", "visible")

    def __init__(self, sort: str, parent: str | None, key: str, item: dict[str, Any], now: float, lag: float) -> None:
        self.sort, self.parent, self.key, self.item = sort, parent, key, item
        self.id = item["id"]
        self.visible, self.hidden = now + lag, 0.0
        self.pending_until = now + SETTLES if sort != _CLIENTS else 0.0

    def settle(self) -> None:
        self.pending_until = 0.0
        self.item = {**self.item, "status": "INACTIVE"}

    def twin(self) -> Thing:
        twin = Thing.__new__(Thing)
        twin.sort, twin.parent, twin.key, twin.item, twin.id = self.sort, self.parent, self.key, self.item, self.id
        twin.visible, twin.hidden, twin.pending_until = self.visible, self.hidden, self.pending_until
        return twin


class Api:
    """`is_unique` tells whether it refuses a second object of the same name; lists lag behind by up to `lag` seconds;
    `ignores` is how often a display name is silently dropped. Its machine gives chance, and is told of twins."""

    __slots__ = ("ignores", "illegal", "is_unique", "lag", "machine", "made", "removed", "things")

    def __init__(self, is_unique: bool, lag: float = 0.0, ignores: float = 0.0) -> None:
        self.is_unique, self.lag, self.ignores = is_unique, lag, ignores
        self.machine: Any = None
        self.things: dict[str, Thing] = {}
        self.removed: list[Thing] = []
        self.made: dict[str, int] = {}
        self.illegal: list[str] = []

    def twin(self) -> Api:
        twin = Api(self.is_unique, self.lag, self.ignores)
        twin.things = {name: thing.twin() for name, thing in self.things.items()}
        twin.removed, twin.made, twin.illegal = list(self.removed), self.made.copy(), list(self.illegal)
        return twin

    def answer(self, call: Call, now: float) -> Answer:
        sort, parent, rest = _place(call.path)
        if not sort:
            return NOTHING
        if not rest:
            return self._list(sort, parent, now) if call.method == "GET" else self._create(sort, parent, call.body, now)
        thing = self.things.get(rest[0])
        if thing is None or thing.sort != sort or thing.parent != parent:
            return GONE
        if thing.pending_until and now >= thing.pending_until:
            thing.settle()
        if call.method == "GET":
            return Answer(200, NO_HEADERS, thing.item)
        if call.method == "DELETE":
            return self._delete(thing, now)
        if call.method == "PATCH":
            return self._patch(thing, call.body)
        return self._command(thing, rest[2])

    def alike(self, thing: Thing) -> list[Thing]:
        return [
            t for t in self.things.values() if t.key == thing.key and (t.sort, t.parent) == (thing.sort, thing.parent)
        ]

    # ------------------------------------------------------------------------------------------------------------

    def _list(self, sort: str, parent: str | None, now: float) -> Answer:
        shown = []
        for thing in self.things.values():
            if thing.sort == sort and thing.parent == parent and thing.visible <= now:
                if thing.pending_until and now >= thing.pending_until:
                    thing.settle()
                shown.append(thing.item)
        if self.removed:
            shown += [t.item for t in self.removed if t.hidden > now and t.sort == sort and t.parent == parent]
        return Answer(200, NO_HEADERS, shown) if shown else NOTHING

    def _create(self, sort: str, parent: str | None, body: dict[str, Any], now: float) -> Answer:
        if parent is not None and parent not in self.things:
            return GONE
        name = f"{sort[:3]}{self.made.get(sort, 0) + 1}"
        if sort == _SERVERS:
            item, key = self._server(name, body), body["resourceUrl"]
        elif sort == _CLIENTS:
            above = body["resource"]["orn"].rpartition(":")[2]
            if above not in self.things or body["authorizationServer"]["id"] not in self.things:
                return GONE
            item = {"id": name, "orn": f"orn:c:{name}", **body}
            item.pop("clientSecret", None)
            key = f"{above} {body['name']}"
        else:
            item = {"id": name, "orn": f"orn:a:{name}", "status": "PENDING", **body}
            key = body["issuer"]
        thing = Thing(sort, parent, key, item, now, self._late())
        alike = self.alike(thing)
        if alike and self.is_unique:
            return TAKEN
        self.made[sort] = self.made.get(sort, 0) + 1
        self.things[name] = thing
        if alike and not self.machine.excuses:
            self.machine.violation(f"{key} was made twice: {', '.join(t.id for t in self.alike(thing))}")
        return Answer(201, NO_HEADERS, item)

    def _late(self) -> float:
        chance: float = self.machine.chance()
        return self.lag * chance

    def _drops(self) -> bool:
        return self.ignores > 0 and self.machine.chance() < self.ignores

    def _server(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        shown = {} if self._drops() else {"displayName": body.get("displayName")}
        return {
            "id": name,
            "orn": f"orn:s:{name}",
            "status": "PENDING",
            "resourceUrl": body["resourceUrl"],
            "type": body["type"],
            "metadata": shown,
        }

    def _patch(self, thing: Thing, body: dict[str, Any]) -> Answer:
        if "displayName" in body and not self._drops():
            thing.item = {**thing.item, "metadata": {"displayName": body["displayName"]}}
        return Answer(200, NO_HEADERS, thing.item)

    def _delete(self, thing: Thing, now: float) -> Answer:
        if thing.item.get("status") == "ACTIVE":
            self.illegal.append(f"delete {thing.id} which is ACTIVE")
            return Answer(403, body={"errorCode": "E0000006"})
        for nested in [t for t in self.things.values() if t.parent == thing.id or t.key.startswith(f"{thing.id} ")]:
            self._remove(nested, now)
        self._remove(thing, now)
        return DELETED

    def _remove(self, thing: Thing, now: float) -> None:
        del self.things[thing.id]
        thing.hidden = now + self._late()
        self.removed.append(thing)

    def _command(self, thing: Thing, event: str) -> Answer:
        status = thing.item["status"]
        source, target = ("INACTIVE", "ACTIVE") if event == "activate" else ("ACTIVE", "INACTIVE")
        if status == target:
            return Answer(400, body={"errorCode": "E0000107"})
        if status != source:
            self.illegal.append(f"{event} {thing.id} which is {status}")
            return Answer(400, body={"errorCode": "E0000107"})
        thing.item = {**thing.item, "status": target}
        return Answer(202, body=thing.item)


@lru_cache(maxsize=10_000)
def _place(path: str) -> tuple[str, str | None, list[str]]:
    """Which sort of objects it leads to, nested in which, and what stands behind; no sort for what is always empty."""
    parts = path.partition("?")[0].split("/")
    if parts[2] == "v1":
        return "", None, []
    sort, rest = parts[4], parts[5:]
    if sort == _SERVERS and len(rest) > 1 and rest[1] == "authorization-servers":
        return "association", rest[0], rest[2:]
    return sort, None, rest
