"""System Log events: what is written for every change, and how they are listed (okta-api: System Log, event types)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from reconciler.sandbox.database import Item
from reconciler.sandbox.exchange import Actor

EventType = Literal[
    "resource_servers.mcp_server.register",
    "resource_servers.mcp_server.update",
    "resource_servers.mcp_server.activate",
    "resource_servers.mcp_server.deactivate",
    "resource_servers.mcp_server.delete",
    "resource_servers.mcp_server.auth_server.create",
    "resource_servers.mcp_server.auth_server.update",
    "resource_servers.mcp_server.auth_server.delete",
    "resource_servers.client_authentication_settings.create",
    "resource_servers.client_authentication_settings.update",
    "resource_servers.client_authentication_settings.delete",
    "app.oauth2.as.created",
    "app.oauth2.as.updated",
    "app.oauth2.as.activated",
    "app.oauth2.as.deactivated",
    "app.oauth2.as.deleted",
    "app.oauth2.as.scope.created",
    "app.oauth2.as.scope.updated",
    "app.oauth2.as.scope.deleted",
    "policy.lifecycle.create",
    "policy.lifecycle.update",
    "policy.lifecycle.activate",
    "policy.lifecycle.deactivate",
    "policy.lifecycle.delete",
    "policy.rule.add",
    "policy.rule.update",
    "policy.rule.activate",
    "policy.rule.deactivate",
    "policy.rule.delete",
    "app.oauth2.token.grant.access_token",
]

Changes = Mapping[str, tuple[Any, Any]]
"""Field -> (before, after)."""

_TARGET_TYPES = {
    "mcp_server": "McpServer",
    "association": "ExternalAuthServer",
    "client_auth_settings": "ClientAuthSetting",
    "authorization_server": "AuthorizationServer",
    "scope": "AuthorizationServerScope",
    "policy": "PolicyEntity",
    "rule": "PolicyRule",
}
_CHANGE_NAMES = {
    "mcp_server": {
        "displayName": "mcp_server_display_name",
        "description": "mcp_server_description",
        "status": "mcp_server_status",
        "detectedMetadata": "mcp_server_detected_metadata",
    },
    "association": {"status": "auth_server_status", "detectedMetadata": "auth_server_detected_metadata"},
    "client_auth_settings": {"name": "name", "scopes": "scopes", "clientSecret": "client_secret"},
}


def describe_event(
    actor: Actor,
    event: EventType,
    targets: Sequence[Item],
    *,
    changes: Changes | None = None,
    failure: str | None = None,
) -> dict[str, Any]:
    """The event, but for its id and time. A `failure` makes its outcome FAILURE."""
    shown = [_target(target) for target in targets]
    if changes and shown:
        shown[0]["changeDetails"] = _change_details(targets[0].kind, changes)
    debug = {"error_message": failure} if failure else {}
    return {
        "eventType": event,
        "version": "0",
        "severity": "WARN" if failure else "INFO",
        "actor": {"id": actor.id, "type": actor.type, "alternateId": actor.name, "displayName": actor.name},
        "client": {"ipAddress": "127.0.0.1"},
        "outcome": {"result": "FAILURE", "reason": failure} if failure else {"result": "SUCCESS"},
        "debugContext": {"debugData": debug},
        "target": shown,
    }


def _target(item: Item) -> dict[str, Any]:
    body = item.body
    name = body.get("displayName") or body.get("name") or body.get("issuer") or body.get("resourceUrl") or item.id
    return {
        "id": item.id,
        "type": _TARGET_TYPES[item.kind],
        "displayName": name,
        "alternateId": body.get("resourceUrl") or body.get("issuer") or item.id,
        "detailEntry": _details(item),
    }


def _details(item: Item) -> dict[str, Any]:
    body = item.body
    if item.kind == "mcp_server":
        return {
            "mcp_server_resource_url": body.get("resourceUrl"),
            "mcp_server_status": item.status,
            "mcp_server_detected_metadata": _metadata("mcpServer", body.get("detectedMetadata")),
        }
    if item.kind == "association":
        return {"auth_server_issuer_url": body.get("issuer"), "auth_server_status": item.status}
    if item.kind == "client_auth_settings":
        return {"client_auth_setting_id": item.id, "client_auth_setting_name": body.get("name")}
    return {}


def _change_details(kind: str, changes: Changes) -> dict[str, Any]:
    names = _CHANGE_NAMES.get(kind, {})
    prefix = {"mcp_server": "mcpServer", "association": "authServer"}.get(kind, "")

    def side(index: int) -> dict[str, Any]:
        values = {}
        for field, change in changes.items():
            value = _metadata(prefix, change[index]) if field == "detectedMetadata" else change[index]
            values[names.get(field, field)] = "********" if field == "clientSecret" else value
        return values

    return {"from": side(0), "to": side(1)}


def _metadata(prefix: str, metadata: Mapping[str, Any] | None) -> str | None:
    """Detected metadata as events carry it: JSON with the object's name before each field."""
    if metadata is None:
        return None
    named = {f"{prefix}{field[0].upper()}{field[1:]}": v for field, v in metadata.items() if field != "lastRefreshedAt"}
    return json.dumps(named)
