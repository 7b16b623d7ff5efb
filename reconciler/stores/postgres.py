"""State in PostgreSQL: in the layout and under the advisory locks of Terraform's `pg` backend, and under a lease.

Whoever holds an advisory lock and is frozen holds it for ever, so the lease decides; the advisory locks keep Terraform
and OpenTofu out (and us, while they are in). A new workspace takes the creation locks of both: Terraform's is -1, for
the whole database, so the row is made at once and they are given back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import RLock
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Secret
from reconciler.ports import Holder
from reconciler.stores.medium import Held, Lost, Overtaken
from reconciler.stores.patience import cut_after
from reconciler.stores.postgres_tables import MISSING, TABLES
from reconciler.stores.sql import SqlMedium

_SESSION = (
    # A client that stopped in the middle of a transaction must not keep a row from the others for ever.
    "SET idle_in_transaction_session_timeout TO '30s'",
    "SET lock_timeout TO '60s'",
    # Waiting for a row means to see it as it is then, whatever the role was given.
    "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE",
    # The server forgets a client whose machine is gone, and with it the advisory lock.
    "SET tcp_keepalives_idle TO 30",
    "SET tcp_keepalives_interval TO 10",
    "SET tcp_keepalives_count TO 3",
    # Whatever the role was given: what is acknowledged is on the disk.
    "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'",
)
_HOLDER = (
    "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND "
    "((classid::bigint << 32) | objid::bigint) = ? AND "
    "database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)
_LONGEST = 90.0
"""Seconds that a transaction may take: more than any statement waits for a lock."""
_TERRAFORM_CREATION = -1
_TITLE = "reconciler"
_SHUTDOWN = "57P"
"""How the SQLSTATEs begin with which a server ends a connection; a connection that just breaks has none."""
_OUR_CREATION = 0x7265636F6E63696C
"""The advisory lock under which our tables are made."""


def creation_id(schema: str, table: str = "states") -> int:
    """The advisory lock under which OpenTofu makes a workspace: minus the FNV-1 hash of schema and table."""
    found = 0x811C9DC5
    for byte in f"{schema}\0{table}".encode():
        found = (found * 0x01000193 & 0xFFFFFFFF) ^ byte
    return -found


def _server_of(url: Secret) -> str:
    """` at HOST:PORT/DATABASE`, and nothing else of the URL: schemas of one name may be in several databases."""
    try:
        said = conninfo_to_dict(url.reveal())
    except psycopg.Error:
        return ""
    host, port, database = (str(said.get(name) or "") for name in ("host", "port", "dbname"))
    return f" at {host}{port and ':'}{port}/{database}" if host or database else ""


class PostgresMedium(SqlMedium):
    """Medium. A lease goes by the clock of the server."""

    def __init__(self, url: Secret, schema: str, workspace: str) -> None:
        self._postgres = _Postgres(url, schema)
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

    def _take_advisory(self) -> None:
        """Terraform's lock of the workspace; from one of us whose lease is over, together with its connection."""
        with self._postgres.transaction():
            number = self._number()
            (backend,) = self._run("SELECT backend FROM reconciler_leases WHERE name = ?").fetchall()[0]
            if not self._try(number):
                if self._holding(number) == backend:
                    # By its name as well: after a restart the server gives the number of a process to another one.
                    ours = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE pid = ? AND "
                    self._postgres.execute(f"{ours} starts_with(application_name, ?)", backend, _TITLE)
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


class _Postgres:
    """Database: one connection, which holds the advisory locks; made anew when it breaks."""

    now = "extract(epoch FROM clock_timestamp())::double precision"
    epoch = "server"
    for_update = "FOR UPDATE"

    def __init__(self, url: Secret, schema: str) -> None:
        self.name = f"PostgreSQL{_server_of(url)}, schema {schema}"
        self.schema = schema
        self.connections = 0
        """How many there have been."""
        self._url = url
        self._title = _TITLE
        self._lock = RLock()
        self._connection: psycopg.Connection[Any] | None = None

    def introduce(self, holder: Holder) -> None:
        """Have the server show, to whoever waits, what the connection is for."""
        self._title = f"{_TITLE} {holder.operation} {holder.who} run={holder.id}"[:63]
        with self.transaction():
            self.execute("SELECT set_config('application_name', ?, false)", self._title)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock, cut_after(_LONGEST, self._socket):
            try:
                with ExitStack() as stack:
                    self._begin(stack)
                    yield
            except psycopg.Error as problem:
                if (problem.sqlstate or _SHUTDOWN).startswith(_SHUTDOWN):
                    self.close()
                raise self._refused(problem) from None

    def _socket(self) -> int | None:
        try:
            return self._connection.fileno() if self._connection is not None else None
        except psycopg.Error:
            return None

    def _begin(self, stack: ExitStack) -> None:
        """A connection that turns out to be broken before anything was said over it is replaced unnoticed."""
        if self._connection is not None:
            try:
                stack.enter_context(self._connection.transaction())
                return
            except psycopg.OperationalError:
                self.close()
        self._connection = self._connect()
        stack.enter_context(self._connection.transaction())

    def execute(self, sql: str, *values: Any) -> psycopg.Cursor[Any]:
        assert self._connection is not None
        return self._connection.execute(sql.replace("?", "%s").encode(), values)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                with suppress(psycopg.Error):
                    self._connection.close()
                self._connection = None

    def describe(self, pid: int) -> str:
        """Who the connection of that server process belongs to."""
        known = "SELECT application_name, client_addr::text, backend_start::text FROM pg_stat_activity WHERE pid = ?"
        row = self.execute(known, pid).fetchone()
        if row is None:
            return "of whom the server tells nothing"
        return f"{row[0] or 'an unnamed client'} from {row[1] or 'this machine'}, since {row[2]}, server process {pid}"

    def _connect(self) -> psycopg.Connection[Any]:
        connection = psycopg.connect(
            self._url.reveal(),
            autocommit=True,
            application_name=self._title,
            client_encoding="utf8",
            connect_timeout=10,
            keepalives_idle=30,
            keepalives_interval=10,
            keepalives_count=3,
            tcp_user_timeout=60_000,
        )
        self.connections += 1
        try:
            for statement in _SESSION:
                connection.execute(statement.encode())
            connection.execute("SELECT set_config('search_path', quote_ident(%s), false)", (self.schema,))
            self._create(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _create(self, connection: psycopg.Connection[Any]) -> None:
        """The tables, where they aren't there: whoever may only use them need not be permitted to make any."""
        missing = connection.execute(MISSING.replace("?", "%s").encode(), (self.schema, self.schema)).fetchone()
        if missing == (False,):
            return
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_OUR_CREATION,))
            connection.execute("SET LOCAL client_min_messages TO warning")
            connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self.schema)))
            for statement in TABLES:
                connection.execute(statement.encode())

    def _refused(self, problem: psycopg.Error) -> Refused:
        # Only the server's own words: those of the client could quote the URL.
        said = problem.diag.message_primary if problem.sqlstate else "the server can't be reached"
        told = f"{self.name} can't be used: {said or type(problem).__name__}"
        way = "Check the reference state.postgres.url, the server, what its user may do, and run the command again."
        if (problem.sqlstate or "").startswith(_SHUTDOWN):
            way = f"Whoever takes over from a run whose lease has ended does that; so does a server that stops. {way}"
        return Refused([error("state.unwritable", told, way)])
