"""Encrypted state opens with its key, in its place and at its time, and nowhere else."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.config.settings import EncryptionSettings, FileStoreSettings, StateSettings
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Record
from reconciler.model.secret import Reference, Secret
from reconciler.model.snapshot import Snapshot
from reconciler.stores.crypt import Place, Seal
from reconciler.stores.document import decode
from reconciler.stores.kept import KeptStore
from reconciler.stores.keys import KeyRing
from reconciler.stores.opening import Shelf
from reconciler.stores.repair import examine, repair
from reconciler.stores.sealed import SealedMedium

KEYS = {"A": "0a" * 32, "B": b64encode(b"b" * 32).decode(), "SHORT": "0a" * 16, "WORDS": "correct horse battery"}
ADDRESS = Address("mcp_server.canary")
PLACE = Place("state", "lineage", 7)


def resolve(reference: Reference) -> Secret:
    name = reference["env"]
    if name not in KEYS:
        raise Refused([error("auth.secret", f"The secret env:{name} is not set")])
    return Secret(KEYS[name])


def encryption(key: str = "A", *previous: str, **more: Any) -> EncryptionSettings:
    return EncryptionSettings(key={"env": key}, previous=[{"env": name} for name in previous], **more)


def seal(key: str = "A", *previous: str, workspace: str = "default") -> Seal:
    return Seal(KeyRing(encryption(key, *previous), resolve), workspace, "STATE")


def refused(act: Callable[[], object]) -> str:
    with pytest.raises(Refused) as told:
        act()
    return told.value.diagnostics[0].code


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_what_is_closed_opens_again_and_shows_nothing(data: bytes) -> None:
    envelope = seal().close(data, PLACE)
    assert seal().open(envelope, "state") == (data, PLACE)
    assert seal().close(data, PLACE)["data"] != envelope["data"]
    assert b64decode(envelope["data"]) != data


@settings(max_examples=100)
@given(st.data())
def test_every_flipped_bit_is_noticed(data: st.DataObject) -> None:
    envelope = seal().close(b"the state", PLACE)
    field = data.draw(st.sampled_from(["nonce", "wrapped_key", "data"]))
    holder = envelope if field == "data" else envelope["sealed"]
    raw = bytearray(b64decode(holder[field]))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    holder[field] = b64encode(raw).decode()
    assert refused(lambda: seal().open(envelope, "state")) == "state.sealed"


def test_it_opens_only_where_and_when_it_was_closed() -> None:
    envelope = seal().close(b"the state", PLACE)
    assert refused(lambda: seal().open({**envelope, "serial": 8}, "state")) == "state.sealed"
    assert refused(lambda: seal().open({**envelope, "lineage": "other"}, "state")) == "state.sealed"
    assert refused(lambda: seal().open(envelope, "plan")) == "state.sealed"
    assert refused(lambda: seal(workspace="other").open(envelope, "state")) == "state.sealed"


@pytest.mark.parametrize("broken", [{}, {"sealed": 1}, {"sealed": {"alg": "none"}}, {"sealed": None, "data": ""}])
def test_what_is_no_envelope_is_refused(broken: dict[str, Any]) -> None:
    whole = seal().close(b"x", PLACE)
    assert refused(lambda: seal().open({**whole, **broken} if broken else {}, "state")) == "state.sealed"


def test_another_key_does_not_open_it_and_a_former_one_does_until_it_is_rewrapped() -> None:
    envelope = seal("A").close(b"the state", PLACE)
    assert refused(lambda: seal("B").open(envelope, "state")) == "state.key"
    assert refused(lambda: seal("B", "GONE").open(envelope, "state")) == "state.key"
    assert seal("B", "A").open(envelope, "state")[0] == b"the state"
    rewrapped = seal("B", "A").rewrap(envelope, "state")
    assert (rewrapped["data"], rewrapped["sealed"]["nonce"]) == (envelope["data"], envelope["sealed"]["nonce"])
    assert seal("B").open(rewrapped, "state")[0] == b"the state"
    assert seal("B").is_current(rewrapped) and not seal("A").is_current(rewrapped)


@pytest.mark.parametrize("key", ["SHORT", "WORDS"])
def test_a_key_has_thirty_two_bytes(key: str) -> None:
    with pytest.raises(Refused) as told:
        seal(key).close(b"", PLACE)
    assert told.value.diagnostics[0].code == "auth.key"
    assert KEYS[key] not in repr(told.value.diagnostics)


def test_a_key_is_read_only_when_it_is_needed() -> None:
    unread = seal("GONE")
    assert refused(lambda: unread.close(b"", PLACE)) == "auth.secret"


# The whole store, in files ------------------------------------------------------------


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))


def opened(directory: Path, chosen: EncryptionSettings | None, workspace: str = "default") -> KeptStore:
    state = StateSettings(file=FileStoreSettings(path="state"), encryption=chosen)
    return Shelf(state, directory, resolve).open(workspace)


def snapshot(serial: int) -> Snapshot:
    record = Record(ADDRESS, "mcp_server", "ems1", {"resource_url": "https://x"}, State.ACTIVE)
    return Snapshot("lineage", serial, {ADDRESS: record})


ENTRY = {"kind": "intent", "address": str(ADDRESS), "op": "update", "run_id": "r", "attempt": 1, "serial": 2}


def written(directory: Path, *serials: int, key: str = "A") -> KeptStore:
    store = opened(directory, encryption(key))
    with store.lock("apply", 0):
        for serial in serials:
            store.read()
            store.write(snapshot(serial))
            store.settle()
    return store


def test_nothing_legible_is_left_in_any_file(tmp_path: Path) -> None:
    store = written(tmp_path, 1, 2)
    with store.lock("apply", 0):
        store.append([ENTRY])
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert len(files) >= 5
    for path in files:
        assert b"canary" not in path.read_bytes(), path
    assert opened(tmp_path, encryption()).read() == snapshot(2)
    assert [entry["address"] for entry in opened(tmp_path, encryption()).tail()] == [str(ADDRESS)]
    assert [version.serial for version in store.history()] == [2, 1]
    document = json.loads((tmp_path / "state" / "default.json").read_bytes())
    assert (document["version"], document["serial"], document["lineage"]) == (1000, 2, "lineage")


def test_a_lost_key_refuses_and_never_starts_empty(tmp_path: Path) -> None:
    written(tmp_path, 1)
    before = (tmp_path / "state" / "default.json").read_bytes()
    for chosen, code in ((encryption("B"), "state.key"), (encryption("GONE"), "auth.secret"), (None, "state.key")):
        store = opened(tmp_path, chosen)
        assert refused(store.read) == code
        assert refused(lambda store=store: store.write(snapshot(9))) == code  # type: ignore[misc]
    assert (tmp_path / "state" / "default.json").read_bytes() == before


def test_without_its_key_nothing_is_begun(tmp_path: Path) -> None:
    store = opened(tmp_path, encryption("GONE"))
    assert refused(store.read) == "auth.secret"
    assert opened(tmp_path, encryption()).read() is None


def test_a_state_that_was_rolled_back_is_refused(tmp_path: Path) -> None:
    state = tmp_path / "state" / "default.json"
    written(tmp_path, 1)
    old = state.read_bytes()
    written(tmp_path, 2)
    state.write_bytes(old)
    with pytest.raises(Refused) as told:
        opened(tmp_path, encryption()).read()
    (diagnostic,) = told.value.diagnostics
    assert diagnostic.code == "state.rollback"
    pin = next(word.rstrip(",") for word in diagnostic.detail.split() if word.endswith(".json,"))
    Path(pin).unlink()
    assert opened(tmp_path, encryption()).read() == snapshot(1)


@pytest.mark.parametrize("older", ["default.json.backup", "default.history/1.json", "default.history/2.json"])
def test_what_is_kept_of_the_past_is_not_taken_for_the_present(tmp_path: Path, older: str) -> None:
    written(tmp_path, 1, 2, 3)
    state = tmp_path / "state"
    newest, old = (state / "default.history" / "3.json"), (state / older).read_bytes()
    kept = newest.read_bytes()
    newest.write_bytes(old)
    assert refused(opened(tmp_path, encryption()).history) == "state.history"
    newest.write_bytes(kept)
    (state / "default.json").write_bytes(old)
    assert refused(opened(tmp_path, encryption()).read) == "state.rollback"


def test_elsewhere_an_old_state_is_told_by_the_versions_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = tmp_path / "state" / "default.json"
    written(tmp_path, 1)
    old = state.read_bytes()
    written(tmp_path, 2, 3)
    state.write_bytes(old)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another-home"))
    assert refused(opened(tmp_path, encryption()).read) == "state.rollback"


def test_a_run_that_was_killed_before_the_last_rename_is_no_rollback(tmp_path: Path) -> None:
    state = tmp_path / "state" / "default.json"
    written(tmp_path, 1)
    before, pins = state.read_bytes(), {p: p.read_bytes() for p in (tmp_path / "home").rglob("*.json")}
    written(tmp_path, 2)
    state.write_bytes(before)
    for path, content in pins.items():
        path.write_bytes(content)
    assert opened(tmp_path, encryption()).read() == snapshot(1)


def test_a_state_of_another_workspace_or_world_is_refused(tmp_path: Path) -> None:
    written(tmp_path, 1)
    state, other = tmp_path / "state" / "default.json", tmp_path / "state" / "other.json"
    other.write_bytes(state.read_bytes())
    assert refused(opened(tmp_path, encryption(), "other").read) == "state.sealed"
    elsewhere = tmp_path / "elsewhere"
    foreign = opened(elsewhere, encryption())
    with foreign.lock("apply", 0):
        foreign.write(replace(snapshot(1), lineage="another"))
    state.write_bytes((elsewhere / "state" / "default.json").read_bytes())
    assert refused(opened(tmp_path, encryption()).read) == "state.swapped"


def test_a_state_that_vanished_with_all_its_traces_is_not_begun_anew(tmp_path: Path) -> None:
    written(tmp_path, 1)
    for path in sorted((tmp_path / "state").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert refused(opened(tmp_path, encryption()).read) == "state.missing"


def test_lines_of_the_journal_can_be_neither_moved_nor_put_back_later(tmp_path: Path) -> None:
    store = written(tmp_path, 1)
    journal = tmp_path / "state" / "default.journal"
    with store.lock("apply", 0):
        store.append([{**ENTRY, "serial": 1}, {**ENTRY, "serial": 1, "attempt": 2}])
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(lines[1] + lines[0])
    assert refused(opened(tmp_path, encryption()).tail) == "state.sealed"
    journal.write_bytes(b"".join(lines)[:-5])
    assert [entry["attempt"] for entry in opened(tmp_path, encryption()).tail()] == [1]
    journal.write_bytes(json.dumps(ENTRY).encode() + b"\n")
    assert refused(opened(tmp_path, encryption()).tail) == "state.sealed"


def test_plain_state_is_read_only_while_that_is_asked_for_and_then_encrypted(tmp_path: Path) -> None:
    plain = opened(tmp_path, None)
    with plain.lock("apply", 0):
        plain.write(snapshot(1))
        plain.append([ENTRY])
    assert refused(opened(tmp_path, encryption()).read) == "state.plain"
    between = opened(tmp_path, encryption(accept_plain=True))
    with between.lock("apply", 0):
        assert between.read() == snapshot(1)
        assert len(between.tail()) == 1
        between.write(snapshot(2))
        between.settle()
    assert opened(tmp_path, encryption()).read() == snapshot(2)
    assert [version.serial for version in opened(tmp_path, encryption(accept_plain=True)).history()] == [2, 1]
    assert refused(opened(tmp_path, encryption()).history) == "state.history"
    assert rewrapped(opened(tmp_path, encryption(accept_plain=True))) == 1
    assert [version.serial for version in opened(tmp_path, encryption()).history()] == [2, 1]
    assert opened(tmp_path, encryption()).past(1) == snapshot(1)


def rewrapped(store: KeptStore) -> int:
    assert isinstance(store.medium, SealedMedium)
    with store.lock("state", 0):
        return store.medium.rewrap()


def test_rewrapping_lets_the_former_key_go(tmp_path: Path) -> None:
    store = written(tmp_path, 1, 2, 3)
    with store.lock("apply", 0):
        store.append([{**ENTRY, "serial": 3}])
    former = KeyRing(encryption("A"), resolve).current.kid.encode()
    assert rewrapped(opened(tmp_path, encryption("B", "A"))) == 3
    assert rewrapped(opened(tmp_path, encryption("B"))) == 0
    after = opened(tmp_path, encryption("B"))
    assert after.read() == snapshot(3)
    assert len(after.tail()) == 1
    assert [version.serial for version in after.history()] == [3, 2, 1]
    assert after.past(1) == snapshot(1)
    assert not [path for path in (tmp_path / "state").rglob("*") if path.is_file() and former in path.read_bytes()]


def test_a_rewrapping_that_was_killed_half_way_is_finished_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(tmp_path, 1, 2, 3)
    stopped = opened(tmp_path, encryption("B", "A"))
    assert isinstance(stopped.medium, SealedMedium)
    revise, revised = stopped.medium.inner.revise, []

    def once(serial: int, data: bytes) -> None:
        if revised:
            raise KeyboardInterrupt
        revised.append(serial)
        revise(serial, data)

    monkeypatch.setattr(stopped.medium.inner, "revise", once)
    with pytest.raises(KeyboardInterrupt):
        rewrapped(stopped)
    assert [version.serial for version in opened(tmp_path, encryption("B", "A")).history()] == [3, 2, 1]
    assert rewrapped(opened(tmp_path, encryption("B", "A"))) == 2
    assert [version.serial for version in opened(tmp_path, encryption("B")).history()] == [3, 2, 1]


def repaired(directory: Path) -> KeptStore:
    """The store, after what was damaged has been repaired."""
    store = opened(directory, encryption())
    with store.lock("state", 0):
        damage = examine(store)
        assert damage.found
        repair(store, damage)
    again = opened(directory, encryption())
    with again.lock("state", 0):
        assert not examine(again).found
    return again


@pytest.mark.parametrize("damaged", [[], [3], [3, 2]])
def test_what_is_damaged_is_repaired_from_the_newest_version_that_is_sound(tmp_path: Path, damaged: list[int]) -> None:
    written(tmp_path, 1, 2, 3)
    state = tmp_path / "state"
    for path in [state / "default.json", *(state / "default.history" / f"{serial}.json" for serial in damaged)]:
        envelope = json.loads(path.read_bytes())
        path.write_text(json.dumps({**envelope, "serial": envelope["serial"] + 1}), "utf-8")
    left = 3 - len(damaged)
    store = repaired(tmp_path)
    assert store.read() == snapshot(left)
    assert [version.serial for version in store.history()] == [3, 2, 1][-left:]
    with store.lock("apply", 0):
        store.read()
        store.write(snapshot(left + 1))
    assert opened(tmp_path, encryption()).read() == snapshot(left + 1)


def test_a_state_that_was_rolled_back_or_deleted_is_repaired_too(tmp_path: Path) -> None:
    state = tmp_path / "state" / "default.json"
    written(tmp_path, 1)
    old = state.read_bytes()
    written(tmp_path, 2)
    state.write_bytes(old)
    assert refused(opened(tmp_path, encryption()).read) == "state.rollback"
    assert repaired(tmp_path).read() == snapshot(2)
    state.unlink()
    assert repaired(tmp_path).read() == snapshot(2)


def test_the_journal_is_kept_up_to_the_line_that_is_damaged(tmp_path: Path) -> None:
    journal = tmp_path / "state" / "default.journal"
    store = written(tmp_path, 1)
    with store.lock("apply", 0):
        store.append([{**ENTRY, "serial": 1, "attempt": number} for number in range(3)])
    whole = journal.read_bytes()
    lines = whole.splitlines(keepends=True)
    for bad, sound in ((b"".join([*lines[:2], lines[0]]), 2), (whole[:-1] + b"\r", 2), (b"{}\n" + lines[1], 0)):
        journal.write_bytes(bad)
        assert refused(opened(tmp_path, encryption()).tail) == "state.sealed"
        assert dict(opened(tmp_path, encryption()).remains())["journal"] == bad, "to be set aside as it is"
        assert [entry["attempt"] for entry in repaired(tmp_path).tail()] == list(range(sound))


def test_a_journal_without_its_key_is_neither_damaged_nor_cut_off(tmp_path: Path) -> None:
    store = opened(tmp_path, encryption())
    with store.lock("apply", 0):
        store.append([{**ENTRY, "serial": 0}])
    before = (tmp_path / "state" / "default.journal").read_bytes()
    for chosen in (None, encryption("B")):
        assert refused(lambda chosen=chosen: opened(tmp_path, chosen).tail()) == "state.key"  # type: ignore[misc]
        assert refused(lambda chosen=chosen: examine(opened(tmp_path, chosen))) == "state.key"  # type: ignore[misc]
    assert (tmp_path / "state" / "default.journal").read_bytes() == before


def test_without_encryption_an_encrypted_state_says_what_is_missing(tmp_path: Path) -> None:
    written(tmp_path, 1)
    with pytest.raises(Refused) as told:
        decode((tmp_path / "state" / "default.json").read_bytes(), "STATE")
    assert "state.encryption.key" in told.value.diagnostics[0].detail
