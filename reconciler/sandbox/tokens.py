"""Who calls: SSWS tokens, and the OAuth tokens that service apps get at `/oauth2/v1/token`."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from urllib.parse import parse_qsl

from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import forbidden, unauthenticated
from reconciler.sandbox.exchange import ADMINISTRATOR, Actor, Request, Response
from reconciler.sandbox.options import ServiceApp
from reconciler.sandbox.org import Org
from reconciler.sandbox.proofs import Unproven, verify_assertion, verify_dpop

PATH = "/oauth2/v1/token"
LIFETIME = 3600
"""Seconds; fixed for service apps (okta-api: implement OAuth for Okta with a service app)."""

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NONCE_SECONDS = 300


class _Denied(Exception):
    """An OAuth error answer (RFC 6749 section 5.2)."""

    def __init__(self, status: int, error: str, description: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(error)
        self.response = Response(status, {"error": error, "error_description": description}, headers or {})


def authenticate(org: Org, request: Request) -> Actor:
    """Whose request it is; E0000011 if its credentials are none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme == "SSWS":
        if not hmac.compare_digest(token.encode(), org.options.token.encode()):
            raise unauthenticated()
        return ADMINISTRATOR
    if scheme not in ("Bearer", "DPoP"):
        raise unauthenticated()
    granted = org.db.get("token", _fingerprint(token))
    if granted is None or granted.body["expires"] <= org.now():
        raise unauthenticated()
    if granted.body["key"] != _proven_key(org, request, token if scheme == "DPoP" else None):
        raise unauthenticated()
    client = granted.body["client"]
    return Actor(client, "PublicClientApp", client, frozenset(granted.body["scopes"]))


def require_scope(actor: Actor, scope: str, method: str) -> None:
    """E0000006 if `actor` has neither `scope`.manage nor, for reading, `scope`.read."""
    needed = {f"{scope}.manage", f"{scope}.read"} if method == "GET" else {f"{scope}.manage"}
    if actor.scopes is not None and not needed & actor.scopes:
        raise forbidden()


def grant(org: Org, request: Request) -> Response:
    """Client credentials with a private_key_jwt assertion, for okta.* scopes."""
    try:
        return _granted(org, request)
    except _Denied as denied:
        return denied.response


def _granted(org: Org, request: Request) -> Response:
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    if form.get("grant_type") != "client_credentials":
        raise _Denied(400, "unsupported_grant_type", "Only client_credentials is supported by the org's own server.")
    client, app = _client(org, request, form)
    key = _required_key(org, request) if app.dpop else None
    asked = form.get("scope", "").split()
    unknown = [scope for scope in asked if scope not in app.scopes]
    if not asked or unknown:
        raise _Denied(400, "invalid_scope", "One or more scopes are not granted to the client.")
    token = secrets.token_urlsafe(32)
    body = {"client": client, "scopes": asked, "expires": org.now() + LIFETIME, "key": key}
    org.new(Item("token", _fingerprint(token), body))
    org.log(Actor(client, "PublicClientApp", client), "app.oauth2.token.grant.access_token")
    answer = {
        "token_type": "DPoP" if app.dpop else "Bearer",
        "expires_in": LIFETIME,
        "access_token": token,
        "scope": " ".join(asked),
    }
    return Response(200, answer, {"Cache-Control": "no-store"})


def _client(org: Org, request: Request, form: dict[str, str]) -> tuple[str, ServiceApp]:
    """The registered service app that the assertion proves; every assertion is good for once."""
    if form.get("client_assertion_type") != _ASSERTION_TYPE or "client_assertion" not in form:
        raise _Denied(401, "invalid_client", "The client must authenticate with private_key_jwt.")
    try:
        claimed = _claimed_client(form)
        app = org.options.clients.get(claimed)
        if app is None:
            raise Unproven("The client is not known.")
        claims = verify_assertion(form["client_assertion"], app.keys, org.now(), request.base + PATH)
    except Unproven as problem:
        raise _Denied(401, "invalid_client", str(problem)) from None
    if claims.get("sub") != claimed:
        raise _Denied(401, "invalid_client", "The client assertion is another client's.")
    if identity := claims.get("jti"):
        used = _fingerprint(f"{claimed} {identity}")
        if org.db.get("assertion", used):
            raise _Denied(401, "invalid_client", "The client assertion was used before.")
        org.new(Item("assertion", used, {}))
    return claimed, app


def _claimed_client(form: dict[str, str]) -> str:
    import jwt

    if "client_id" in form:
        return form["client_id"]
    try:
        claims = jwt.decode(form["client_assertion"], options={"verify_signature": False})
    except jwt.PyJWTError:
        raise Unproven("The client assertion is not a signed JWT.") from None
    return str(claims.get("sub"))


def _required_key(org: Org, request: Request) -> str:
    """The thumbprint of the key the token is to be bound to; the proof must carry a nonce of ours."""
    proof = request.headers.get("dpop")
    if not proof:
        raise _Denied(400, "invalid_dpop_proof", "The DPoP proof JWT header is missing.")
    try:
        thumbprint, claims = verify_dpop(proof, "POST", request.base + PATH, org.now())
    except Unproven as problem:
        raise _Denied(400, "invalid_dpop_proof", str(problem)) from None
    current, previous = _nonce(org, 0), _nonce(org, 1)
    if claims.get("nonce") not in (current, previous):
        raise _Denied(
            400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.", {"DPoP-Nonce": current}
        )
    return thumbprint


def _proven_key(org: Org, request: Request, token: str | None) -> str | None:
    """The thumbprint of the key that a DPoP-bound request proves; None for a plain bearer's."""
    if token is None:
        return None
    try:
        proof = request.headers.get("dpop", "")
        return verify_dpop(proof, request.method, request.base + request.path, org.now(), token)[0]
    except Unproven:
        raise unauthenticated() from None


def _nonce(org: Org, ago: int) -> str:
    return _fingerprint(f"{org.id} {int(org.now() // _NONCE_SECONDS) - ago}")[:24]


def _fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
