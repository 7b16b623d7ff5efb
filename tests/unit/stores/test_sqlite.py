"""A database that isn't whole is never taken for one in which nothing is kept yet."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.stores.kept import KeptStore
from reconciler.stores.sqlite import SqliteMedium
from tests.conformance.store_laws import intent, refusal, snapshot


def opened(directory: Path) -> KeptStore:
    return KeptStore(SqliteMedium(directory / "kept" / "state.db", "default"))


ACTS: list[Callable[[KeptStore], Any]] = [
    KeptStore.read,
    KeptStore.tail,
    KeptStore.history,
    lambda store: store.write(snapshot(9)),
    lambda store: store.append([intent("a")]),
    lambda store: store.lock("apply", 0).__enter__(),
]


def written(directory: Path) -> Path:
    with closing(opened(directory)) as store:
        store.write(snapshot(1))
    return directory / "kept" / "state.db"


def test_an_empty_file_is_no_new_database(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_bytes(b"")
    for act in ACTS:
        with closing(opened(tmp_path)) as store:
            assert refusal(lambda act=act, store=store: act(store)) == "state.empty"  # type: ignore[misc]
    assert path.read_bytes() == b""


def test_a_database_whose_log_was_left_behind_is_missing(tmp_path: Path) -> None:
    with closing(opened(tmp_path)) as store:
        store.write(snapshot(1))
        path = tmp_path / "kept" / "state.db"
        path.rename(tmp_path / "elsewhere.db")
        assert path.with_name("state.db-wal").exists(), "as after a kill"
        for act in ACTS:
            with closing(opened(tmp_path)) as other:
                assert refusal(lambda act=act, other=other: act(other)) == "state.missing"  # type: ignore[misc]
        assert not path.exists()


def test_one_that_was_being_made_when_its_run_was_killed_was_never_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*names: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "link", killed)
        with pytest.raises(KeyboardInterrupt), closing(opened(tmp_path)) as store:
            store.read()
    assert not (tmp_path / "kept" / "state.db").exists()
    path = written(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir() if each.name.endswith(".new")] == []


def test_of_several_that_make_it_at_once_all_use_the_same(tmp_path: Path) -> None:
    barrier, problems = threading.Barrier(4), []

    def make(number: int) -> None:
        try:
            barrier.wait()
            with closing(KeptStore(SqliteMedium(tmp_path / "state.db", f"w{number}"))) as store:
                store.write(snapshot(1, f"n{number}"))
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=make, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    with closing(SqliteMedium(tmp_path / "state.db", "w0")) as medium:
        assert sorted(medium.workspaces()) == ["w0", "w1", "w2", "w3"]
