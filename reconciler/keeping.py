"""Secrets that are given to us: effects by which a conversation puts one where a reference points, and reads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Reference, Secret


@dataclass(frozen=True, slots=True)
class Keep:
    """Put `secret` where the reference points; durable once it is answered, and for this user only. None: remove it."""

    reference: Reference
    secret: Secret | None


@dataclass(frozen=True, slots=True)
class Recall:
    """Answered by what is there; None if nothing is."""

    reference: Reference


class Keeper(Protocol):
    """Where secrets are kept. Both raise Refused (`auth.secret`) for a place that can't be used."""

    def keep(self, reference: Reference, secret: Secret | None) -> None: ...

    def recall(self, reference: Reference) -> Secret | None: ...


class Leftover(Refused):
    """What was to be deleted is gone, but something of it remains elsewhere: the diagnostics, warnings, say what."""
