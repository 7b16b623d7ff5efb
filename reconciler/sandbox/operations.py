"""Operations: the 202 answer with a Location, and what becomes of it (okta-api: operations)."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox import paging
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import OktaError
from reconciler.sandbox.exchange import Actor, Request, Response
from reconciler.sandbox.lifecycle import next_state
from reconciler.sandbox.org import Org, format_time
from reconciler.sandbox.registration import activate_server, deactivate_server, recount, table_of

PATH = "/resource-servers/api/v1/operations"
_RESOURCE_TYPES = {"mcp_server": "MCP_SERVER", "association": "AUTHORIZATION_SERVER"}
_COMMANDS = {"activate": activate_server, "deactivate": deactivate_server}


def start(org: Org, request: Request, name: str, item: Item, event: str = "register") -> Response:
    """Begin the operation `name` on `item`; `event` other than `register` is carried out when it is due."""
    share = 0.5 if event == "register" else 1.0
    now = org.now()
    body = {
        "type": name,
        "status": "SCHEDULED",
        "_item": [item.kind, item.parent, item.id],
        "_path": _path_of(item),
        "_event": event,
        "_actor": [request.actor.id, request.actor.type, request.actor.name],
        "_started": now + org.options.settle_seconds * share / 2,
        "_failure": request.failing_operation,
    }
    operation = Item("operation", org.new_id("op-"), body, due=now + org.options.settle_seconds * share)
    org.new(operation)
    return Response(202, None, {"Location": f"{request.base}{PATH}/{operation.id}"})


def settle_operation(org: Org, operation: Item) -> None:
    """Finish an operation that is due."""
    body = operation.body
    kind, parent, identity = body["_item"]
    item = org.db.get(kind, identity, parent)
    message = body["_failure"] or _carry_out(org, operation, item)
    if body["_failure"] and item and body["_event"] == "register":
        _undo_registration(org, item)
    operation.due = None
    body["started"] = format_time(body["_started"])
    body["completed"] = org.stamp()
    body["status"] = "FAILED" if message else "COMPLETED"
    if message:
        body["errorDetails"] = {"code": "E0000001", "message": message}
    org.save(operation)


def read(org: Org, request: Request) -> Response:
    return Response(200, _render(org, request, org.require("operation", request.args[0], "Operation")))


def read_all(org: Org, request: Request) -> Response:
    found = paging.entries(org, request, "operation", lambda item: _render(org, request, item))
    return paging.enveloped(request, found)


def _carry_out(org: Org, operation: Item, item: Item | None) -> str | None:
    """Do what was commanded; returns why it can't be done any more."""
    event = operation.body["_event"]
    if item is None:
        return "The resource no longer exists."
    if event == "register":
        return None
    target = "ACTIVE" if event == "activate" else "INACTIVE"
    if item.status == target:
        return None
    try:
        _COMMANDS[event](org, item, Actor(*operation.body["_actor"]))
    except OktaError as refusal:
        return refusal.summary
    return None if item.status == target else str(item.body.get("statusReason"))


def _undo_registration(org: Org, item: Item) -> None:
    table = table_of(item) if item.kind == "association" else item.kind
    if next_state(table, item.status, "delete"):
        org.move(item, table, "delete")
        if item.kind == "association":
            recount(org, item.parent)


def _render(org: Org, request: Request, operation: Item) -> dict[str, Any]:
    body = operation.body
    shown = {"id": operation.id, **{name: value for name, value in body.items() if not name.startswith("_")}}
    shown.pop("lastUpdated", None)
    if body["status"] == "SCHEDULED" and org.now() >= body["_started"]:
        shown |= {"status": "IN_PROGRESS", "started": format_time(body["_started"])}
    kind, parent, identity = body["_item"]
    if body["status"] == "COMPLETED" and (item := org.db.get(kind, identity, parent)):
        shown["resource"] = {
            "id": identity,
            "type": _RESOURCE_TYPES[kind],
            "status": item.status,
            "_links": {"self": {"href": request.base + body["_path"]}},
        }
    return {**shown, "_links": {"self": {"href": f"{request.base}{PATH}/{operation.id}"}}}


def _path_of(item: Item) -> str:
    servers = "/resource-servers/api/v1/mcp-servers"
    if item.kind == "mcp_server":
        return f"{servers}/{item.id}"
    return f"{servers}/{item.parent}/authorization-servers/{item.id}"
