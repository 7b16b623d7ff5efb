"""Every path and field name of the Okta APIs, in one table: the APIs are Beta, and what they rename is changed here."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from reconciler.model.diagnostic import Refused, error

ORG = "/api/v1/org"
WELL_KNOWN_ORG = "/.well-known/okta-organization"
PREVIEW_HOSTS = ".oktapreview.com"
TOKEN = "/oauth2/v1/token"
AUTHORIZATION_SERVERS = "/api/v1/authorizationServers"
MCP_SERVERS = "/resource-servers/api/v1/mcp-servers"
CLIENT_AUTH_SETTINGS = "/resource-servers/api/v1/client-auth-settings"
ASSOCIATIONS = "authorization-servers"
"""Segment under one MCP server."""
OPERATIONS = "operations"
SCOPES, POLICIES, RULES = "scopes", "policies", "rules"
"""Segments under one authorization server, and under one policy of it."""
LIFECYCLE = "lifecycle"

MERGE_PATCH = "application/merge-patch+json"
PAGE = "200"
"""The largest page both API families give."""

MCP_SERVER_FIELDS = {
    "resource_url": "resourceUrl",
    "registration": "type",
    "display_name": "displayName",
    "description": "description",
}
REGISTRATIONS = {"manual": "MANUAL", "discovered": "DISCOVERABLE"}
ASSOCIATION_FIELDS = {
    "type": "type",
    "issuer": "issuer",
    "authorization_endpoint": "authorizationEndpoint",
    "token_endpoint": "tokenEndpoint",
    "registration_endpoint": "registrationEndpoint",
    "grant_types": "grantTypesSupported",
}
CLIENT_FIELDS = {
    "name": "name",
    "method": "registrationType",
    "client_id": "clientId",
    "client_secret": "clientSecret",
    "scopes": "scopes",
}
METHODS = {"static": "STATIC", "dynamic": "DCR"}
SERVER_FIELDS = {"name": "name", "description": "description", "audiences": "audiences"}
SCOPE_FIELDS = {"display_name": "displayName", "description": "description", "consent": "consent"}
OWN = "reconciler"
"""The name of the one policy, and of its one rule, that a custom authorization server gets."""

READ_ONLY = frozenset({"id", "created", "lastUpdated", "_links", "_embedded", "system"})
"""What a scope, policy or rule shows and a replacing PUT must not send."""
SERVER_WRITABLE = ("name", "description", "audiences", "issuerMode", "accessTokenEncryptedResponseAlgorithm", "jwks")
"""What a replacing PUT of an authorization server sends back."""

UNREADABLE = "x-reconciler-unreadable"
"""Set by our transport, never by a server: the printable beginning of an answer that is not JSON."""

_LITERALS = frozenset(
    segment
    for path in (ORG, TOKEN, AUTHORIZATION_SERVERS, MCP_SERVERS, CLIENT_AUTH_SETTINGS)
    for segment in path.split("/")
) | {ASSOCIATIONS, OPERATIONS, SCOPES, POLICIES, RULES, LIFECYCLE, "activate", "deactivate"}


@lru_cache(maxsize=4096)
def under(path: str, *segments: str) -> str:
    """`path` continued by `segments`, each quoted; Refused for a segment that would lead somewhere else."""
    if any(segment in ("", ".", "..") for segment in segments):
        raise Refused([error("okta.bad-id", f"Okta gave an id that can't be part of a path under {path}")])
    return "/".join((path, *(quote(segment, safe="") for segment in segments)))


def bucket(method: str, path: str) -> str:
    """Which rate limit a call counts against: Okta keeps one per method and path, whatever the ids in it."""
    segments = path.partition("?")[0].split("/")
    return f"{method} {'/'.join(segment if segment in _LITERALS else '*' for segment in segments)}"


def dig(item: Any, *keys: str) -> Any:
    """The value under nested keys of what an API answered; None where anything on the way is missing or odd."""
    for key in keys:
        item = item.get(key) if isinstance(item, Mapping) else None
    return item


def text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def texts(value: Any) -> list[str]:
    """The strings of a list, sorted: their order means nothing in these APIs."""
    return sorted(entry for entry in value if isinstance(entry, str)) if isinstance(value, list) else []
