"""How long a write of which nobody knows what came may still take effect, and how old a journalled intent is.

A request whose sender died may be on its way still, and lists may lag behind. Until that can no longer be, an object
that isn't there is no proof that it won't be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from reconciler.ports import Clock

MARGIN = 5.0
"""Seconds from the moment that an intent bears to its request's being on the way, at most."""
QUARANTINE = 60.0 + MARGIN
"""Seconds, where an entry doesn't say its own: 30 for the request, and 30 for a live system that carries it out after
it gave up on us and for lists that don't show it yet; and the time between the journal and the wire."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time by two clocks: `count` seconds since `origin`, and seconds of the wall clock since the epoch.
    `waited` is for how many seconds whoever asks has been waiting by then."""

    count: float
    origin: str
    wall: float
    waited: float = 0.0

    def later(self, count: float) -> Moment:
        passed = count - self.count
        return Moment(count, self.origin, self.wall + passed, self.waited + passed)


def moment(clock: Clock) -> Moment:
    return Moment(clock.monotonic(), clock.origin, _epoch(clock.wall()) or 0.0)


def stamp(clock: Clock, quarantine: float) -> dict[str, Any]:
    """When an entry is written, for whoever reads it after a crash."""
    return {
        "at": clock.wall(),
        "count": round(clock.monotonic(), 3),
        "origin": clock.origin,
        "quarantine": quarantine,
    }


def seconds_left(entry: Mapping[str, Any], now: Moment) -> float:
    """Seconds for which what `entry` announces may still happen; 0 once it can't.

    By the count of the same boot, which no step of the wall clock moves. Otherwise by the wall clock, and one that is
    before the entry has gone wrong: then the whole time is waited, from when the waiting began.
    """
    whole = float(entry.get("quarantine", QUARANTINE))
    if now.origin and entry.get("origin") == now.origin:
        age = now.count - float(entry["count"])
    else:
        written = _epoch(str(entry.get("at", "")))
        age = 0.0 if written is None else now.wall - written
    return min(max(whole - max(age, now.waited, 0.0), 0.0), whole)


def _epoch(wall: str) -> float | None:
    try:
        found = datetime.fromisoformat(wall)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
