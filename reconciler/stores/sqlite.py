"""State in a SQLite database on this machine: every acknowledged write is on the disk."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

from reconciler.model.diagnostic import Refused, error
from reconciler.stores.durable import make_directory, sync_directory
from reconciler.stores.lease import seconds
from reconciler.stores.sql import SqlMedium

TABLES = (
    "CREATE TABLE IF NOT EXISTS states (id INTEGER PRIMARY KEY, name TEXT UNIQUE, data TEXT)",
    "CREATE TABLE IF NOT EXISTS reconciler_history (name TEXT, serial INTEGER, data TEXT, PRIMARY KEY (name, serial))",
    "CREATE TABLE IF NOT EXISTS reconciler_journal (name TEXT, seq INTEGER, lines BLOB, PRIMARY KEY (name, seq))",
    "CREATE TABLE IF NOT EXISTS reconciler_leases (name TEXT PRIMARY KEY, fence INTEGER NOT NULL DEFAULT 0, "
    "holder TEXT NOT NULL DEFAULT '', epoch TEXT NOT NULL DEFAULT '', until REAL NOT NULL DEFAULT 0)",
)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_PATIENCE = 30.0
"""Seconds to wait for another transaction to end; they take milliseconds."""


class SqliteMedium(SqlMedium):
    """Medium. Without a wall clock: setting it neither ends a lease nor makes one last."""

    def __init__(self, path: Path, workspace: str) -> None:
        super().__init__(_Sqlite(path), workspace)


class _Sqlite:
    """Database."""

    now = "boot_seconds()"
    for_update = ""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.epoch = _boot()
        self._path = path
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            try:
                connection = self._connection = self._connection or _connect(self._path)
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield
                except BaseException:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            except (sqlite3.Error, OSError) as problem:
                raise self._refused(problem) from None

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        assert self._connection is not None
        return self._connection.execute(sql, values)

    def close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _refused(self, problem: Exception) -> Refused:
        with suppress(sqlite3.Error, AttributeError):
            # A transaction that could not be committed would otherwise stay open.
            self._connection.rollback()  # type: ignore[union-attr]
        if getattr(problem, "sqlite_errorcode", 0) & 0xFF in _BUSY:
            told = f"The state is locked: another process is in the middle of a write to {self.name}, and doesn't end"
            way = f"It may stand still: `fuser {self.name}` names those that have it open. Wake it or end it."
            return Refused([error("lock.held", told, way)])
        told = f"The database {self.name} can't be used: {problem}"
        way = "Make sure that it is a SQLite database on a local disk that can be written and is not full."
        return Refused([error("state.unwritable", told, way)])


def _connect(path: Path) -> sqlite3.Connection:
    if not path.exists():
        _create(path)
    elif not path.stat().st_size:
        raise _gone("state.empty", f"The database {path} is empty, though there was one: it was never made so")
    return _opened(path)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        connection.create_function("boot_seconds", 0, seconds)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        for statement in TABLES:
            connection.execute(statement)
        connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _create(path: Path) -> None:
    """It gets its name when it is whole, so that an empty one of that name is known to be damaged."""
    if path.with_name(f"{path.name}-wal").exists() and not path.exists():
        raise _gone("state.missing", f"The database {path} is missing, though its log {path.name}-wal is there")
    make_directory(path.parent)
    fresh = path.with_name(f".{path.name}.{uuid4().hex}.new")
    os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        _opened(fresh).close()
        try:
            os.link(fresh, path)
        except FileExistsError:
            pass
        except OSError:
            # A file system without links.
            if not path.exists():
                fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_directory(path.parent)


def _gone(code: str, told: str) -> Refused:
    way = "Nothing was changed. Put back a copy of it. If there is to be none, delete what is left of it."
    return Refused([error(code, told, way)])


def _boot() -> str:
    """Names this start of the machine, before which nobody that holds a lease can have lived."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return f"{time.time() - seconds():.0f}"[:-2]
