"""State in PostgreSQL: in the layout and under the advisory locks of Terraform's `pg` backend, and under a lease.

Whoever holds an advisory lock and is frozen holds it for ever, so the lease decides; the advisory locks keep Terraform
and OpenTofu out (and us, while they are in). A new workspace takes the creation locks of both: Terraform's is -1, for
the whole database, so the row is made at once and they are given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.ports import Holder
from reconciler.stores.lease import lost
from reconciler.stores.medium import Held, Lost, Overtaken
from reconciler.stores.postgres_connection import TITLE, Broken, PostgresDatabase
from reconciler.stores.sql import SqlMedium

_HOLDER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND "
    "((classid::bigint << 32) | objid::bigint) = ? AND "
    "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_TERRAFORM_CREATION = -1


def creation_id(schema: str, table: str = "states") -> int:
    """The advisory lock under which OpenTofu makes a workspace: minus the FNV-1 hash of schema and table."""
    found = 0x811C9DC5
    for byte in f"{schema}\0{table}".encode():
        found = (found * 0x01000193 & 0xFFFFFFFF) ^ byte
    return -found


class PostgresMedium(SqlMedium):
    """Medium. A lease goes by the clock of the server."""

    def __init__(self, url: Secret, schema: str, workspace: str) -> None:
        self._postgres = PostgresDatabase(url, schema)
        super().__init__(self._postgres, workspace)
        self._locked_by = 0

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        try:
            return super().save(data, over, serial)
        except Refused:
            # The connection may have broken after the server had done it: no two states are the same. Or whoever took
            # over has ended it: that is told by a second attempt; or the first is on its way still.
            try:
                return self._mark_of(data) or super().save(data, over, serial)
            except Overtaken:
                if (mark := self._mark_of(data)) is None:
                    raise
                return mark

    def _mark_of(self, data: bytes) -> str | None:
        """The mark of the state, if it is this one."""
        kept = self.load()
        return kept.mark if kept is not None and kept.data == data else None

    def add(self, data: bytes, seq: int, size: int) -> None:
        try:
            super().add(data, seq, size)
        except Refused:
            if self.lines()[size:] == data:
                return
            try:
                super().add(data, seq, size)
            except Overtaken:
                # The first attempt was still on its way when it was looked for.
                if self.lines()[size:] != data:
                    raise

    def acquire(self, holder: Holder, ttl: float) -> int:
        self._postgres.introduce(holder)
        try:
            fence = super().acquire(holder, ttl)
        except Refused:
            # Whatever came of the first attempt: a lease of our own doesn't keep us out.
            fence = super().acquire(holder, ttl)
        try:
            self._take_advisory()
        except BaseException:
            # Another run may have come to hold it meanwhile, or the server be gone: there is nothing to give back then.
            with suppress(Lost, Refused):
                super().release()
            raise
        return fence

    def renew(self, ttl: float) -> None:
        super().renew(ttl)
        if self._postgres.connections != self._locked_by:
            try:
                self._take_advisory()
            except Held:
                raise Lost from None

    def release(self) -> None:
        try:
            super().release()
        finally:
            with self._postgres.transaction():
                self._run("UPDATE reconciler_leases SET backend = 0 WHERE name = ? AND backend = pg_backend_pid()")
                self._postgres.execute("SELECT pg_advisory_unlock_all()")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            with super()._transaction():
                yield
        except Broken:
            # Whoever takes over from a run that stood still ends its connection, whatever is going on over it.
            if self._is_overtaken():
                raise lost(self.name) from None
            raise

    def _is_overtaken(self) -> bool:
        """Whether the lease is known to be somebody else's now."""
        try:
            with super()._transaction():
                self._require_lease()
        except Lost:
            return True
        except Refused:
            return False
        return False

    def _take_advisory(self) -> None:
        """Terraform's lock of the workspace; from one of us whose lease is over, together with its connection."""
        with self._postgres.transaction():
            number = self._number()
            (backend,) = self._run("SELECT backend FROM reconciler_leases WHERE name = ?").fetchall()[0]
            if not self._try(number):
                if self._holding(number) == backend:
                    # By its name as well: after a restart the server gives the number of a process to another one.
                    ours = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = ? AND "
                    self._postgres.execute(f"{ours} starts_with(application_name, ?)", backend, TITLE)
                if not self._try(number):
                    raise Held(None, None, self._whose(number))
            self._run("UPDATE reconciler_leases SET backend = pg_backend_pid() WHERE name = ?")
            self._locked_by = self._postgres.connections

    def _number(self) -> int:
        """The id of the workspace's row; the row is made if there is none."""
        row = self._run("SELECT id FROM states WHERE name = ?").fetchone()
        if row is None:
            for creation in (_TERRAFORM_CREATION, creation_id(self._postgres.schema)):
                if not self._is_true("SELECT pg_try_advisory_xact_lock(?)", creation):
                    raise Held(None, None, f"{self._whose(creation)}, which is making a workspace in this database")
            self._run("INSERT INTO states (name, data) VALUES (?, NULL) ON CONFLICT (name) DO NOTHING")
            row = self._run("SELECT id FROM states WHERE name = ?").fetchone()
        found: int = row[0]
        return found

    def _holding(self, number: int) -> int:
        """The server's process that has the advisory lock; 0 if none has."""
        found = self._postgres.execute(_HOLDER, number).fetchone()
        return found[0] if found else 0

    def _whose(self, number: int) -> str:
        return self._postgres.describe(self._holding(number))

    def _try(self, number: int) -> bool:
        return self._is_true("SELECT pg_try_advisory_lock(?)", number)

    def _is_true(self, question: str, *values: Any) -> bool:
        return bool(self._postgres.execute(question, *values).fetchall()[0][0])
