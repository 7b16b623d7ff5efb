"""What only a database in a file can have: another process that stands still in the middle of a write."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from reconciler.model.diagnostic import Refused, exit_code
from reconciler.stores import sqlite
from reconciler.stores.sqlite import SqliteMedium

HELD = 13


def test_a_write_that_somebody_else_does_not_end_is_a_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "_PATIENCE", 0.05)
    path = tmp_path / "state.db"
    with closing(SqliteMedium(path, "default")) as medium, closing(sqlite3.connect(path)) as other:
        assert medium.load() is None
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Refused) as refused:
            medium.load()
        other.execute("ROLLBACK")
        assert medium.load() is None
    (told,) = refused.value.diagnostics
    assert exit_code([told]) == HELD
    assert str(path) in told.summary and f"fuser {path}" in told.detail
