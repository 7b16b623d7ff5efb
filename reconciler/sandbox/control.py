"""`/sandbox/`: what a test or a demonstration does to the sandbox that no client of Okta could."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox.bodies import merge, read_document
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import invalid, not_found
from reconciler.sandbox.exchange import ADMINISTRATOR, Request, Response
from reconciler.sandbox.faults import Faults
from reconciler.sandbox.logs import EventType
from reconciler.sandbox.org import Org
from reconciler.sandbox.registration import recount, refresh

KINDS = ("mcp_server", "association", "client_auth_settings", "authorization_server", "scope", "policy", "rule")
_KEYS = {"mcp_server": ("resourceUrl", ""), "association": ("issuer", "issuer "), "scope": ("name", "")}
_NESTED = {
    "mcp_server": ("association", "client_auth_settings"),
    "authorization_server": ("scope", "policy"),
    "policy": ("rule",),
}
_EVENTS: dict[str, tuple[EventType, EventType]] = {
    "mcp_server": ("resource_servers.mcp_server.update", "resource_servers.mcp_server.delete"),
    "association": (
        "resource_servers.mcp_server.auth_server.update",
        "resource_servers.mcp_server.auth_server.delete",
    ),
    "client_auth_settings": (
        "resource_servers.client_authentication_settings.update",
        "resource_servers.client_authentication_settings.delete",
    ),
    "authorization_server": ("app.oauth2.as.updated", "app.oauth2.as.deleted"),
    "scope": ("app.oauth2.as.scope.updated", "app.oauth2.as.scope.deleted"),
    "policy": ("policy.lifecycle.update", "policy.lifecycle.delete"),
    "rule": ("policy.rule.update", "policy.rule.delete"),
}
"""What the System Log calls a change and a deletion."""


def control(org: Org, faults: Faults, request: Request) -> Response:
    """`faults` (GET, POST, DELETE), `objects` (GET, DELETE), `world` (GET), `edit` and `refresh` (POST)."""
    match request.method, request.path.removeprefix("/sandbox/").strip("/"):
        case "GET", "faults":
            return Response(200, faults.shown())
        case "POST", "faults":
            return Response(201, faults.add(read_document(request, "fault")).shown())
        case "DELETE", "faults":
            faults.clear(request.query.get("id"))
            return Response(204)
        case "GET", "objects":
            return Response(200, _objects(org))
        case "DELETE", "objects":
            org.db.clear()
            return Response(204)
        case "GET", "world":
            return Response(200, {"hosts": org.hosts.names if org.hosts is not None else None})
        case "POST", "edit":
            return _edit(org, read_document(request, "edit"))
        case "POST", "refresh":
            refresh(org)
            return Response(204)
    raise not_found(request.path, "sandbox")


def _objects(org: Org) -> dict[str, Any]:
    """Every object by kind, flat: `edit` takes the same names."""
    objects = {kind: [_shown(item) for item in org.db.items(kind)] for kind in KINDS}
    return {"counts": {kind: len(found) for kind, found in objects.items()}, "objects": objects}


def _shown(item: Item) -> dict[str, Any]:
    visible = {name: value for name, value in item.body.items() if not name.startswith("_")}
    return {"id": item.id, **({"parent": item.parent} if item.parent else {}), **visible}


def _edit(org: Org, wanted: dict[str, Any]) -> Response:
    """Change or delete an object behind the tool's back, as an administrator in the console would."""
    found = [item for item in org.db.find_anywhere(wanted["id"], wanted.get("parent")) if item.kind in KINDS]
    if not found:
        raise not_found(wanted["id"], "object")
    item = next((item for item in found if item.kind != "association"), found[0])
    if wanted.get("delete"):
        _remove(org, item)
        org.log(ADMINISTRATOR, _EVENTS[item.kind][1], item)
        return Response(204)
    changes = merge(item.body, _visible(wanted.get("set", {})))
    if "status" in changes:
        item.due = None
    field, prefix = _KEYS.get(item.kind, ("", ""))
    if field in changes:
        item.key = prefix + str(item.body[field])
    org.save(item)
    org.log(ADMINISTRATOR, _EVENTS[item.kind][0], item, changes=changes)
    return Response(200, _shown(item))


def _visible(changes: dict[str, Any]) -> dict[str, Any]:
    hidden = [name for name in changes if name.startswith("_") or name == "id"]
    if hidden:
        raise invalid(hidden[0])
    return changes


def _remove(org: Org, item: Item) -> None:
    for kind in _NESTED.get(item.kind, ()):
        for nested in org.db.items(kind, item.id):
            _remove(org, nested)
    org.db.remove(item)
    if item.kind == "association":
        recount(org, item.parent)
