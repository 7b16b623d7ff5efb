"""What is wrong with an MCP server or an authorization server, as Okta would find out by looking at it."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from reconciler.sandbox.database import Item
from reconciler.sandbox.exchange import Response
from reconciler.sandbox.hosts import ID_JAG_PROFILE, JWT_BEARER
from reconciler.sandbox.org import Org
from reconciler.sandbox.troubles import Unreachable

ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
_PRM = "/.well-known/oauth-protected-resource"
_METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_GRANTS = frozenset({"authorization_code", "refresh_token"})


def is_complete(row: Item) -> bool:
    """Whether an authorization server of an MCP server has its protocol configuration, and it was found valid."""
    return row.status in ("INACTIVE", "ACTIVE")


def configuration_problem(org: Org, row: Item) -> str | None:
    """Why a declared row can't be registered; None if it can."""
    body = row.body
    if body["type"] == "OKTA":
        return None if org.db.get("authorization_server", row.id) else "The authorization server no longer exists."
    for name in ("authorizationEndpoint", "tokenEndpoint"):
        if not body.get(name):
            return f"Protocol configuration is incomplete: {name} is missing."
        if not _is_url(body[name]):
            return f"Protocol configuration is invalid: {name} is not a URL."
    grants = body.get("grantTypesSupported") or []
    if not grants:
        return "Protocol configuration is incomplete: grantTypesSupported is missing."
    unknown = sorted(set(grants) - _GRANTS)
    return f"Protocol configuration is invalid: grant type {unknown[0]} is not supported." if unknown else None


def connectivity_problem(org: Org, row: Item) -> str | None:
    """Why a declared row can't be reached, as activation verifies; None if it can."""
    body = row.body
    if body["type"] == "OKTA":
        server = org.db.get("authorization_server", row.id)
        return None if server and server.status == "ACTIVE" else "The authorization server is not active."
    if org.hosts is None:
        return None
    issuer = body["issuer"]
    metadata = _issuer_metadata(org, issuer)
    if isinstance(metadata, str):
        return metadata
    if metadata is not None and metadata.get("issuer") != issuer:
        return f"Issuer mismatch: {issuer} publishes the issuer {metadata.get('issuer')}."
    return _endpoint_problem(org, body["tokenEndpoint"])


def resource_problem(org: Org, url: str) -> str | None:
    """Why the MCP server itself can't be reached; None if it can."""
    if org.hosts is None:
        return None
    answer = _fetch(org, "POST", url)
    if answer is None:
        return f"{url} could not be reached."
    if answer.status == 404 or answer.status >= 500:
        return f"{url} answered {answer.status}."
    return _oddity(url, answer)


def read_resource(org: Org, url: str) -> dict[str, Any] | str:
    """The server's protected-resource metadata (RFC 9728), or why it can't be used."""
    if org.hosts is None:
        return "Protected resource metadata could not be retrieved."
    parts = urlsplit(url)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    status = 404
    for where in dict.fromkeys((f"{origin}{_PRM}{path}", f"{origin}{_PRM}")):
        answer = _fetch(org, "GET", where)
        if answer is None:
            return f"{origin} could not be reached."
        status = answer.status
        if answer.status == 200 and isinstance(answer.body, dict):
            document = answer.body
            if document.get("resource") != url:
                return f"Resource mismatch: the metadata is for {document.get('resource')}."
            return document if document.get("authorization_servers") else "No authorization servers found"
    return f"Protected resource metadata could not be retrieved: {origin} answered {status}."


def read_issuer(org: Org, issuer: str) -> dict[str, Any] | str:
    """A discovered authorization server's metadata (RFC 8414), or why it can't be used."""
    metadata = _issuer_metadata(org, issuer)
    if metadata is None:
        return f"{issuer} publishes no authorization server metadata."
    if isinstance(metadata, str):
        return metadata
    if metadata.get("issuer") != issuer:
        return f"Issuer mismatch: {issuer} publishes the issuer {metadata.get('issuer')}."
    missing = [name for name in ("authorization_endpoint", "token_endpoint") if not metadata.get(name)]
    return f"The metadata of {issuer} has no {missing[0]}." if missing else metadata


def detected(metadata: dict[str, Any]) -> dict[str, Any]:
    """`detectedMetadata` of an authorization server."""
    grants = list(metadata.get("grant_types_supported", ()))
    profiles = metadata.get("authorization_grant_profiles_supported", ())
    found: dict[str, Any] = {
        "grantTypesSupported": grants,
        "authorizationEndpoint": metadata["authorization_endpoint"],
        "tokenEndpoint": metadata["token_endpoint"],
        "identityChainingRequestedTokenTypesSupported": (
            [ID_JAG] if JWT_BEARER in grants and ID_JAG_PROFILE in profiles else []
        ),
    }
    if registration := metadata.get("registration_endpoint"):
        found["registrationEndpoint"] = registration
    return found


def is_connectable(org: Org, server: Item) -> bool:
    """Whether an ACTIVE authorization server of it supports Cross-App Access, or STS with a client registration."""
    rows = [row for row in org.db.items("association", server.id) if row.status == "ACTIVE"]
    if any(_supports_xaa(row) for row in rows):
        return True
    clients = {client.body["_row"] for client in org.db.items("client_auth_settings", server.id)} if rows else set()
    return any(row.id in clients for row in rows)


def has_active(org: Org, server: Item) -> bool:
    return any(row.status == "ACTIVE" for row in org.db.items("association", server.id))


def _supports_xaa(row: Item) -> bool:
    chained = row.body.get("detectedMetadata", {}).get("identityChainingRequestedTokenTypesSupported", ())
    return row.body["type"] == "OKTA" or ID_JAG in chained


def _issuer_metadata(org: Org, issuer: str) -> dict[str, Any] | str | None:
    """The issuer's metadata; None if it publishes none; a text if it is in trouble."""
    try:
        parts = urlsplit(issuer)
    except ValueError:
        return f"{issuer} is not a URL."
    path = parts.path.rstrip("/")
    for known in _METADATA:
        answer = _fetch(org, "GET", f"{parts.scheme}://{parts.netloc}{known}{path}")
        if answer is None:
            return f"{issuer} could not be reached."
        if answer.status >= 500:
            return f"{issuer} answered {answer.status}."
        if answer.status == 200 and isinstance(answer.body, dict):
            return answer.body
    return None


def _endpoint_problem(org: Org, url: str) -> str | None:
    answer = _fetch(org, "POST", url)
    if answer is None:
        return f"The token endpoint {url} could not be reached."
    if answer.status in (404, 405) or answer.status >= 500:
        return f"The token endpoint {url} answered {answer.status}."
    return _oddity(f"The token endpoint {url}", answer)


def _oddity(what: str, answer: Response) -> str | None:
    """What no endpoint of these protocols does."""
    if 300 <= answer.status < 400:
        return f"{what} redirects, which is not followed."
    return f"{what} answers with something else than JSON." if isinstance(answer.body, bytes) else None


def _fetch(org: Org, method: str, url: str) -> Response | None:
    if org.hosts is None:
        return None
    try:
        return org.hosts.fetch(method, url)
    except Unreachable:
        return None


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and bool(parts.hostname)
