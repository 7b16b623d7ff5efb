"""What must hold at the moment at which a write leaves: its intent is durable and young, and the lease lasts.

A write may have to wait long for its turn: for the rate limit, for another write, for a secret or for credentials. An
intent written before that would be old by the time of the send, and who recovers after a crash would take for
impossible what may still come; the lease, too, may have ended meanwhile. So an intent that is announced is only noted,
and written when everything has been waited for; nothing but the request itself comes after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Answer, Call, Clock, Lease, Leave, Transport

Entry: TypeAlias = Mapping[str, Any]
Journal: TypeAlias = Callable[[Sequence[Entry]], Awaitable[None]]
"""Returns once those of the entries that must be durable are."""

_ATTEMPTS = 5
"""How many times in a row the journal may be too slow."""


@dataclass(frozen=True, slots=True)
class Terms:
    """By which writes may leave; without a `journal`, none may. The `lease` must last for more than `patience`, the
    seconds that a request may take; an intent may be at most `margin` seconds old."""

    journal: Journal | None
    clock: Clock
    lease: Lease | None
    patience: float
    margin: float


class Departure:
    """What one conversation writes, one thing after the other: each with an intent of its own in the journal."""

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._leave: Leave | None = None

    async def write(self, entry: Entry) -> None:
        """Into the journal. An intent is only noted: it is durable before anything of the next call leaves."""
        journal = self._terms.journal
        if journal is None:
            raise RuntimeError("a write was attempted where nothing may be written")
        if entry["kind"] == "intent":
            self._leave = partial(self._account_for, entry, journal)
        else:
            await journal([entry])

    async def send(self, call: Call, transport: Transport) -> Answer:
        """The answer to the write of which the last intent tells. Raises Refused, and nothing was sent then, if the
        intent can't be written, or only slowly (`state.slow`), or if the lease may end before the answer
        (`lock.lost`)."""
        leave, self._leave = self._leave, None
        if leave is None:
            raise RuntimeError("a write was attempted that no intent tells of")
        return await transport.exchange(call, leave)

    async def _account_for(self, intent: Entry, journal: Journal) -> None:
        """Returns at most `margin` seconds after the moment that the intent bears."""
        terms = self._terms
        for _ in range(_ATTEMPTS):
            began = terms.clock.monotonic()
            await journal([intent])
            if terms.lease is not None:
                _require_time(terms.lease, terms.patience)
            if terms.clock.monotonic() - began <= terms.margin:
                return
        told = f"To write down what is about to be sent takes longer than {terms.margin:g} s"
        detail = (
            "Nothing is sent of which that can't be done in time. Is the store of the state far away, or overloaded?"
        )
        raise Refused([error("state.slow", told, detail)])


def _require_time(lease: Lease, patience: float) -> None:
    if lease.remaining() <= patience:
        told = "The lock of the state is lost, or can't be renewed in time: nothing more is sent"
        raise Refused([error("lock.lost", told, "What was done is recorded, or is found out by the next plan.")])
