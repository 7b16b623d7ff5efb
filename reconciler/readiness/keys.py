"""Whether a JWK set is fit for verifying tokens: public, asymmetric, strong enough (RFC 7517, RFC 7518, RFC 8725)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.readiness.finding import Finding, failed, passed, quoted, warned

_MINIMUM_BITS = 2048


def judge_keys(document: Mapping[str, Any]) -> Finding:
    keys = document.get("keys")
    if not isinstance(keys, list) or not all(isinstance(key, Mapping) for key in keys):
        return failed("its JWK set has no list of keys", "malformed")
    if any("d" in key for key in keys):
        return failed("it publishes a private key", "private-key")
    if any(key.get("kty") == "oct" or "k" in key for key in keys):
        return failed("it publishes a shared key", "shared-key")
    signing = [key for key in keys if key.get("use", "sig") == "sig"]
    weak = [key for key in signing if key.get("kty") == "RSA" and _bits(key.get("n")) < _MINIMUM_BITS]
    if weak:
        names = ", ".join(quoted(key.get("kid", "?")) for key in weak[:3])
        return failed(f"an RSA key of less than {_MINIMUM_BITS} bits is among its keys ({names})", "weak-key")
    usable = [key for key in signing if key.get("kty") in ("RSA", "EC", "OKP")]
    if not usable:
        return failed("there is no signing key among its keys", "no-key")
    if any("alg" not in key or "use" not in key for key in usable):
        return warned(f"{len(usable)} signing keys, not all of which say their alg and use", "unlabelled")
    return passed(f"{len(usable)} signing keys")


def _bits(modulus: object) -> int:
    """The length of an RSA modulus in base64url; 6 bits a character, so it is a little more than the true one."""
    if not isinstance(modulus, str):
        return 0
    return len(modulus.rstrip("=")) * 6 // 8 * 8
