"""A workspace in tables: the statements that SQLite and PostgreSQL share.

| table              | holds                                                     |
|--------------------|-----------------------------------------------------------|
| states             | the state of each workspace, laid out as Terraform's `pg` |
| reconciler_history | the versions of it that are kept                          |
| reconciler_journal | its journal, some lines a row                             |
| reconciler_leases  | who holds it, until when, and the number of that lease    |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from reconciler.ports import Holder
from reconciler.stores.lease import decode_holder, encode_holder, not_held, other
from reconciler.stores.medium import Held, Kept, Lost, Overtaken


class Rows(Protocol):
    """The answer to a statement."""

    @property
    def rowcount(self) -> int: ...

    def fetchone(self) -> Any: ...

    def fetchall(self) -> Any: ...


class Database(Protocol):
    """A database with those tables. Parameters are written as ?."""

    name: str
    now: str
    """SQL for its clock, in seconds."""
    epoch: str
    """Names that clock: the time left of a lease that was granted by another one is over."""
    for_update: str
    """SQL that keeps the rows that are read from being changed by others."""

    def transaction(self) -> AbstractContextManager[None]:
        """All or nothing, and one at a time; raises Refused for whatever the database objects to."""
        ...

    def execute(self, sql: str, *values: Any) -> Rows: ...

    def close(self) -> None: ...


class SqlMedium:
    """Medium, in a database."""

    expires = True
    kept = 100

    def __init__(self, database: Database, workspace: str) -> None:
        self.name = f"{database.name}, workspace {workspace}"
        self._database, self._workspace = database, workspace
        self._holder: Holder | None = None
        self._fence = 0

    def load(self) -> Kept | None:
        with self._transaction():
            row = self._run("SELECT data FROM states WHERE name = ?").fetchone()
        return Kept(row[0].encode(), _mark(row[0])) if row and row[0] is not None else None

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        text = data.decode()
        with self._transaction():
            self._require_lease()
            row = self._run(f"SELECT data FROM states WHERE name = ? {self._database.for_update}").fetchone()
            if (_mark(row[0]) if row and row[0] is not None else None) != over:
                raise Overtaken
            if row:
                self._run("UPDATE states SET data = ? WHERE name = ?", text, last=True)
            else:
                add = "INSERT INTO states (name, data) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
                if self._run(add, text).rowcount != 1:
                    raise Overtaken
            self._run("DELETE FROM reconciler_history WHERE name = ? AND serial >= ?", serial)
            self._run("INSERT INTO reconciler_history (name, serial, data) VALUES (?, ?, ?)", serial, text)
            old = "SELECT serial FROM reconciler_history WHERE name = ? ORDER BY serial DESC LIMIT 1 OFFSET ?"
            if oldest := self._run(old, self.kept).fetchone():
                self._run("DELETE FROM reconciler_history WHERE name = ? AND serial <= ?", oldest[0])
        return _mark(text)

    def lines(self) -> bytes:
        with self._transaction():
            rows = self._run("SELECT lines FROM reconciler_journal WHERE name = ? ORDER BY seq").fetchall()
        return b"".join(bytes(row[0]) for row in rows)

    def add(self, data: bytes, seq: int, size: int) -> None:
        with self._transaction():
            self._require_lease()
            last = self._run("SELECT max(seq) FROM reconciler_journal WHERE name = ?").fetchone()[0]
            if last is not None and last >= seq:
                raise Overtaken
            add = "INSERT INTO reconciler_journal (name, seq, lines) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
            if self._run(add, seq, data).rowcount != 1:
                raise Overtaken

    def restart(self, data: bytes) -> None:
        with self._transaction():
            self._require_lease()
            self._run("DELETE FROM reconciler_journal WHERE name = ?")
            if data:
                self._run("INSERT INTO reconciler_journal (name, seq, lines) VALUES (?, 0, ?)", data)

    def versions(self) -> Sequence[int]:
        with self._transaction():
            rows = self._run("SELECT serial FROM reconciler_history WHERE name = ? ORDER BY serial").fetchall()
        return [row[0] for row in rows]

    def version(self, serial: int) -> bytes | None:
        with self._transaction():
            row = self._run("SELECT data FROM reconciler_history WHERE name = ? AND serial = ?", serial).fetchone()
        return row[0].encode() if row else None

    def revise(self, serial: int, data: bytes) -> None:
        with self._transaction():
            self._require_lease()
            anew = "UPDATE reconciler_history SET data = ? WHERE serial = ? AND name = ?"
            self._run(anew, data.decode(), serial, last=True)

    def workspaces(self) -> Sequence[str]:
        with self._transaction():
            named = "SELECT name FROM states WHERE data IS NOT NULL UNION SELECT name FROM reconciler_journal"
            return [row[0] for row in self._database.execute(named).fetchall()]

    def acquire(self, holder: Holder, ttl: float) -> int:
        now = self._database.now
        with self._transaction():
            new = "INSERT INTO reconciler_leases (name) VALUES (?) ON CONFLICT (name) DO NOTHING"
            self._run(new)
            fence, by, left = self._lease()
            if by is not None and by.id != holder.id and left > 0:
                raise Held(by, left)
            take = f"UPDATE reconciler_leases SET fence = ?, holder = ?, epoch = ?, until = {now} + ? WHERE name = ?"
            info = json.dumps(encode_holder(holder, self.name))
            self._run(take, fence + 1, info, self._database.epoch, ttl, last=True)
        self._holder, self._fence = holder, fence + 1
        return self._fence

    def renew(self, ttl: float) -> None:
        with self._transaction():
            self._require_lease()
            longer = f"UPDATE reconciler_leases SET epoch = ?, until = {self._database.now} + ? WHERE name = ?"
            self._run(longer, self._database.epoch, ttl, last=True)

    def release(self) -> None:
        try:
            with self._transaction():
                self._require_lease()
                self._run("UPDATE reconciler_leases SET holder = '' WHERE name = ?")
        finally:
            self._holder = None

    def unlock(self, lock_id: str) -> None:
        with self._transaction():
            _, by, _ = self._lease()
            if by is None:
                raise not_held(self.name)
            if by.id != lock_id:
                raise other(self.name, by, lock_id)
            self._run("UPDATE reconciler_leases SET fence = fence + 1, holder = '' WHERE name = ?")

    def close(self) -> None:
        self._database.close()

    def _transaction(self) -> AbstractContextManager[None]:
        return self._database.transaction()

    def _run(self, sql: str, *values: Any, last: bool = False) -> Rows:
        """The statement about this workspace, whose name is its first parameter, or its `last`."""
        return self._database.execute(sql, *((*values, self._workspace) if last else (self._workspace, *values)))

    def _lease(self) -> tuple[int, Holder | None, float]:
        """Its number, who holds it, and for how many more seconds."""
        sql = f"SELECT fence, holder, epoch, until - {self._database.now} FROM reconciler_leases WHERE name = ?"
        row = self._run(f"{sql} {self._database.for_update}").fetchone()
        if row is None:
            return 0, None, 0.0
        fence, info, epoch, left = row
        return fence, decode_holder(json.loads(info)) if info else None, left if epoch == self._database.epoch else 0.0

    def _require_lease(self) -> None:
        """In the transaction that writes: an expired lease is good as long as nobody else was granted one."""
        if self._holder is not None:
            fence, by, _ = self._lease()
            if by is None or (fence, by.id) != (self._fence, self._holder.id):
                raise Lost


def _mark(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
