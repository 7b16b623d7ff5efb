"""The sandbox's memory: one SQLite file of JSON objects, events and a few facts about the org."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  kind TEXT NOT NULL,
  parent TEXT NOT NULL,
  id TEXT NOT NULL,
  key TEXT,
  due REAL,
  changed REAL NOT NULL,
  body TEXT NOT NULL,
  before TEXT,
  UNIQUE (kind, parent, id)
);
CREATE INDEX IF NOT EXISTS by_kind ON objects (kind, seq);
CREATE INDEX IF NOT EXISTS by_parent ON objects (kind, parent, seq);
CREATE INDEX IF NOT EXISTS by_id ON objects (kind, id);
CREATE INDEX IF NOT EXISTS by_due ON objects (due) WHERE due IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS by_key ON objects (kind, parent, key) WHERE key IS NOT NULL;
CREATE TABLE IF NOT EXISTS events (seq INTEGER PRIMARY KEY AUTOINCREMENT, published TEXT NOT NULL, body TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS by_published ON events (published);
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
_COLUMNS = "seq, kind, parent, id, key, due, changed, body"


@dataclass(slots=True)
class Item:
    """One stored object. `body` keys that start with `_` are the sandbox's own and never shown.

    `key` is what must be unique among objects of the kind under the same parent; `due` is the time (epoch seconds)
    at which something happens to it by itself.
    """

    kind: str
    id: str
    body: dict[str, Any]
    parent: str = ""
    key: str | None = None
    due: float | None = None
    changed: float = 0.0
    seq: int = field(default=0, compare=False)

    @property
    def status(self) -> str:
        return str(self.body.get("status", ""))


class Database:
    """`:memory:` or a file, which is durable before any writing method's transaction ends."""

    def __init__(self, path: str) -> None:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; other programs on the same file wait."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def get(self, kind: str, identity: str, parent: str | None = None) -> Item | None:
        where, values = "kind = ? AND id = ?", [kind, identity]
        if parent is not None:
            where, values = where + " AND parent = ?", [*values, parent]
        row = self._connection.execute(f"SELECT {_COLUMNS} FROM objects WHERE {where}", values).fetchone()
        return _item(row) if row else None

    def find_key(self, kind: str, key: str, parent: str = "") -> Item | None:
        row = self._connection.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE kind = ? AND parent = ? AND key = ?", (kind, parent, key)
        ).fetchone()
        return _item(row) if row else None

    def find_anywhere(self, identity: str, parent: str | None = None) -> list[Item]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE id = ? AND (?2 IS NULL OR parent = ?2) AND kind != 'operation'",
            (identity, parent),
        )
        return [_item(row) for row in rows]

    def scan(self, kind: str, parent: str | None = None, after: int = 0, before: float | None = None) -> Iterator[Item]:
        """Objects of the kind in the order they were made, from beyond the sequence number `after`.

        With a time `before`, as they were then: what was made since is missing, what was changed since is unchanged.
        """
        where, values = "kind = ? AND seq > ?", [kind, after]
        if parent is not None:
            where, values = where + " AND parent = ?", [*values, parent]
        columns = _COLUMNS
        if before is not None:
            moment = repr(float(before))
            columns = columns.replace("body", f"CASE WHEN changed > {moment} THEN before ELSE body END AS shown")
            where += f" AND (changed <= {moment} OR before IS NOT NULL)"
        for row in self._connection.execute(f"SELECT {columns} FROM objects WHERE {where} ORDER BY seq", values):
            yield _item(row)

    def items(self, kind: str, parent: str | None = None) -> list[Item]:
        return list(self.scan(kind, parent))

    def due(self, now: float) -> list[Item]:
        rows = self._connection.execute(
            f"SELECT {_COLUMNS} FROM objects WHERE due <= ? ORDER BY due, seq LIMIT 64", (now,)
        )
        return [_item(row) for row in rows]

    def add(self, item: Item) -> None:
        """Store a new object; sqlite3.IntegrityError if its key is taken."""
        cursor = self._connection.execute(
            "INSERT INTO objects (kind, parent, id, key, due, changed, body) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (item.kind, item.parent, item.id, item.key, item.due, item.changed, json.dumps(item.body)),
        )
        item.seq = cursor.lastrowid or 0

    def save(self, item: Item) -> None:
        """Changes less than a second apart count as one to whoever asks what was there before."""
        self._connection.execute(
            "UPDATE objects SET before = CASE WHEN ?1 - changed > 1.0 THEN body ELSE before END,"
            " key = ?2, due = ?3, changed = ?1, body = ?4 WHERE seq = ?5",
            (item.changed, item.key, item.due, json.dumps(item.body), item.seq),
        )

    def remove(self, item: Item) -> None:
        self._connection.execute("DELETE FROM objects WHERE seq = ?", (item.seq,))

    def clear(self) -> None:
        self._connection.execute("DELETE FROM objects")
        self._connection.execute("DELETE FROM events")

    def log(self, published: str, event: dict[str, Any]) -> None:
        self._connection.execute("INSERT INTO events (published, body) VALUES (?, ?)", (published, json.dumps(event)))

    def events(
        self, since: str, until: str, after: int | None = None, newest_first: bool = False
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Events published from `since` until before `until` (ISO 8601, UTC), with their sequence numbers.

        `after` is the sequence number of the last one that was seen before.
        """
        beyond, order = ("<", "DESC") if newest_first else (">", "ASC")
        rows = self._connection.execute(
            "SELECT seq, body FROM events WHERE published >= ?1 AND published < ?2"
            f" AND (?3 IS NULL OR seq {beyond} ?3) ORDER BY seq {order}",
            (since, until, after),
        )
        for seq, body in rows:
            yield seq, json.loads(body)

    def fact(self, name: str) -> str | None:
        row = self._connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def set_fact(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO facts (name, value) VALUES (?, ?)", (name, value))


def _item(row: tuple[Any, ...]) -> Item:
    seq, kind, parent, identity, key, due, changed, body = row
    return Item(kind, identity, json.loads(body), parent, key, due, changed, seq)
