"""MCP servers: `/resource-servers/api/v1/mcp-servers` (okta-api: tag mcpserverregistration)."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox import operations, paging
from reconciler.sandbox.bodies import merge, read_body, read_patch
from reconciler.sandbox.checks import is_connectable
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import OktaError, referenced, refused, wrong_state
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.lifecycle import Event, next_state
from reconciler.sandbox.logs import EventType
from reconciler.sandbox.org import Org
from reconciler.sandbox.registration import NOT_CONNECTABLE, schedule

PATH = "/resource-servers/api/v1/mcp-servers"
_TEXT = frozenset({"eq", "sw", "co"})
_SEARCH = (
    "search",
    {"status": frozenset({"eq"}), "metadata.displayName": _TEXT, "detectedMetadata.resourceName": _TEXT},
)
_IMMUTABLE = ("resourceUrl", "type", "id", "orn", "status", "created", "lastUpdated")


def create(org: Org, request: Request) -> Response:
    body = read_body(request, "mcp_server.create")
    server = Item(
        kind="mcp_server",
        id=org.new_id("ems"),
        body={"type": "DISCOVERABLE", **body, "status": next_state("mcp_server", "", "create")},
        key=body["resourceUrl"],
    )
    server.body["authorizationServerCount"] = 0
    schedule(org, server, request.sticking)
    org.new(server, "resourceUrl")
    org.log(request.actor, "resource_servers.mcp_server.register", server)
    return operations.start(org, request, "mcp-server:Register", server)


def read(org: Org, request: Request) -> Response:
    return Response(200, render(org, request, find(org, request)))


def read_all(org: Org, request: Request) -> Response:
    found = paging.entries(org, request, "mcp_server", lambda server: render(org, request, server))
    return paging.enveloped(request, found, _SEARCH)


def update(org: Org, request: Request) -> Response:
    server = find(org, request)
    changes = merge(server.body, read_patch(request, "mcp_server.patch", _IMMUTABLE))
    if server.status in ("PENDING", "INVALID"):
        schedule(org, server)
    org.save(server)
    if changes:
        org.log(request.actor, "resource_servers.mcp_server.update", server, changes=changes)
    return Response(200, render(org, request, server))


def delete(org: Org, request: Request) -> Response:
    server = find(org, request)
    event: EventType = "resource_servers.mcp_server.delete"
    if server.status == "ACTIVE":
        raise _failed(
            event, server, "Cannot delete a resource server in ACTIVE status. Server must be deactivated first."
        )
    if org.db.items("client_auth_settings", server.id):
        raise referenced("client authentication settings")
    for row in org.db.items("association", server.id):
        org.db.remove(row)
        org.log(request.actor, "resource_servers.mcp_server.auth_server.delete", row)
    org.move(server, "mcp_server", "delete")
    org.log(request.actor, event, server)
    return Response(204)


def activate(org: Org, request: Request) -> Response:
    server = _commandable(org, request, "activate")
    if not is_connectable(org, server):
        raise _failed("resource_servers.mcp_server.activate", server, NOT_CONNECTABLE)
    return operations.start(org, request, "mcp-server:Activate", server, "activate")


def deactivate(org: Org, request: Request) -> Response:
    server = _commandable(org, request, "deactivate")
    return operations.start(org, request, "mcp-server:Deactivate", server, "deactivate")


def find(org: Org, request: Request) -> Item:
    return org.require("mcp_server", request.args[0], "McpServer")


def render(org: Org, request: Request, server: Item) -> dict[str, Any]:
    body = server.body
    shown = {
        "id": server.id,
        "orn": orn(org, server.id),
        "type": body["type"],
        "resourceUrl": body["resourceUrl"],
        "status": body["status"],
        "created": body["created"],
        "lastUpdated": body["lastUpdated"],
        "authorizationServerCount": body["authorizationServerCount"],
        "metadata": {name: body[name] for name in ("displayName", "description") if name in body},
        "detectedMetadata": body.get("detectedMetadata", {}),
        "_links": {"self": {"href": f"{request.base}{PATH}/{server.id}"}},
    }
    if body["status"] == "INVALID" and "statusReason" in body:
        shown["statusReason"] = body["statusReason"]
    return shown


def orn(org: Org, identity: str) -> str:
    return org.orn("directory", "resource-servers", "mcp", identity)


def _commandable(org: Org, request: Request, event: Event) -> Item:
    server = find(org, request)
    if next_state("mcp_server", server.status, event) is None:
        raise wrong_state()
    return server


def _failed(event: EventType, server: Item, message: str) -> OktaError:
    """A refusal that the System Log tells of."""
    refusal = refused(message)
    refusal.event = (event, server)
    return refusal
