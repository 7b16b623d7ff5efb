"""The chain of versions: whatever byte of it is changed, by whomever, is told."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.stores.file import FileStore
from tests.conformance.store_laws import snapshot


def kept(directory: Path) -> list[Path]:
    """Three versions, each in a file of its own."""
    store = FileStore(directory)
    for serial, names in enumerate([["a"], ["a", "b"], ["b"]], start=1):
        store.write(snapshot(serial, *names), plan=f"plan-{serial}")
    paths = sorted((directory / "default.history").iterdir())
    for path in paths:
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    assert [version.plan for version in FileStore(directory).history()] == ["plan-3", "plan-2", "plan-1"]
    return paths


def is_told(directory: Path) -> bool:
    try:
        FileStore(directory).history()
    except Refused as refused:
        return refused.diagnostics[0].code in ("state.history", "state.checksum", "state.damaged", "state.foreign")
    return False


@pytest.mark.parametrize("serial", [1, 2, 3])
def test_every_flipped_bit_is_told(tmp_path: Path, serial: int) -> None:
    path = kept(tmp_path)[serial - 1]
    data = path.read_bytes()
    chance = random.Random(serial)
    for at in [0, len(data) - 1, *chance.sample(range(len(data)), 150)]:
        flipped = data[at] ^ (1 << chance.randrange(8))
        path.write_bytes(data[:at] + bytes([flipped]) + data[at + 1 :])
        assert is_told(tmp_path), f"byte {at}"
    path.write_bytes(data)
    assert not is_told(tmp_path)


def test_a_version_that_was_removed_is_told(tmp_path: Path) -> None:
    kept(tmp_path)[1].unlink()
    assert is_told(tmp_path)


def test_a_version_that_was_put_in_the_place_of_another_is_told(tmp_path: Path) -> None:
    first, second, _ = kept(tmp_path)
    second.write_bytes(first.read_bytes())
    assert is_told(tmp_path)


def test_a_state_that_was_put_back_by_hand_is_told(tmp_path: Path) -> None:
    first, *_ = kept(tmp_path)
    (tmp_path / "default.json").unlink()
    (tmp_path / "default.json").write_bytes(first.read_bytes())
    assert is_told(tmp_path)


def test_a_version_whose_run_was_killed_before_it_became_the_state_counts_for_nothing(tmp_path: Path) -> None:
    *_, newest = kept(tmp_path)
    before = (tmp_path / "default.json.backup").read_bytes()
    (tmp_path / "default.json").unlink()
    (tmp_path / "default.json").write_bytes(before)
    store = FileStore(tmp_path)
    assert [version.serial for version in store.history()] == [2, 1]
    store.read()
    store.write(snapshot(3, "c"))
    assert [version.serial for version in FileStore(tmp_path).history()] == [3, 2, 1]
    assert newest.exists()
    assert FileStore(tmp_path).past(3) == snapshot(3, "c")


def test_a_state_of_before_there_was_a_history_begins_one(tmp_path: Path) -> None:
    for path in kept(tmp_path):
        path.unlink()
    store = FileStore(tmp_path)
    assert [version.serial for version in store.history()] == [3]
    store.read()
    store.write(snapshot(4))
    assert [version.serial for version in store.history()] == [4]
