"""Authorization servers of an MCP server: `.../mcp-servers/{id}/authorization-servers`."""

from __future__ import annotations

import re
from typing import Any

from reconciler.sandbox import mcp_servers, operations, paging
from reconciler.sandbox.bodies import merge, read_body, read_patch
from reconciler.sandbox.checks import configuration_problem, connectivity_problem
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import Cause, invalid, referenced, refused
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.lifecycle import next_state
from reconciler.sandbox.org import Org
from reconciler.sandbox.registration import (
    activate_association,
    is_discoverable,
    move_association,
    recount,
    schedule,
    table_of,
)

_FILTER = ("filter", {"status": frozenset({"eq"})})
_IMMUTABLE = ("issuer", "type", "orn", "id", "status", "created", "lastUpdated", "detectedMetadata")
_AUS = re.compile(r"orn:[a-z]+:idp:[^:]+:authorization_servers:([^:]+)")
_SHOWN = ("authorizationEndpoint", "tokenEndpoint", "registrationEndpoint", "grantTypesSupported")


def create(org: Org, request: Request) -> Response:
    server = mcp_servers.find(org, request)
    body = read_body(request, "association.create")
    read_body(request, f"association.create.{body['type']}")
    if is_discoverable(server):
        raise refused("The authorization servers of a DISCOVERABLE resource server are managed by discovery.")
    row = _okta(org, server, body) if body["type"] == "OKTA" else _external(org, server, body)
    schedule(org, row, request.sticking)
    org.new(row, "issuer" if body["type"] == "EXTERNAL" else "orn")
    recount(org, server.id)
    org.log(request.actor, "resource_servers.mcp_server.auth_server.create", row)
    return operations.start(org, request, "mcp-server:AuthorizationServerAdd", row)


def read(org: Org, request: Request) -> Response:
    return Response(200, render(org, request, find(org, request)))


def read_all(org: Org, request: Request) -> Response:
    server = mcp_servers.find(org, request)
    found = paging.entries(org, request, "association", lambda row: render(org, request, row), server.id)
    return paging.enveloped(request, found, _FILTER)


def update(org: Org, request: Request) -> Response:
    row = find(org, request)
    patch = read_patch(request, "association.patch", _IMMUTABLE)
    if patch and (row.body.get("_discovered") or row.body["type"] == "OKTA"):
        raise invalid(next(iter(patch)), *(Cause(f"{name}: The field cannot be changed", None, name) for name in patch))
    changes = merge(row.body, patch)
    if row.status in ("PENDING", "INVALID"):
        _revalidate(org, row)
    org.save(row)
    if changes:
        org.log(request.actor, "resource_servers.mcp_server.auth_server.update", row, changes=changes)
        _validate_change(org, row)
    return Response(200, render(org, request, row))


def delete(org: Org, request: Request) -> Response:
    row = find(org, request)
    if row.body.get("_discovered"):
        raise refused("A discovered authorization server is managed by discovery.")
    if row.status == "ACTIVE":
        raise refused("Cannot delete an authorization server in ACTIVE status. It must be deactivated first.")
    if any(client.body["_row"] == row.id for client in org.db.items("client_auth_settings", row.parent)):
        raise referenced("client authentication settings")
    org.move(row, table_of(row), "delete")
    recount(org, row.parent)
    org.log(request.actor, "resource_servers.mcp_server.auth_server.delete", row)
    return Response(204)


def activate(org: Org, request: Request) -> Response:
    activate_association(org, _commandable(org, request), request.actor)
    return Response(204)


def deactivate(org: Org, request: Request) -> Response:
    move_association(org, _commandable(org, request), "deactivate", actor=request.actor)
    return Response(204)


def find(org: Org, request: Request) -> Item:
    server = mcp_servers.find(org, request)
    return org.require("association", request.args[1], "AuthorizationServer", server.id)


def render(org: Org, request: Request, row: Item) -> dict[str, Any]:
    body = row.body
    own = f"{request.base}{mcp_servers.PATH}/{row.parent}/authorization-servers/{row.id}"
    shown = {
        "id": row.id,
        "orn": body["orn"],
        "type": body["type"],
        "issuer": body.get("issuer") or f"{request.base}/oauth2/{row.id}",
        "status": body["status"],
        **{name: body[name] for name in _SHOWN if name in body},
        "created": body["created"],
        "lastUpdated": body["lastUpdated"],
        "detectedMetadata": body.get("detectedMetadata", {}),
        "_links": {"self": {"href": own}},
    }
    if body["status"] == "INVALID" and "statusReason" in body:
        shown["statusReason"] = body["statusReason"]
    return shown


def _okta(org: Org, server: Item, body: dict[str, Any]) -> Item:
    match = _AUS.fullmatch(body["orn"])
    target = org.db.get("authorization_server", match[1]) if match else None
    if target is None or body["orn"] != org.orn("idp", "authorization_servers", target.id):
        raise invalid("orn", Cause("orn: No authorization server of this org has that ORN", "INVALID_FORMAT", "orn"))
    row_body = {"type": "OKTA", "orn": body["orn"], "status": next_state("association", "", "create")}
    return Item("association", target.id, row_body, parent=server.id, key=f"orn {body['orn']}")


def _external(org: Org, server: Item, body: dict[str, Any]) -> Item:
    identity = org.new_id("eas")
    row_body = {
        **body,
        "orn": org.orn("idp", "external_authorization_servers", identity),
        "status": next_state("association", "", "create"),
    }
    return Item("association", identity, row_body, parent=server.id, key=f"issuer {body['issuer']}")


def _revalidate(org: Org, row: Item) -> None:
    """Declared rows are validated for themselves; discovered ones by reading their server's metadata again."""
    if not row.body.get("_discovered"):
        schedule(org, row)
    elif (server := org.db.get("mcp_server", row.parent)) and server.status in ("PENDING", "INVALID"):
        schedule(org, server)
        org.db.save(server)


def _validate_change(org: Org, row: Item) -> None:
    """A registered row that a change made unusable is INVALID at once."""
    if row.status == "INACTIVE" and (problem := configuration_problem(org, row)):
        move_association(org, row, "reject", problem)
    elif row.status == "ACTIVE" and (problem := configuration_problem(org, row) or connectivity_problem(org, row)):
        move_association(org, row, "fail", problem)


def _commandable(org: Org, request: Request) -> Item:
    row = find(org, request)
    if row.body.get("_discovered"):
        raise refused("The status of a discovered authorization server is managed by discovery.")
    return row
