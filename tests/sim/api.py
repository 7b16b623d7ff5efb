"""The live system as far as the simulator needs it: MCP servers, their associations, client registrations.

It answers ports.Call with ports.Answer in the words of okta-api, so that the real provider talks to it. Nasty by
default: names need not be unique, lists lag behind, fields may be ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reconciler.ports import Answer, Call

SETTLES = 0.15
"""Seconds until a registration is completed."""
GONE = Answer(404, body={"errorCode": "E0000007", "errorSummary": "Not found"})
TAKEN = Answer(400, body={"errorCode": "E0000001", "errorCauses": [{"reason": "UNIQUE_CONSTRAINT"}]})
_SERVERS, _CLIENTS = "mcp-servers", "client-auth-settings"


class Thing:
    """One object: `visible` is when lists begin to show it, `hidden` when they cease to."""

    __slots__ = ("born", "hidden", "id", "item", "key", "parent", "sort", "visible")

    def __init__(self, sort: str, parent: str | None, key: str, item: dict[str, Any], now: float, lag: float) -> None:
        self.sort, self.parent, self.key, self.item = sort, parent, key, item
        self.id = item["id"]
        self.born, self.visible, self.hidden = now, now + lag, 0.0


class Api:
    """`is_unique` tells whether it refuses a second object of the same name; `lag` gives the delay of lists;
    `ignores` whether the display name of this call is silently dropped; `doubled` is told of a second object alike."""

    def __init__(self, is_unique: bool, lag: Callable[[], float], ignores: Callable[[], bool]) -> None:
        self.is_unique, self.lag, self.ignores = is_unique, lag, ignores
        self.things: dict[str, Thing] = {}
        self.removed: list[Thing] = []
        self.made = 0
        self.illegal: list[str] = []
        self.doubled: Callable[[Thing], None] = lambda thing: None

    def answer(self, call: Call, now: float) -> Answer:
        path = call.path.partition("?")[0].split("/")
        if path[2] == "v1":
            return Answer(200, body=[])
        sort, rest = path[4], path[5:]
        if sort == _SERVERS and len(rest) > 1 and rest[1] == "authorization-servers":
            return self._at("association", rest[0], rest[2:], call, now)
        return self._at(sort, None, rest, call, now)

    def alike(self, thing: Thing) -> list[Thing]:
        return [t for t in self.things.values() if (t.sort, t.parent, t.key) == (thing.sort, thing.parent, thing.key)]

    # ------------------------------------------------------------------------------------------------------------

    def _at(self, sort: str, parent: str | None, rest: list[str], call: Call, now: float) -> Answer:
        if not rest:
            return self._list(sort, parent, now) if call.method == "GET" else self._create(sort, parent, call.body, now)
        thing = self.things.get(rest[0])
        if thing is None or thing.sort != sort or thing.parent != parent:
            return GONE
        if sort != _CLIENTS and thing.item["status"] == "PENDING" and now >= thing.born + SETTLES:
            thing.item = {**thing.item, "status": "INACTIVE"}
        if call.method == "GET":
            return Answer(200, body=thing.item)
        if call.method == "DELETE":
            return self._delete(thing, now)
        if call.method == "PATCH":
            return self._patch(thing, call.body)
        return self._command(thing, rest[2])

    def _list(self, sort: str, parent: str | None, now: float) -> Answer:
        shown = [t for t in self.things.values() if t.sort == sort and t.parent == parent and t.visible <= now]
        shown += [t for t in self.removed if t.sort == sort and t.parent == parent and t.hidden > now]
        for thing in shown:
            if thing.item.get("status") == "PENDING" and now >= thing.born + SETTLES:
                thing.item = {**thing.item, "status": "INACTIVE"}
        return Answer(200, body=[thing.item for thing in shown])

    def _create(self, sort: str, parent: str | None, body: dict[str, Any], now: float) -> Answer:
        if parent is not None and parent not in self.things:
            return GONE
        self.made += 1
        name = f"{sort[:3]}{self.made}"
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
        thing = Thing(sort, parent, key, item, now, self.lag())
        alike = self.alike(thing)
        if alike and self.is_unique:
            return TAKEN
        self.things[name] = thing
        if alike:
            self.doubled(thing)
        return Answer(201, body=item)

    def _server(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        shown = {} if self.ignores() else {"displayName": body.get("displayName")}
        return {
            "id": name,
            "orn": f"orn:s:{name}",
            "status": "PENDING",
            "resourceUrl": body["resourceUrl"],
            "type": body["type"],
            "metadata": shown,
        }

    def _patch(self, thing: Thing, body: dict[str, Any]) -> Answer:
        if "displayName" in body and not self.ignores():
            thing.item = {**thing.item, "metadata": {"displayName": body["displayName"]}}
        return Answer(200, body=thing.item)

    def _delete(self, thing: Thing, now: float) -> Answer:
        if thing.item.get("status") == "ACTIVE":
            self.illegal.append(f"delete {thing.id} which is ACTIVE")
            return Answer(403, body={"errorCode": "E0000006"})
        for nested in [t for t in self.things.values() if t.parent == thing.id or t.key.startswith(f"{thing.id} ")]:
            self._remove(nested, now)
        self._remove(thing, now)
        return Answer(204)

    def _remove(self, thing: Thing, now: float) -> None:
        del self.things[thing.id]
        thing.hidden = now + self.lag()
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
