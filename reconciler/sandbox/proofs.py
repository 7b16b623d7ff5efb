"""Signed proofs of clients: private_key_jwt assertions (RFC 7523) and DPoP proofs (RFC 9449)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jwt.types import Options

_ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "ES512"]
_PROOF_SECONDS = 300.0
_THUMBPRINT_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y")}


class Unproven(Exception):
    """The proof doesn't prove what it should; says why."""


def verify_assertion(assertion: str, keys: Iterable[Mapping[str, Any]], now: float, audience: str) -> dict[str, Any]:
    """The claims of a client assertion that one of `keys` (JWKs) signed for that audience.

    okta-api: `aud` is the token URL, `exp` at most an hour ahead.
    """
    header = _header(assertion)
    candidates = [key for key in keys if header.get("kid") in (None, key.get("kid"))]
    if not candidates:
        raise Unproven("The client assertion's kid is not one of the client's keys.")
    claims = _decoded(assertion, candidates[0])
    audiences = claims.get("aud")
    if audience not in (audiences if isinstance(audiences, list) else [audiences]):
        raise Unproven(f"The client assertion's audience must be {audience}.")
    expires = claims.get("exp")
    if not isinstance(expires, int | float) or not now < expires <= now + 3600:
        raise Unproven("The client assertion is expired, or is good for more than an hour.")
    if claims.get("iss") != claims.get("sub"):
        raise Unproven("The client assertion's iss and sub must both be the client id.")
    return claims


def verify_dpop(proof: str, method: str, url: str, now: float, token: str | None = None) -> tuple[str, dict[str, Any]]:
    """The thumbprint (RFC 7638) of the key that a DPoP proof for that request is signed with, and its claims.

    With an access `token`, the proof must also be bound to it by `ath`.
    """
    header = _header(proof)
    key = header.get("jwk")
    if header.get("typ") != "dpop+jwt" or not isinstance(key, dict) or "d" in key:
        raise Unproven("The DPoP proof must have the typ dpop+jwt and a public jwk.")
    claims = _decoded(proof, key)
    if claims.get("htm") != method or str(claims.get("htu")).partition("?")[0] != url:
        raise Unproven("The DPoP proof is for another request.")
    issued = claims.get("iat")
    if not claims.get("jti") or not isinstance(issued, int | float) or abs(now - issued) > _PROOF_SECONDS:
        raise Unproven("The DPoP proof needs a jti and a recent iat.")
    if token is not None and claims.get("ath") != _digest(token):
        raise Unproven("The DPoP proof is not bound to the access token.")
    return _thumbprint(key), claims


def _header(signed: str) -> dict[str, Any]:
    import jwt

    try:
        return dict(jwt.get_unverified_header(signed))
    except jwt.PyJWTError:
        raise Unproven("It is not a signed JWT.") from None


def _decoded(signed: str, key: Mapping[str, Any]) -> dict[str, Any]:
    import jwt

    algorithm = _header(signed).get("alg")
    if algorithm not in _ALGORITHMS:
        raise Unproven("It must be signed with an asymmetric algorithm.")
    # Times are checked by the callers, against the sandbox's clock.
    unchecked: Options = {"verify_exp": False, "verify_aud": False, "verify_iat": False, "verify_nbf": False}
    try:
        public = jwt.PyJWK(dict(key), algorithm=algorithm)
        return dict(jwt.decode(signed, public.key, algorithms=_ALGORITHMS, options=unchecked))
    except (jwt.PyJWTError, ValueError, TypeError):
        raise Unproven("Its signature is not valid.") from None


def _thumbprint(key: Mapping[str, Any]) -> str:
    members = _THUMBPRINT_MEMBERS.get(str(key.get("kty")))
    if members is None:
        raise Unproven("The DPoP key must be an RSA or EC key.")
    return _digest(json.dumps({name: key.get(name) for name in members}, separators=(",", ":"), sort_keys=True))


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
