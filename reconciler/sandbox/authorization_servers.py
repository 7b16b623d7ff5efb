"""Custom authorization servers: `/api/v1/authorizationServers`, with their scopes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.sandbox import paging
from reconciler.sandbox.bodies import read_body
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import duplicate, read_only, referenced, refused
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.lifecycle import next_state
from reconciler.sandbox.org import Org
from reconciler.sandbox.registration import notice_lost_authorization_server

PATH = "/api/v1/authorizationServers"
SYSTEM_SCOPES = ("openid", "profile", "email", "address", "phone", "offline_access", "device_sso")
"""Every custom authorization server has them; they can't be changed."""

_FIELDS = ("name", "description", "audiences", "issuerMode")
_SCOPE_FIELDS = ("name", "displayName", "description", "consent", "default", "optional", "metadataPublish")
_SCOPE_DEFAULTS = {"consent": "IMPLICIT", "default": False, "optional": False, "metadataPublish": "NO_CLIENTS"}


def create(org: Org, request: Request) -> Response:
    body = _stated(read_body(request, "authorization_server"), _FIELDS)
    stored = {"issuerMode": "ORG_URL", **body, "status": next_state("authorization_server", "", "create")}
    server = org.new(Item("authorization_server", org.new_id("aus"), stored))
    org.log(request.actor, "app.oauth2.as.created", server)
    return Response(201, render(org, request, server))


def read(org: Org, request: Request) -> Response:
    return Response(200, render(org, request, find(org, request)))


def read_all(org: Org, request: Request) -> Response:
    found = paging.entries(org, request, "authorization_server", lambda server: render(org, request, server))
    if prefix := request.query.get("q", "").lower():
        found = ((seq, shown) for seq, shown in found if _matches(shown, prefix))
    return paging.arrayed(request, found)


def update(org: Org, request: Request) -> Response:
    server = find(org, request)
    body = _stated(read_body(request, "authorization_server"), _FIELDS)
    changes = {name: (server.body.get(name), body.get(name)) for name in _FIELDS if name != "issuerMode"}
    server.body = {**{name: value for name, value in server.body.items() if name not in changes}, **body}
    org.save(server)
    org.log(request.actor, "app.oauth2.as.updated", server, changes=changes)
    return Response(200, render(org, request, server))


def delete(org: Org, request: Request) -> Response:
    server = find(org, request)
    if server.status == "ACTIVE":
        raise refused("Cannot delete an authorization server in ACTIVE status. It must be deactivated first.")
    if any(item.kind == "association" for item in org.db.find_anywhere(server.id)):
        raise referenced("an MCP server")
    for policy in org.db.items("policy", server.id):
        for child in (*org.db.items("rule", policy.id), policy):
            org.db.remove(child)
    for scope in org.db.items("scope", server.id):
        org.db.remove(scope)
    org.move(server, "authorization_server", "delete")
    org.log(request.actor, "app.oauth2.as.deleted", server)
    return Response(204)


def activate(org: Org, request: Request) -> Response:
    server = find(org, request)
    org.move(server, "authorization_server", "activate")
    org.log(request.actor, "app.oauth2.as.activated", server)
    return Response(204)


def deactivate(org: Org, request: Request) -> Response:
    server = find(org, request)
    org.move(server, "authorization_server", "deactivate")
    org.log(request.actor, "app.oauth2.as.deactivated", server)
    notice_lost_authorization_server(org, server.id)
    return Response(204)


def create_scope(org: Org, request: Request) -> Response:
    server = find(org, request)
    body = {**_SCOPE_DEFAULTS, **_stated(read_body(request, "scope"), _SCOPE_FIELDS)}
    if body["name"] in SYSTEM_SCOPES:
        raise read_only()
    scope = org.new(Item("scope", org.new_id("scp"), body, parent=server.id, key=body["name"]), "name")
    org.log(request.actor, "app.oauth2.as.scope.created", scope)
    return Response(201, _render_scope(request, scope))


def read_scope(org: Org, request: Request) -> Response:
    return Response(200, _render_scope(request, _find_scope(org, request)))


def read_scopes(org: Org, request: Request) -> Response:
    return paging.arrayed(request, _scopes(org, request, find(org, request)))


def update_scope(org: Org, request: Request) -> Response:
    scope = _find_scope(org, request)
    body = {**_SCOPE_DEFAULTS, **_stated(read_body(request, "scope"), _SCOPE_FIELDS)}
    _require_free(org, scope, body["name"])
    scope.body = {**body, "created": scope.body["created"]}
    scope.key = body["name"]
    org.save(scope)
    org.log(request.actor, "app.oauth2.as.scope.updated", scope)
    return Response(200, _render_scope(request, scope))


def delete_scope(org: Org, request: Request) -> Response:
    scope = _find_scope(org, request)
    org.db.remove(scope)
    org.log(request.actor, "app.oauth2.as.scope.deleted", scope)
    return Response(204)


def find(org: Org, request: Request) -> Item:
    return org.require("authorization_server", request.args[0], "AuthorizationServer")


def render(org: Org, request: Request, server: Item) -> dict[str, Any]:
    own = f"{request.base}{PATH}/{server.id}"
    return {
        "id": server.id,
        **server.body,
        "issuer": f"{request.base}/oauth2/{server.id}",
        "credentials": {"signing": {"rotationMode": "AUTO", "kid": server.id, "use": "sig"}},
        "_links": {
            "self": {"href": own},
            "scopes": {"href": f"{own}/scopes"},
            "policies": {"href": f"{own}/policies"},
        },
    }


def _scopes(org: Org, request: Request, server: Item) -> Iterator[paging.Entry]:
    """The system's own scopes stand before all others, at negative places."""
    after = paging.cursor(request) if "after" in request.query else -len(SYSTEM_SCOPES) - 1
    for place, name in enumerate(SYSTEM_SCOPES, -len(SYSTEM_SCOPES)):
        if place > after:
            yield place, {"id": f"scp-{server.id}-{name}", "name": name, **_SCOPE_DEFAULTS, "system": True}
    yield from paging.entries(org, request, "scope", lambda scope: _render_scope(request, scope), server.id)


def _render_scope(request: Request, scope: Item) -> dict[str, Any]:
    shown = {name: scope.body[name] for name in _SCOPE_FIELDS if name in scope.body}
    own = f"{request.base}{PATH}/{scope.parent}/scopes/{scope.id}"
    return {"id": scope.id, **shown, "system": False, "_links": {"self": {"href": own}}}


def _find_scope(org: Org, request: Request) -> Item:
    server = find(org, request)
    if request.args[1].startswith(f"scp-{server.id}-") and request.method != "GET":
        raise read_only()
    return org.require("scope", request.args[1], "OAuth2Scope", server.id)


def _require_free(org: Org, item: Item, name: str) -> None:
    other = org.db.find_key(item.kind, name, item.parent)
    if other is not None and other.id != item.id:
        raise duplicate("name")


def _matches(shown: dict[str, Any], prefix: str) -> bool:
    return any(text.lower().startswith(prefix) for text in (shown["name"], *shown["audiences"]))


def _stated(body: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """The writable fields that were sent; null is the same as absent."""
    return {name: body[name] for name in fields if body.get(name) is not None}
