"""Signing keys: a service app's own, read from PEM or JWK, and the key of this run that tokens are bound to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.secret import Secret


@dataclass(frozen=True, slots=True, repr=False)
class SigningKey:
    """A private key with the algorithm (RFC 7518) that goes with it. It prints as what it is for, not what it is."""

    key: Any
    algorithm: str
    key_id: str | None = None

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm})"

    def sign(self, claims: dict[str, Any], headers: dict[str, Any]) -> str:
        import jwt

        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers=headers)

    def public_jwk(self) -> dict[str, Any]:
        """The public half of an EC key (RFC 7517)."""
        from jwt.algorithms import ECAlgorithm

        shown: dict[str, Any] = ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return shown


def read_key(secret: Secret, key_id: str | None, shown: str) -> SigningKey:
    """The private key in `secret`, PEM or JWK; Refused (`auth.key`), naming only its reference `shown`."""
    text = secret.reveal().strip()
    named = key_id
    try:
        if text.startswith("{"):
            jwk = json.loads(text)
            named = key_id or jwk.get("kid")
            key = _from_jwk(jwk)
        else:
            from cryptography.hazmat.primitives.serialization import load_pem_private_key

            key = load_pem_private_key(text.encode(), password=None)
        algorithm = _algorithm_of(key)
    except Exception:
        # Whatever the libraries say of a key they can't read may quote it.
        algorithm = None
    if algorithm is None:
        raise Refused([_unusable(shown)])
    return SigningKey(key, algorithm, named if isinstance(named, str) else None)


def new_key() -> SigningKey:
    """A fresh P-256 key, which lives as long as this run."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    return SigningKey(generate_private_key(SECP256R1()), "ES256")


def _from_jwk(jwk: dict[str, Any]) -> Any:
    from jwt.algorithms import ECAlgorithm, RSAAlgorithm

    reader = ECAlgorithm if jwk.get("kty") == "EC" else RSAAlgorithm
    return reader.from_jwk(jwk)


def _algorithm_of(key: Any) -> str | None:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if isinstance(key, RSAPrivateKey):
        return "RS256" if key.key_size >= 2048 else None
    if isinstance(key, EllipticCurvePrivateKey):
        return {256: "ES256", 384: "ES384", 521: "ES512"}.get(key.key_size)
    return None


def _unusable(shown: str) -> Diagnostic:
    return error(
        "auth.key",
        f"{shown} doesn't hold a private key that can sign for a service app",
        "It takes an RSA key of 2048 bits or more, or an EC key (P-256, P-384, P-521), as an unencrypted PEM or a JWK.",
    )
