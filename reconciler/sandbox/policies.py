"""Access policies of a custom authorization server, and their rules: who gets tokens, by which grant, for what."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox import authorization_servers, paging
from reconciler.sandbox.bodies import read_body
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import duplicate
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.lifecycle import Event, next_state
from reconciler.sandbox.logs import EventType
from reconciler.sandbox.org import Org

_PREFIXES = {"policy": "00p", "rule": "0pr"}
_EVENTS: dict[tuple[str, str], EventType] = {
    ("policy", "create"): "policy.lifecycle.create",
    ("policy", "update"): "policy.lifecycle.update",
    ("policy", "activate"): "policy.lifecycle.activate",
    ("policy", "deactivate"): "policy.lifecycle.deactivate",
    ("policy", "delete"): "policy.lifecycle.delete",
    ("rule", "create"): "policy.rule.add",
    ("rule", "update"): "policy.rule.update",
    ("rule", "activate"): "policy.rule.activate",
    ("rule", "deactivate"): "policy.rule.deactivate",
    ("rule", "delete"): "policy.rule.delete",
}
_FIELDS = {
    "policy": ("type", "name", "description", "priority", "conditions"),
    "rule": ("type", "name", "priority", "conditions", "actions"),
}
_LIFETIMES = {"accessTokenLifetimeMinutes": 60, "refreshTokenLifetimeMinutes": 0, "refreshTokenWindowMinutes": 10080}


def create(org: Org, request: Request) -> Response:
    kind, parent = _collection(org, request)
    body = _stated(kind, read_body(request, kind))
    wanted = body.pop("priority", None)
    stored = {**body, "status": next_state(kind, "", "create"), "system": False, "priority": 0}
    item = org.new(Item(kind, org.new_id(_PREFIXES[kind]), stored, parent=parent, key=body["name"]), "name")
    _reorder(org, item, wanted)
    org.log(request.actor, _EVENTS[kind, "create"], item)
    return Response(201, _render(request, item))


def read(org: Org, request: Request) -> Response:
    return Response(200, _render(request, _find(org, request)))


def read_all(org: Org, request: Request) -> Response:
    kind, parent = _collection(org, request)
    return paging.arrayed(request, paging.entries(org, request, kind, lambda item: _render(request, item), parent))


def update(org: Org, request: Request) -> Response:
    item = _find(org, request)
    body = _stated(item.kind, read_body(request, item.kind))
    wanted = body.pop("priority", None)
    other = org.db.find_key(item.kind, body["name"], item.parent)
    if other is not None and other.id != item.id:
        raise duplicate("name")
    kept = {name: item.body[name] for name in ("created", "status", "system", "priority")}
    item.body = {**kept, **body}
    item.key = body["name"]
    org.save(item)
    _reorder(org, item, wanted if wanted is not None else kept["priority"])
    org.log(request.actor, _EVENTS[item.kind, "update"], item)
    return Response(200, _render(request, item))


def delete(org: Org, request: Request) -> Response:
    item = _find(org, request)
    for rule in org.db.items("rule", item.id):
        org.db.remove(rule)
    _command(org, request, item, "delete")
    _renumber(org, org.db.items(item.kind, item.parent))
    return Response(204)


def activate(org: Org, request: Request) -> Response:
    _command(org, request, _find(org, request), "activate")
    return Response(204)


def deactivate(org: Org, request: Request) -> Response:
    _command(org, request, _find(org, request), "deactivate")
    return Response(204)


def _command(org: Org, request: Request, item: Item, event: Event) -> None:
    org.move(item, item.kind, event)
    org.log(request.actor, _EVENTS[item.kind, event], item)


def _collection(org: Org, request: Request) -> tuple[str, str]:
    """The kind the path is about, and the id of what it is nested in: an authorization server, or a policy."""
    server = authorization_servers.find(org, request)
    if "/rules" not in request.path:
        return "policy", server.id
    return "rule", org.require("policy", request.args[1], "Policy", server.id).id


def _find(org: Org, request: Request) -> Item:
    kind, parent = _collection(org, request)
    return org.require(kind, request.args[-1], "Policy" if kind == "policy" else "PolicyRule", parent)


def _stated(kind: str, body: dict[str, Any]) -> dict[str, Any]:
    stated = {name: body[name] for name in _FIELDS[kind] if name in body}
    if kind == "rule":
        stated["actions"] = {"token": {**_LIFETIMES, **stated.get("actions", {}).get("token", {})}}
        stated["conditions"] = {
            "people": {"users": {"include": [], "exclude": []}, "groups": {"include": ["EVERYONE"], "exclude": []}},
            **stated["conditions"],
        }
    return stated


def _reorder(org: Org, item: Item, wanted: int | None) -> None:
    """Priorities are always 1, 2, 3...; one that is wanted says where among the others, none means last."""
    others = [other for other in org.db.items(item.kind, item.parent) if other.id != item.id]
    others.sort(key=lambda other: other.body["priority"])
    place = len(others) if wanted is None else min(wanted - 1, len(others))
    _renumber(org, [*others[:place], item, *others[place:]], sort=False)


def _renumber(org: Org, items: list[Item], sort: bool = True) -> None:
    if sort:
        items.sort(key=lambda item: item.body["priority"])
    for priority, item in enumerate(items, 1):
        if item.body["priority"] != priority:
            item.body["priority"] = priority
            org.save(item)


def _render(request: Request, item: Item) -> dict[str, Any]:
    own = request.base + (request.path if item.id in request.path else f"{request.path}/{item.id}")
    return {"id": item.id, **item.body, "_links": {"self": {"href": own}}}
