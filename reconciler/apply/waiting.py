"""Waiting for the state that the live system brings about, with an end to the patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic

from reconciler.model.diagnostic import Cause, Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.ports import Conversation, Now, Sleep, T

PATIENCE = 120.0
"""Seconds until a state that doesn't come is given up."""
GRACE = 5.0
"""Seconds for which an answer may still show what was before our last write."""
_FIRST_DELAY, _GROWTH, _LONGEST_DELAY = 0.1, 1.6, 5.0


@dataclass(frozen=True, slots=True)
class Wait(Sleep):
    """A delay for the live system's sake, with nothing of ours under way: a driver may end it by raising Interrupted.

    `state` is the last that was seen."""

    state: State | None = None


INTERRUPTED = "apply.interrupted"


class Interrupted(Refused):
    """Raised at a Wait: the user wants to stop. `item` says in short what isn't over (`create mcp_server.todo`)."""

    def __init__(self, summary: str = "Stopped waiting for the live system", item: str = "") -> None:
        way_on = "Run apply again: it finds out what became of it, and goes on."
        every = Cause("Stopped waiting for the live system", item, way_on, "What isn't over:") if item else None
        super().__init__([error(INTERRUPTED, summary, way_on, cause=every)])


class Judgement(StrEnum):
    """What a look at the resource means to one who waits for it."""

    REACHED = "reached"
    NOT_YET = "not yet"
    DOUBTFUL = "doubtful"
    """Hopeless, unless it only shows what was before."""
    HOPELESS = "hopeless"
    TOO_LATE = "too late"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Waited(Generic[T]):
    """How the waiting ended, and what was seen last."""

    end: Judgement
    seen: T
    seconds: float


def wait_until(
    look: Callable[[], Conversation[T]], judge: Callable[[T], Judgement], why: str
) -> Conversation[Waited[T]]:
    """Look, at growing intervals, until `judge` comes to an end or the patience does.

    DOUBTFUL counts as NOT_YET during the grace, unless something else was seen meanwhile.
    """
    start: float = yield Now()
    elapsed, delay, has_moved = 0.0, _FIRST_DELAY, False
    while True:
        seen = yield from look()
        verdict = judge(seen)
        if verdict is Judgement.DOUBTFUL and (has_moved or elapsed >= GRACE):
            verdict = Judgement.HOPELESS
        has_moved = has_moved or verdict is Judgement.NOT_YET
        if verdict not in (Judgement.NOT_YET, Judgement.DOUBTFUL):
            return Waited(verdict, seen, elapsed)
        if elapsed >= PATIENCE:
            return Waited(Judgement.TOO_LATE, seen, elapsed)
        try:
            yield Wait(min(delay, PATIENCE - elapsed), why, seen.status if isinstance(seen, Observed) else None)
        except Interrupted:
            return Waited(Judgement.INTERRUPTED, seen, elapsed)
        delay = min(delay * _GROWTH, _LONGEST_DELAY)
        now: float = yield Now()
        elapsed = now - start
