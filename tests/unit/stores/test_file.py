"""The file store against what disks, users and power cuts do."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.stores.file import FileStore, workspaces
from tests.conformance.store_laws import done, intent, plain, snapshot


def problem(call: Callable[[], Any]) -> Diagnostic:
    with pytest.raises(Refused) as caught:
        call()
    (found,) = caught.value.diagnostics
    assert found.detail, "says the way out"
    return found


def filled(directory: Path) -> FileStore:
    store = FileStore(directory)
    store.write(snapshot(1, "a"))
    store.write(snapshot(2, "a", "b"))
    return store


# -------------------------------------------------------------------------------------------------------- bad states


def test_files_are_named_after_the_workspace(tmp_path: Path) -> None:
    store = FileStore(tmp_path, "prod")
    with store.lock("apply", 0):
        store.write(snapshot(1))
        store.write(snapshot(2))
        store.append([intent("a", 2)])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"prod.json", "prod.json.backup", "prod.history", "prod.journal", "prod.lock"}
    assert store.describe() == str(tmp_path / "prod.json")
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in tmp_path.rglob("*") if path.is_file())


def test_the_backup_is_the_state_before(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "default.json").unlink()
    (tmp_path / "default.json.backup").rename(tmp_path / "default.json")
    assert FileStore(tmp_path).read() == snapshot(1, "a")


def test_a_state_that_vanished_is_not_taken_for_a_new_workspace(tmp_path: Path) -> None:
    filled(tmp_path)
    (tmp_path / "default.json").unlink()
    found = problem(FileStore(tmp_path).read)
    assert found.code == "state.missing"
    assert "state repair" in found.detail
    assert "copy" not in found.detail, "the backup is the state before, which lacks what was made last"
    assert problem(lambda: FileStore(tmp_path).write(snapshot(9))).code == "state.missing"


@pytest.mark.parametrize(("content", "code"), [(b"", "state.empty"), (b'{"version"', "state.damaged")])
def test_a_damaged_state_is_neither_read_nor_overwritten(tmp_path: Path, content: bytes, code: str) -> None:
    filled(tmp_path)
    path = tmp_path / "default.json"
    path.write_bytes(content)
    assert problem(FileStore(tmp_path).read).code == code
    assert problem(lambda: FileStore(tmp_path).write(snapshot(9))).code == code
    assert path.read_bytes() == content


def test_a_state_that_others_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    mine, theirs = filled(tmp_path), FileStore(tmp_path)
    theirs.write(snapshot(3))
    assert problem(lambda: mine.write(snapshot(3, "x"))).code == "stale.serial"
    assert FileStore(tmp_path).read() == snapshot(3)


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    filled(tmp_path / "real")
    (tmp_path / "default.json").symlink_to(tmp_path / "real" / "default.json")
    assert problem(FileStore(tmp_path).read).code == "state.symlink"


@pytest.mark.parametrize("name", ["default.json", "default.journal"])
def test_a_directory_in_the_place_of_a_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    store = FileStore(tmp_path)
    assert problem(store.read if name.endswith("json") else store.tail).code == "state.unreadable"


def test_a_place_that_can_not_be_written_is_refused_before_anything_else(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    store = FileStore(tmp_path / "file" / "state")

    def enter() -> None:
        with store.lock("apply", 0):
            raise AssertionError("the lock was given")

    found = problem(enter)
    assert found.code == "state.unwritable"
    assert "default.lock" in found.summary


# ------------------------------------------------------------------------------------------------------------ journal


def journal(directory: Path) -> Path:
    return directory / "default.journal"


def test_a_torn_last_line_is_dropped_and_overwritten(tmp_path: Path) -> None:
    FileStore(tmp_path).append([intent("a"), intent("b")])
    path = journal(tmp_path)
    path.write_bytes(path.read_bytes()[:-10])
    assert plain(FileStore(tmp_path).tail()) == [intent("a")]
    FileStore(tmp_path).append([intent("c")])
    assert plain(FileStore(tmp_path).tail()) == [intent("a"), intent("c")]


def test_zeros_at_the_end_are_a_torn_line(tmp_path: Path) -> None:
    FileStore(tmp_path).append([intent("a")])
    with journal(tmp_path).open("ab") as file:
        file.write(b"\0" * 500)
    assert plain(FileStore(tmp_path).tail()) == [intent("a")]


def test_a_damaged_line_in_the_middle_is_refused_with_its_number(tmp_path: Path) -> None:
    FileStore(tmp_path).append([intent("a"), intent("b"), intent("c")])
    lines = journal(tmp_path).read_bytes().splitlines(keepends=True)
    lines[1] = lines[1].replace(b"create", b"delete")
    journal(tmp_path).write_bytes(b"".join(lines))
    for use in (FileStore(tmp_path).tail, lambda: FileStore(tmp_path).append([intent("d")])):
        found = problem(use)
        assert found.code == "state.journal"
        assert "Line 2" in found.summary
        assert "state repair" in found.detail
        assert "default.json" not in found.detail, "it is not the state that should be moved away"
    assert problem(lambda: FileStore(tmp_path).write(snapshot(1))).code == "state.journal"


def test_entries_of_before_the_snapshot_are_ignored(tmp_path: Path) -> None:
    """As after a crash between writing the snapshot and settling the journal."""
    store = FileStore(tmp_path)
    store.append([intent("a", 0), done("a", 0), intent("z", 0), {**intent("z", 0), "kind": "refused"}])
    store.write(snapshot(1, "a"))
    assert list(FileStore(tmp_path).tail()) == []
    later = FileStore(tmp_path)
    later.append([intent("b", 1), done("b", 1)])
    assert plain(FileStore(tmp_path).tail()) == [intent("b", 1), done("b", 1)]


# ---------------------------------------------------------------------------------------------------- failing disks


@dataclass
class Disk:
    """Counts the calls of the os module that change a disk, and lets one of them fail."""

    monkeypatch: pytest.MonkeyPatch
    fail_at: int = 0
    error: int = errno.ENOSPC
    calls: int = 0

    def __post_init__(self) -> None:
        for name in ("open", "write", "fsync", "ftruncate", "link", "replace", "rename"):
            self.monkeypatch.setattr(os, name, self._watched(getattr(os, name)))

    def _watched(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if real.__name__ == "open" and not arguments[1] & (os.O_CREAT | os.O_WRONLY):
                return real(*arguments, **named)
            self.calls += 1
            if self.calls == self.fail_at:
                raise OSError(self.error, os.strerror(self.error))
            return real(*arguments, **named)

        return call


def failures(limit: int = 100) -> Iterator[int]:
    yield from range(1, limit)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_whatever_fails_while_writing_the_old_state_or_the_new_is_there(tmp_path: Path, number: int) -> None:
    points = 0
    for fail_at in failures():
        directory = tmp_path / str(fail_at)
        store = filled(directory)
        with pytest.MonkeyPatch.context() as monkeypatch:
            disk = Disk(monkeypatch, fail_at, number)
            try:
                store.write(snapshot(3, "c"))
            except Refused as refused:
                assert refused.diagnostics[0].code == "state.unwritable"
                assert os.strerror(number) in refused.diagnostics[0].summary
        if disk.calls < fail_at:
            break
        points += 1
        assert FileStore(directory).read() in (snapshot(2, "a", "b"), snapshot(3, "c"))
        assert not list(directory.glob(".default.json.new"))
        again = FileStore(directory)
        again.write(snapshot(4, "d"))
        assert FileStore(directory).read() == snapshot(4, "d")
    assert points >= 5


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_append_that_fails_is_never_tried_again(tmp_path: Path, number: int) -> None:
    points = 0
    for fail_at in failures():
        store = FileStore(tmp_path / str(fail_at))
        store.append([intent("a")])
        with pytest.MonkeyPatch.context() as monkeypatch:
            disk = Disk(monkeypatch, fail_at, number)
            try:
                store.append([intent("b")])
            except Refused as refused:
                assert refused.diagnostics[0].code == "state.unwritable"
                assert "default.journal" in refused.diagnostics[0].summary
        if disk.calls < fail_at:
            break
        points += 1
        assert problem(lambda store=store: store.append([intent("c")])).code == "state.unwritable"  # type: ignore[misc]
        found = plain(FileStore(tmp_path / str(fail_at)).tail())
        assert found in ([intent("a")], [intent("a"), intent("b")])
    assert points == 2


def test_whatever_fails_while_settling_nothing_in_doubt_is_lost(tmp_path: Path) -> None:
    points = 0
    for fail_at in failures():
        directory = tmp_path / str(fail_at)
        store = FileStore(directory)
        store.append([intent("a", 0), intent("b", 0), done("a", 0)])
        store.write(snapshot(1, "a"))
        with pytest.MonkeyPatch.context() as monkeypatch:
            disk = Disk(monkeypatch, fail_at)
            try:
                store.settle()
            except Refused as refused:
                assert refused.diagnostics[0].code == "state.unwritable"
        assert plain(FileStore(directory).tail()) == [intent("b", 0)]
        if disk.calls < fail_at:
            break
        points += 1
    assert points >= 4


def test_a_write_cut_short_by_the_system_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    store = FileStore(tmp_path)
    store.append([intent("a")])
    store.write(snapshot(1, "a"))
    assert FileStore(tmp_path).read() == snapshot(1, "a")
    assert plain(FileStore(tmp_path)._journal.read()) == [intent("a")]


def test_a_file_system_without_links_gets_a_copy_as_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*arguments: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", no_links)
    filled(tmp_path)
    backup = json.loads((tmp_path / "default.json.backup").read_text("utf-8"))
    assert (backup["serial"], len(backup["resources"])) == (1, 1)


def test_what_befalls_the_state_befalls_no_version_of_it(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for serial in (1, 2):
        store.write(snapshot(serial))
    state = tmp_path / "default.json"
    state.write_bytes(b"")
    assert FileStore(tmp_path).past(2) == snapshot(2)
    state.write_bytes((tmp_path / "default.history" / "2.json").read_bytes())
    assert [version.serial for version in FileStore(tmp_path).history()] == [2, 1]


def test_the_state_is_on_the_disk_before_it_takes_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    for name in ("fsync", "rename", "replace"):
        real = getattr(os, name)

        def call(*arguments: Any, real: Callable[..., Any] = real, name: str = name, **named: Any) -> Any:
            order.append("fsync" if name == "fsync" else "rename")
            return real(*arguments, **named)

        monkeypatch.setattr(os, name, call)
    FileStore(tmp_path).write(snapshot(1))
    assert order == ["fsync", "fsync", "rename", "fsync", "fsync", "rename", "fsync"], (
        "the directory of versions; the version and its name; the file and its name"
    )


# --------------------------------------------------------------------------------------------------------- workspaces


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a.b", "-x", "a b", "x" * 64, "a\0b", "ä", "a\n"])
def test_names_that_could_leave_the_directory_are_refused(tmp_path: Path, name: str) -> None:
    assert problem(lambda: FileStore(tmp_path, name)).code == "workspace.name"


def test_workspaces_are_those_that_have_anything_kept(tmp_path: Path) -> None:
    assert workspaces(tmp_path / "none") == ["default"]
    FileStore(tmp_path, "prod").write(snapshot(1))
    FileStore(tmp_path, "begun").append([intent("a")])
    (tmp_path / "README.md").write_text("")
    (tmp_path / "prod.sandbox.db").write_text("")
    assert workspaces(tmp_path) == ["begun", "default", "prod"]
