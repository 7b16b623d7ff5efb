"""What the org and its custom authorization servers publish to anybody: metadata (RFC 8414), keys, token endpoints."""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl

from reconciler.sandbox.authorization_servers import SYSTEM_SCOPES
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import not_found
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.hosts import ID_JAG_PROFILE, JWT_BEARER
from reconciler.sandbox.org import Org

_TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"
_AUTHENTICATION = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
_GRANTS = ("authorization_code", "refresh_token", "client_credentials", JWT_BEARER)
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256 (FIPS 186-5)."""


def read_org(org: Org, request: Request) -> Response:
    """The org's own authorization server: it mints ID-JAGs, the first leg of Cross-App Access."""
    document = {
        "issuer": request.base,
        "authorization_endpoint": f"{request.base}/oauth2/v1/authorize",
        "token_endpoint": f"{request.base}/oauth2/v1/token",
        "jwks_uri": f"{request.base}/oauth2/v1/keys",
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", _TOKEN_EXCHANGE],
        "identity_chaining_requested_token_types_supported": [_ID_JAG],
        "token_endpoint_auth_methods_supported": _AUTHENTICATION,
        "code_challenge_methods_supported": ["S256"],
    }
    return Response(200, document)


def read_metadata(org: Org, request: Request) -> Response:
    server = _active(org, request)
    issuer = f"{request.base}/oauth2/{server.id}"
    published = [s.body["name"] for s in org.db.items("scope", server.id) if s.body["metadataPublish"] == "ALL_CLIENTS"]
    document = {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/v1/authorize",
        "token_endpoint": f"{issuer}/v1/token",
        "jwks_uri": f"{issuer}/v1/keys",
        "response_types_supported": ["code"],
        "grant_types_supported": list(_GRANTS),
        "authorization_grant_profiles_supported": [ID_JAG_PROFILE],
        "token_endpoint_auth_methods_supported": _AUTHENTICATION,
        "scopes_supported": [*SYSTEM_SCOPES, *published],
        "code_challenge_methods_supported": ["S256"],
    }
    return Response(200, document)


def read_keys(org: Org, request: Request) -> Response:
    server = _active(org, request)
    return Response(200, {"keys": [_public_key(f"{org.id} {server.id}", server.id)]})


def grant(org: Org, request: Request) -> Response:
    """Refuses, as no agent can have a good assertion: nothing here mints one."""
    _active(org, request)
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    wanted = form.get("grant_type", "")
    if wanted not in _GRANTS:
        return Response(400, {"error": "unsupported_grant_type"})
    if "client_assertion" not in form and not request.headers.get("authorization"):
        return Response(401, {"error": "invalid_client"})
    return Response(400, {"error": "invalid_grant"})


def _active(org: Org, request: Request) -> Item:
    server = org.db.get("authorization_server", request.args[0])
    if server is None or server.status != "ACTIVE":
        raise not_found(request.args[0], "AuthorizationServer")
    return server


@lru_cache(maxsize=256)
def _public_key(seed: str, kid: str) -> dict[str, Any]:
    """The public half of a key that is the same for the life of a database."""
    from cryptography.hazmat.primitives.asymmetric import ec

    number = int.from_bytes(hashlib.sha512(seed.encode()).digest(), "big") % (_ORDER - 1) + 1
    numbers = ec.derive_private_key(number, ec.SECP256R1()).public_key().public_numbers()
    point = {"x": _encoded(numbers.x), "y": _encoded(numbers.y)}
    return {"kty": "EC", "crv": "P-256", **point, "kid": kid, "use": "sig", "alg": "ES256"}


def _encoded(coordinate: int) -> str:
    return base64.urlsafe_b64encode(coordinate.to_bytes(32, "big")).rstrip(b"=").decode()
