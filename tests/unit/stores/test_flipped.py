"""Whatever byte of a file that keeps a state is changed, whoever reads that file next says so; encrypted or not."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from reconciler.config.settings import EncryptionSettings, FileStoreSettings, StateSettings
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.stores.kept import KeptStore
from reconciler.stores.opening import Shelf
from tests.conformance.store_laws import done, intent, plain, snapshot

FLIPS = 60
"""For each file, besides its first and its last byte."""
READERS: dict[str, Callable[[KeptStore], object]] = {
    "default.json": KeptStore.read,
    "default.journal": KeptStore.tail,
    "1.json": KeptStore.history,
    "2.json": KeptStore.history,
    "3.json": KeptStore.history,
}
UNREAD = {"default.json.backup": "that it is there is all that is ever asked of it", "default.lock": "see below"}


@pytest.fixture(params=[False, True], ids=["plain", "encrypted"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))
    encryption = EncryptionSettings(key={"env": "KEY"}) if request.param else None
    settings = StateSettings(file=FileStoreSettings(path="state"), encryption=encryption)
    shelf = Shelf(settings, tmp_path, lambda reference: Secret("0a" * 32))
    with closing(shelf.open("default")) as store, store.lock("apply", 0):
        for serial in (1, 2, 3):
            store.read()
            store.write(snapshot(serial, "a", *"bc"[:serial]), plan=f"plan-{serial}")
        store.append([intent("d", 3), done("d", 3), intent("e", 3)])
    return shelf


def files(shelf: Shelf) -> list[Path]:
    return sorted(path for path in (shelf.directory / "state").rglob("*") if path.is_file())


def test_every_file_is_read_by_somebody(shelf: Shelf) -> None:
    assert {path.name for path in files(shelf)} == READERS.keys() | UNREAD.keys()


@pytest.mark.parametrize("name", READERS)
def test_a_changed_byte_is_told_by_whoever_reads_the_file_next(shelf: Shelf, name: str) -> None:
    (path,) = (path for path in files(shelf) if path.name == name)
    data, chance = path.read_bytes(), random.Random(name)
    for at in [0, len(data) - 1, *chance.sample(range(len(data)), FLIPS)]:
        new = data[at] ^ (1 << chance.randrange(8))
        path.write_bytes(data[:at] + bytes([new]) + data[at + 1 :])
        with closing(shelf.open("default")) as store, suppress(Refused):
            READERS[name](store)
            pytest.fail(f"byte {at} of {path}, {data[at : at + 1]!r}, may be {bytes([new])!r}")
    path.write_bytes(data)
    with closing(shelf.open("default")) as store:
        READERS[name](store)


@pytest.mark.parametrize("cut", ["whole", "half", "zeros"])
@pytest.mark.parametrize("name", READERS)
def test_a_file_that_is_gone_or_cut_off_is_told_too(shelf: Shelf, name: str, cut: str) -> None:
    (path,) = (path for path in files(shelf) if path.name == name)
    data = path.read_bytes()
    path.write_bytes({"whole": b"", "half": data[: len(data) // 2], "zeros": bytes(len(data))}[cut])
    with closing(shelf.open("default")) as store:
        if name == "default.journal":
            found = plain(store.tail())
            assert found in ([], [intent("d", 3)]), (
                "as a run leaves it that is killed or loses its power while it writes"
            )
        else:
            with pytest.raises(Refused):
                READERS[name](store)


def test_what_the_lock_s_file_says_keeps_nobody_out_and_lets_nobody_in(shelf: Shelf) -> None:
    """The kernel locks, whatever is written there."""
    path = shelf.directory / "state" / "default.lock"
    for data in (b"", b"\0" * 40, b'{"Fence": "x"}', b"[]"):
        path.write_bytes(data)
        with closing(shelf.open("default")) as store, store.lock("apply", 0) as lease:
            assert lease.fence == 1
            with closing(shelf.open("default")) as other, pytest.raises(Refused), other.lock("plan", 0):
                pass
