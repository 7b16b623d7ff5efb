"""Keyed fingerprints: by them a changed secret is noticed, and without the key nothing is learnt of it."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from secrets import token_hex

from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.model.secret import Reference, Secret, describe

_DIGITS = 16


def new_key() -> str:
    """A workspace's own key, in hexadecimal."""
    return token_hex(32)


def fingerprint(key: str, secret: Secret) -> str:
    """HMAC-SHA256 in 16 hexadecimal digits."""
    return hmac.digest(bytes.fromhex(key), secret.reveal().encode("utf-8", "surrogatepass"), "sha256").hex()[:_DIGITS]


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """By the shown form of their references (`env:NAME`): the fingerprints of the secrets that could be read, and why
    the others could not."""

    known: Mapping[str, str] = field(default_factory=dict)
    unreadable: Mapping[str, tuple[Diagnostic, ...]] = field(default_factory=dict)


def take(references: Iterable[Reference], key: str, read: Callable[[Reference], Secret]) -> Fingerprints:
    """Reads each secret once, and forgets it again."""
    known: dict[str, str] = {}
    failed: dict[str, tuple[Diagnostic, ...]] = {}
    for shown, reference in {describe(reference): reference for reference in references}.items():
        try:
            known[shown] = fingerprint(key, read(reference))
        except Refused as refused:
            failed[shown] = refused.diagnostics
    return Fingerprints(known, failed)
