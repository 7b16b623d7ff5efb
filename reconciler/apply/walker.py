"""The walk over a plan's step graph: what is ready, what is done, and what is recorded meanwhile.

The only mutable object of an apply. It knows nothing of time or of who performs the steps, so every driver uses it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import replace
from types import MappingProxyType

from reconciler.apply.edit import Edit, amend
from reconciler.apply.event import Outcome, Skipped
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Snapshot
from reconciler.plan.step import Step


class Walk:
    """Steps come out of `take` in plan order among those whose waits are done, each once; `finish` says what came of
    one. Every step ends up in `outcomes`, by its id."""

    def __init__(self, steps: Iterable[Step], snapshot: Snapshot) -> None:
        self._steps = tuple(steps)
        self._snapshot = snapshot
        self._records = dict(snapshot.records)
        self.view = replace(snapshot, records=MappingProxyType(self._records))
        """What is recorded at this moment, and at every later one: it grows with the walk."""
        self.outcomes: dict[str, Outcome] = {}
        self._places = {step.id: place for place, step in enumerate(self._steps)}
        self._refuse_unwalkable()
        self._missing = [len(set(step.waits)) for step in self._steps]
        self._followers: list[list[int]] = [[] for _ in self._steps]
        for place, step in enumerate(self._steps):
            for wait in set(step.waits):
                self._followers[self._places[wait]].append(place)
        self._ready = [place for place, missing in enumerate(self._missing) if not missing]
        self._taken: set[int] = set()
        self._refuse_a_circle()

    def _refuse_unwalkable(self) -> None:
        if len(self._places) < len(self._steps):
            raise _broken("has two steps of one name")
        for step in self._steps:
            for wait in step.waits:
                if wait not in self._places:
                    raise _broken(f"lets {step.id} wait for {wait}, which is not in it")

    def _refuse_a_circle(self) -> None:
        missing, free = list(self._missing), list(self._ready)
        for place in free:
            for follower in self._followers[place]:
                missing[follower] -= 1
                if not missing[follower]:
                    free.append(follower)
        if len(free) < len(self._steps):
            raise _broken("has steps that wait for each other")

    def take(self) -> Step | None:
        """The next step to start; None if none is ready."""
        if not self._ready:
            return None
        place = heapq.heappop(self._ready)
        self._taken.add(place)
        return self._steps[place]

    def finish(self, step: Step, outcome: Outcome, edits: Iterable[Edit] = ()) -> None:
        """A taken step has ended; `edits` are kept whatever the outcome."""
        for edit in edits:
            amend(self._records, edit)
        self.outcomes[step.id] = outcome
        if outcome is Outcome.DONE:
            for place in self._followers[self._places[step.id]]:
                self._missing[place] -= 1
                if not self._missing[place]:
                    heapq.heappush(self._ready, place)

    def skip_after(self, step: Step, because: Address | None) -> list[Skipped]:
        """Give up every step that waits, directly or not, for `step`; in plan order."""
        found: set[int] = set()
        border = [self._places[step.id]]
        while border:
            fresh = [p for p in self._followers[border.pop()] if p not in found]
            fresh = [p for p in fresh if self._steps[p].id not in self.outcomes]
            found.update(fresh)
            border += fresh
        return self._skip(sorted(found), because)

    def skip_rest(self) -> list[Skipped]:
        """Give up every step that was not taken yet, because the user wants to stop."""
        self._ready.clear()
        return self._skip([p for p, s in enumerate(self._steps) if p not in self._taken and s.id not in self.outcomes])

    def _skip(self, places: Iterable[int], because: Address | None = None) -> list[Skipped]:
        skipped = [Skipped(self._steps[place], because) for place in places]
        self.outcomes.update({found.step.id: Outcome.SKIPPED for found in skipped})
        return skipped

    def snapshot(self) -> Snapshot:
        """What is recorded now, under the serial that the walk began with: whoever writes it counts on."""
        return replace(self._snapshot, records=dict(self._records))


def _broken(what: str) -> Refused:
    return Refused([error("plan.broken", f"The plan {what}", "It was not made by this tool. Make a new plan.")])
