"""A store in memory, with a lease and a fence: what is durable outlives every process, what is not goes with its own.

A model of `reconciler.stores`, whose rules some histories play with the real thing (`tests.sim.stored`); entries of a
journal are what `reconciler.stores.journal_log` would have written as lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.apply.journal import unsettled
from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Snapshot
from reconciler.stores.journal_log import relevant

TTL = 120.0
Entry = dict[str, Any]


class Memory:
    """`expires`: a lease ends by itself (as in a database); otherwise with its holder's life (as a lock of a file)."""

    __slots__ = ("expires", "fence", "holder", "journal", "machine", "seq", "snapshot", "until")

    def __init__(self, expires: bool) -> None:
        self.expires = expires
        self.machine: Any = None
        self.snapshot: Snapshot | None = None
        self.journal: list[Entry] = []
        self.fence = 0
        self.holder: Any = None
        self.until = 0.0
        self.seq = 0

    def twin(self) -> Memory:
        twin = Memory(self.expires)
        twin.snapshot, twin.journal, twin.fence, twin.holder = (
            self.snapshot,
            list(self.journal),
            self.fence,
            self.holder,
        )
        twin.until, twin.seq = self.until, self.seq
        return twin

    def session(self) -> Session:
        return Session(self)

    def let_go(self) -> None:
        self.machine = self.holder = None


class Session:
    """The store as one process has it open."""

    __slots__ = ("fence", "memory", "own", "recovered")

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.fence = 0
        self.recovered = 0
        self.own: int | None = None

    def twin(self, memory: Memory) -> Session:
        twin = Session(memory)
        twin.fence, twin.recovered, twin.own = self.fence, self.recovered, self.own
        return twin

    def acquire(self, holder: Any, now: float) -> bool:
        memory = self.memory
        by = memory.holder
        if by is not None and (not memory.expires or memory.until > now or by.renews()):
            return False
        memory.fence += 1
        memory.holder, memory.until = holder, now + TTL
        self.fence = memory.fence
        return True

    def release(self, holder: Any) -> None:
        if self.memory.holder is holder:
            self.memory.holder = None

    def read(self) -> Snapshot:
        return self.memory.snapshot or Snapshot("")

    def tail(self) -> list[Entry]:
        self.recovered = self.memory.seq
        serial = self.memory.snapshot.serial if self.memory.snapshot else 0
        return relevant(self.memory.journal, serial) if self.memory.journal else []

    def append(self, entries: Sequence[Entry]) -> None:
        self._require()
        memory = self.memory
        if self.own is None:
            self.own = memory.seq
        for entry in entries:
            memory.journal.append({**entry, "seq": memory.seq})
            memory.seq += 1

    def write(self, snapshot: Snapshot, plan: str = "", partial: bool = False) -> None:
        self._require()
        held = self.memory.snapshot
        if held is not None and snapshot.serial <= held.serial:
            raise Refused([error("stale.serial", "another run was faster")])
        self.memory.snapshot = snapshot

    def settle(self) -> None:
        self._require()
        memory = self.memory
        start = memory.seq if self.own is None else max(self.own, self.recovered)
        mine = [entry for entry in memory.journal if entry["seq"] >= start]
        kept = [entry for told in unsettled(mine).values() for entry in told]
        memory.journal = sorted(kept, key=lambda entry: entry["seq"]) if kept else []

    def _require(self) -> None:
        if self.fence < self.memory.fence:
            raise Refused([error("lock.lost", "another run has come to hold the workspace")])
