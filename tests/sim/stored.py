"""The real store under a history: `KeptStore` with its documents and its journal, over the tables of the SQL stores.

The database is SQLite in memory, which goes by the simulator's clock. One connection serves all processes: what they
contend for is not the database's locks (the conformance tests see to these) but what it says of lease, fence and state.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

from reconciler.apply.journal import read_lines
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Holder
from reconciler.stores.kept import KeptStore
from reconciler.stores.medium import Held, Lost
from reconciler.stores.sql import SqlMedium
from reconciler.stores.sqlite import TABLES
from tests.sim.memory import TTL, Entry

_WORKSPACE = "default"


class _Lease(NamedTuple):
    holder: Holder
    fence: int


class Tables:
    """What is durable, as the machine sees it (`tests.sim.memory.Memory` is its model). It is also the Database."""

    name, now, epoch, for_update = "tables", "seconds()", "sim", ""
    expires = True

    def __init__(self, content: bytes | None = None) -> None:
        self.machine: Any = None
        self.holder: Any = None
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.create_function("seconds", 0, lambda: self.machine.now)
        if content is not None:
            self._connection.deserialize(content)
        else:
            for statement in TABLES:
                self._connection.execute(statement)
        self._medium = SqlMedium(self, _WORKSPACE)
        """Without a lease, and so for looking only."""

    def twin(self) -> Tables:
        twin = Tables(self._connection.serialize())
        twin.holder = self.holder
        return twin

    def session(self) -> Session:
        return Session(self)

    @property
    def snapshot(self) -> Snapshot | None:
        return KeptStore(self._medium).read()

    @property
    def journal(self) -> list[Entry]:
        return [dict(entry) for entry in read_lines(self._medium.lines(), self.name)[0]]

    @property
    def fence(self) -> int:
        row = self._connection.execute("SELECT fence FROM reconciler_leases").fetchone()
        return row[0] if row else 0

    @property
    def until(self) -> float:
        row = self._connection.execute("SELECT until FROM reconciler_leases").fetchone()
        return row[0] if row else 0.0

    @until.setter
    def until(self, time: float) -> None:
        """Its holder doesn't renew the lease any more."""
        self._connection.execute("UPDATE reconciler_leases SET until = ?", (time,))

    def let_go(self) -> None:
        self.machine = self.holder = None
        self._connection.close()

    # reconciler.stores.sql.Database ----------------------------------------------------------------------------------

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(sql, values)

    def close(self) -> None:
        pass


class Session:
    """The store as one process has it open."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        self.medium = SqlMedium(tables, _WORKSPACE)
        self.store = KeptStore(self.medium)
        self.fence = 0
        self.tail, self.settle = self.store.tail, self.store.settle

    def twin(self, tables: Tables) -> Session:
        """What is still to be written by one that crashes is."""
        twin = Session(tables)
        twin.medium._holder, twin.medium._fence, twin.fence = self.medium._holder, self.medium._fence, self.fence
        return twin

    def acquire(self, process: Any, now: float) -> bool:
        by = self.tables.holder
        if by is not None and by.renews():
            with suppress(Lost):
                by.session.medium.renew(TTL)
        holder = Holder(process.name, "apply", "sim", "", "")
        try:
            self.fence = self.medium.acquire(holder, TTL)
        except Held:
            return False
        self.store._lease = _Lease(holder, self.fence)  # type: ignore[assignment]
        self.tables.holder = process
        return True

    def release(self, process: Any) -> None:
        if self.tables.holder is process:
            self.tables.holder = None
            with suppress(Lost):
                self.medium.release()

    def read(self) -> Snapshot:
        return self.store.read() or Snapshot("")

    def append(self, entries: Sequence[Entry]) -> None:
        self.store.append(entries)

    def write(self, snapshot: Snapshot, plan: str = "", partial: bool = False) -> None:
        self.store.write(snapshot, plan, partial)
