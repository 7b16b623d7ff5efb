"""Client registrations: `/resource-servers/api/v1/client-auth-settings` (tag resourceserverclientauthsettings)."""

from __future__ import annotations

import hashlib
from typing import Any

from reconciler.sandbox import mcp_servers, paging
from reconciler.sandbox.bodies import merge, read_body, read_patch
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import Cause, OktaError, invalid
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.org import Org
from reconciler.sandbox.troubles import Unreachable

PATH = "/resource-servers/api/v1/client-auth-settings"
_STORED = ("name", "registrationType", "clientId", "scopes")
_IMMUTABLE = (
    "clientId",
    "registrationType",
    "resource",
    "authorizationServer",
    "id",
    "orn",
    "created",
    "lastUpdated",
)


def create(org: Org, request: Request) -> Response:
    body = read_body(request, "client_auth_settings.create")
    server = _server(org, body["resource"]["orn"])
    row = _row(org, server, body["authorizationServer"])
    identity = org.new_id("rsc")
    stored: dict[str, Any] = {name: body[name] for name in _STORED if name in body}
    if body["registrationType"] == "DCR":
        stored["clientId"] = _registered(org, row, body)
    else:
        _require_credentials(body)
    stored["_row"] = row.id
    stored["_secret"] = _digest(identity, body.get("clientSecret"))
    item = org.new(Item("client_auth_settings", identity, stored, parent=server.id))
    org.log(request.actor, "resource_servers.client_authentication_settings.create", item)
    return Response(201, render(org, request, item))


def read(org: Org, request: Request) -> Response:
    return Response(200, render(org, request, _find(org, request)))


def read_all(org: Org, request: Request) -> Response:
    found = paging.entries(org, request, "client_auth_settings", lambda item: render(org, request, item))
    return paging.enveloped(request, found)


def update(org: Org, request: Request) -> Response:
    item = _find(org, request)
    patch = read_patch(request, "client_auth_settings.patch", _IMMUTABLE)
    secret = patch.pop("clientSecret", None)
    changes = merge(item.body, patch)
    if secret is not None:
        item.body["_secret"] = _digest(item.id, secret)
        changes["clientSecret"] = (None, None)
    org.save(item)
    if changes:
        org.log(request.actor, "resource_servers.client_authentication_settings.update", item, changes=changes)
    return Response(200, render(org, request, item))


def delete(org: Org, request: Request) -> Response:
    item = _find(org, request)
    org.db.remove(item)
    org.log(request.actor, "resource_servers.client_authentication_settings.delete", item)
    return Response(204)


def render(org: Org, request: Request, item: Item) -> dict[str, Any]:
    """Everything but the secret, which is write-only."""
    body = item.body
    row = org.db.get("association", body["_row"], item.parent)
    return {
        "id": item.id,
        "orn": org.orn("idp", "client_auth_settings", item.id),
        "name": body["name"],
        "registrationType": body["registrationType"],
        "clientId": body["clientId"],
        **({"scopes": body["scopes"]} if "scopes" in body else {}),
        "resource": {"orn": mcp_servers.orn(org, item.parent), "mcpServerId": item.parent},
        "authorizationServer": {"id": body["_row"], "orn": row.body["orn"] if row else None},
        "created": body["created"],
        "lastUpdated": body["lastUpdated"],
        "_links": {"self": {"href": f"{request.base}{PATH}/{item.id}"}},
    }


def _find(org: Org, request: Request) -> Item:
    return org.require("client_auth_settings", request.args[0], "ClientAuthSettings")


def _server(org: Org, orn: str) -> Item:
    server = org.db.get("mcp_server", orn.rpartition(":")[2])
    if server is None or mcp_servers.orn(org, server.id) != orn:
        raise invalid("resource.orn", Cause("No MCP server has that ORN", "INVALID_FORMAT", "resource.orn"))
    return server


def _row(org: Org, server: Item, reference: dict[str, str]) -> Item:
    for row in org.db.items("association", server.id):
        known = {"id": row.id, "orn": row.body["orn"]}
        if reference and all(known[name] == value for name, value in reference.items()):
            return row
    cause = Cause("The MCP server has no such authorization server", "INVALID_FORMAT", "authorizationServer")
    raise invalid("authorizationServer", cause)


def _require_credentials(body: dict[str, Any]) -> None:
    missing = [name for name in ("clientId", "clientSecret") if name not in body]
    if missing:
        causes = (Cause(f"{name}: The field cannot be left blank", "REQUIRED", name) for name in missing)
        raise invalid(missing[0], *causes)


def _registered(org: Org, row: Item, body: dict[str, Any]) -> str:
    """The client id that dynamic registration (RFC 7591) at the authorization server yields."""
    given = [name for name in ("clientId", "clientSecret") if name in body]
    if given:
        raise invalid(given[0], Cause(f"{given[0]}: A client that registers itself has none to give", None, given[0]))
    endpoint = row.body.get("registrationEndpoint") or row.body.get("detectedMetadata", {}).get("registrationEndpoint")
    if not endpoint:
        raise _not_registered("the authorization server has no registration endpoint")
    if org.hosts is not None:
        try:
            answer = org.hosts.fetch("POST", endpoint)
        except Unreachable:
            raise _not_registered(f"{endpoint} could not be reached") from None
        if answer.status != 201:
            raise _not_registered(f"{endpoint} answered {answer.status}")
    return org.new_id("dcr-")


def _not_registered(why: str) -> OktaError:
    return invalid("registrationType", Cause(f"Dynamic client registration failed: {why}", None, "registrationType"))


def _digest(identity: str, secret: str | None) -> str | None:
    """What is kept of a secret: enough to tell another one."""
    return None if secret is None else hashlib.sha256(f"{identity}:{secret}".encode()).hexdigest()
