"""Who vouches for a plan file: a fingerprint shows that it was damaged, a signature that somebody else has made it."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any

from reconciler.model.diagnostic import Refused, error


def signed(document: Mapping[str, Any], key: bytes) -> dict[str, Any]:
    """The plan's document (`wire.encode`) with the signature that `key` gives it."""
    return {**document, "x_signature": _signature(document, key)}


def require_signature(document: Mapping[str, Any], key: bytes, name: str) -> None:
    """Raises Refused (`plan.signature`) unless whoever made the document, of the file `name`, had the key. That its
    fingerprint is right is taken for granted."""
    found = document.get("x_signature")
    if found is None:
        raise _refused(f"{name} is not signed, and guards.plan_signing_key says that plans are")
    if not hmac.compare_digest(str(found).encode(), _signature(document, key).encode()):
        raise _refused(f"The signature of {name} is not one of guards.plan_signing_key: somebody else made this plan")


def _signature(document: Mapping[str, Any], key: bytes) -> str:
    return hmac.digest(key, f"reconciler plan {document['x_fingerprint']}".encode(), "sha256").hex()


def _refused(summary: str) -> Refused:
    detail = "Nothing was applied. Run plan again where the key is, and apply what that writes."
    return Refused([error("plan.signature", summary, detail)])
