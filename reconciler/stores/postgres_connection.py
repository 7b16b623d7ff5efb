"""One connection to PostgreSQL, which holds the advisory locks; made anew when it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import RLock
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.secret import Secret
from reconciler.patience import cut_after
from reconciler.ports import Holder
from reconciler.stores.postgres_tables import MISSING, TABLES

TITLE = "reconciler"
"""How the names begin that the server shows for our connections."""
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
_LONGEST = 90.0
"""Seconds that a transaction may take: more than any statement waits for a lock."""
_SHUTDOWN = "57P"
"""How the SQLSTATEs begin with which a server ends a connection; a connection that just breaks has none."""
_OUR_CREATION = 0x7265636F6E63696C
"""The advisory lock under which our tables are made."""


_MALFORMED = "the URL is malformed; one looks like postgresql://USER:PASSWORD@HOST/DATABASE, percent-encoded"
_CAUSES = {
    "FATAL:  password authentication failed": "the server doesn't accept this user with this password",
    "no password supplied": "the server wants a password, and the URL has none",
    "FATAL:  no pg_hba.conf entry": "the server admits this user neither from here nor like this",
    "FATAL:  database ": "the server doesn't have that database, or keeps this user out of it",
    "FATAL:  role ": "the server doesn't know this user, or keeps it out",
    "FATAL:  the database system is ": "the server is starting up, or shutting down",
    "FATAL:  ": "the server refuses the connection",
    "invalid port number": _MALFORMED,
    "Servname not supported": _MALFORMED,
    "connection is bad: invalid ": _MALFORMED,
    "failed to resolve host": "no server of that name is known",
    "certificate verify failed": "the server's certificate is not trusted",
    "does not support SSL": "the server can't encrypt, which the URL wants",
    "Connection refused": "the server can't be reached: nothing listens there",
}
"""What shows in what the client says, and what that means; the first that does."""


class Broken(Refused):
    """The connection broke, or the server has ended it."""


def _server_of(url: Secret) -> str:
    """` at HOST:PORT/DATABASE`, and nothing else of the URL: schemas of one name may be in several databases."""
    try:
        said = conninfo_to_dict(url.reveal())
    except psycopg.Error:
        return ""
    host, port, database = (str(said.get(name) or "") for name in ("host", "port", "dbname"))
    if "@" in host + database or port.strip("0123456789,"):
        # A password that should have been percent-encoded reaches into them.
        return ""
    return f" at {host}{port and ':'}{port}/{database}" if host or database else ""


def _cause_of(problem: psycopg.Error) -> str:
    """Why there is no connection, in words: the client's own could quote the URL."""
    if isinstance(problem, psycopg.ProgrammingError):
        return _MALFORMED
    said = str(problem)
    return next((words for mark, words in _CAUSES.items() if mark in said), "the server can't be reached")


class PostgresDatabase:
    """Database."""

    now = "extract(epoch FROM clock_timestamp())::double precision"
    epoch = "server"
    for_update = "FOR UPDATE"

    def __init__(self, url: Secret, schema: str) -> None:
        self.name = f"PostgreSQL{_server_of(url)}, schema {schema}"
        self.schema = schema
        self.connections = 0
        """How many there have been."""
        self._url = url
        self._title = TITLE
        self._lock = RLock()
        self._connection: psycopg.Connection[Any] | None = None

    def introduce(self, holder: Holder) -> None:
        """Have the server show, to whoever waits, what the connection is for."""
        self._title = f"{TITLE} {holder.operation} {holder.who} run={holder.id}"[:63]
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
                if is_over := (problem.sqlstate or _SHUTDOWN).startswith(_SHUTDOWN):
                    self.close()
                refusal = Broken if is_over else Refused
                raise refusal([self._told(problem)]) from None

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
        connection = self._open()
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

    def _open(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(
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
        except ValueError:
            # A host that no server can be called.
            raise psycopg.ProgrammingError("a host that is none") from None

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

    def _told(self, problem: psycopg.Error) -> Diagnostic:
        # Only the server's own words: those of the client could quote the URL.
        said = problem.diag.message_primary if problem.sqlstate else _cause_of(problem)
        told = f"{self.name} can't be used: {said or type(problem).__name__}"
        way = "Check the reference state.postgres.url, the server, what its user may do, and run the command again."
        return error("state.unwritable", told, way)
