"""Many histories at the price of few: what they have in common is played once.

A family is a tree. Its root is a history by its script; each other member goes as its parent did up to some effect,
crashes there, and goes on by a chance of its own. While the parent is played, what is durable is copied at that effect
(the live system, the store, the messages on their way), and the copy is gone on with later. Where a tree has no more
branches to offer, another root is begun, until the family is complete.
"""

from __future__ import annotations

from random import Random

from reconciler.apply.quarantine import MARGIN
from tests.sim.history import History, Outcome
from tests.sim.machine import Process
from tests.sim.rules import switch_off
from tests.sim.script import Crash, kept, script

SIZE = 64
_DEEPEST = 3
"""Crashes after which something still happens by chance."""
_FEW = 20
"""Members of one tree where two processes may be at work, or one freezes: there the roots are what matters."""
_CALM = {"short": 0.9, "whole": 0.94, "stored": 0.9}
"""The share of crashes after which nothing does: the situation that they leave is all that matters."""
_CALM_AFTER_SEND = 0.75
"""Of those with a write on its way; none are where its intent may be old and the next run begins at once."""


SORTS = ("short", "whole", "stored")
"""Of histories: of MCP servers alone with a small provider, with all kinds and the real provider, or short ones over
the real store."""


def sort_of(number: int) -> str:
    """Of a family, where all sorts are wanted: nine of ten are short, or stored."""
    return "whole" if number % 10 == 0 else "stored" if number % 100 == 25 else "short"


def play_family(number: int, sort: str, off: frozenset[str] = frozenset(), keep_log: bool = False) -> list[Outcome]:
    """Its SIZE histories; the first is of the seed `number * SIZE`."""
    restore = switch_off(off)
    try:
        return _Family(number, sort, off, keep_log).outcomes()
    finally:
        restore()


class _Family:
    def __init__(self, number: int, sort: str, off: frozenset[str], keep_log: bool) -> None:
        self.first, self.sort, self.off, self.keep_log = number * SIZE, sort, off, keep_log
        self.random = Random(number * 31 + 7)
        self.count = self.room = 0
        self.longest_gap = 24 if sort == "whole" else 4
        self.waiting: list[tuple[int, History]] = []

    def outcomes(self) -> list[Outcome]:
        found: dict[int, Outcome] = {}
        while len(found) < SIZE:
            if not self.waiting:
                root = script(self.first + self.count, self.sort != "whole", self.sort == "stored")
                self.room = min(SIZE, self.count + (_FEW if root.rival or root.freeze_at else SIZE))
                self.add(History(root, self.off, self.keep_log, self))
            place, history = self.waiting.pop(int(self.random.random() * len(self.waiting)))
            found[place] = history.outcome()
        return [found[place] for place in range(SIZE)]

    def add(self, history: History) -> None:
        self.waiting.append((self.count, history))
        self.count += 1

    def _calm_after_send(self, history: History) -> float:
        given = history.script
        is_pressing = given.disk[-1] > MARGIN and "late" in given.fates and not given.expires
        return 0.0 if is_pressing else _CALM_AFTER_SEND

    def sprout(self, history: History, process: Process) -> None:
        number, chance = history.machine.effects, self.random.random
        more = self.count < self.room and len(history.crashed) < _DEEPEST
        if number and more:
            is_calm = chance() < (
                self._calm_after_send(history) if number == history.machine.left else _CALM[self.sort]
            )
            seed = 0 if is_calm else self.first + self.count + 1
            twin = history.twin(process, Crash(number, kept(chance()), seed))
            if twin is not None:
                self.add(twin)
        if not more:
            history.asked_at = 0
        elif history.asked_at <= number:
            history.asked_at = number + 1 + int(chance() * self.longest_gap)
