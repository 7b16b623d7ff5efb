"""State in a directory: `<workspace>.json`, its backup, its history, its journal and its lock."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Holder
from reconciler.stores.durable import make_directory, reading, replace_file, sync_directory, write_all, writing
from reconciler.stores.kept import KeptStore
from reconciler.stores.lock import FileLock
from reconciler.stores.medium import Kept, Overtaken
from reconciler.stores.names import DEFAULT, is_name, require_name

_SUFFIXES = (".json", ".json.backup", ".journal")


def workspaces(directory: Path) -> list[str]:
    """The workspaces that have anything kept in `directory`, and the default one, by name."""
    return sorted({DEFAULT} | used_workspaces(directory))


def used_workspaces(directory: Path) -> set[str]:
    """The workspaces that have anything kept in `directory`."""
    with reading(directory):
        names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    stems = {name.removesuffix(suffix) for name in names for suffix in _SUFFIXES if name.endswith(suffix)}
    return {stem for stem in stems if is_name(stem)}


class FileStore(KeptStore):
    """ports.Store, in `directory`."""

    def __init__(self, directory: Path, workspace: str = DEFAULT) -> None:
        super().__init__(_Directory(directory, require_name(workspace)))


class _Directory:
    """Medium."""

    expires = False
    kept = 100

    def __init__(self, directory: Path, workspace: str) -> None:
        self.name = str(directory / f"{workspace}.json")
        self._state = directory / f"{workspace}.json"
        self._backup = directory / f"{workspace}.json.backup"
        self._journal = directory / f"{workspace}.journal"
        self._history = directory / f"{workspace}.history"
        self._lock = FileLock(directory / f"{workspace}.lock")
        self._descriptor: int | None = None

    def load(self) -> Kept | None:
        with reading(self._state):
            if self._state.is_symlink():
                raise self._symlink()
            mark = self._mark()
            if mark is None:
                if self._backup.exists():
                    raise self._missing()
                return None
            return Kept(self._state.read_bytes(), mark)

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        self._lock.require()
        with writing(self._state):
            if self._mark() != over:
                raise Overtaken
            make_directory(self._history)
            replace_file(self._state, data, self._backup, self._history / f"{serial}.json")
            others = [number for number in self.versions() if number != serial]
            for old in {*others[: 1 - self.kept], *(number for number in others if number > serial)}:
                (self._history / f"{old}.json").unlink(missing_ok=True)
            return self._mark() or ""

    def lines(self) -> bytes:
        with reading(self._journal):
            return self._journal.read_bytes() if self._journal.exists() else b""

    def add(self, data: bytes, seq: int, size: int) -> None:
        self._lock.require()
        with writing(self._journal):
            if self._descriptor is None:
                self._descriptor = self._open_journal(size)
            write_all(self._descriptor, data)
            os.fsync(self._descriptor)

    def restart(self, data: bytes) -> None:
        self._lock.require()
        self._close_journal()
        with writing(self._journal):
            replace_file(self._journal, data)

    def versions(self) -> Sequence[int]:
        with reading(self._history):
            stems = [path.stem for path in self._history.glob("*.json")]
        return sorted(int(stem) for stem in stems if stem.isdecimal())

    def version(self, serial: int) -> bytes | None:
        path = self._history / f"{serial}.json"
        with reading(path):
            return path.read_bytes() if path.exists() else None

    def revise(self, serial: int, data: bytes) -> None:
        self._lock.require()
        path = self._history / f"{serial}.json"
        with writing(path):
            replace_file(path, data)

    def workspaces(self) -> Sequence[str]:
        return workspaces(self._state.parent)

    def acquire(self, holder: Holder, ttl: float) -> int:
        return self._lock.acquire(holder)

    def renew(self, ttl: float) -> None:
        self._lock.require()

    def release(self) -> None:
        self._lock.release()

    def unlock(self, lock_id: str) -> None:
        self._lock.refuse_to_unlock(lock_id)

    def close(self) -> None:
        self._close_journal()

    def _mark(self) -> str | None:
        try:
            status = self._state.stat()
        except FileNotFoundError:
            return None
        return f"{status.st_ino} {status.st_mtime_ns} {status.st_size}"

    def _open_journal(self, size: int) -> int:
        make_directory(self._journal.parent)
        descriptor = os.open(self._journal, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            # A line that was being written when the machine stopped.
            os.ftruncate(descriptor, size)
            # Even if it was there: whoever made it may have been killed before its name was on the disk.
            sync_directory(self._journal.parent)
        except OSError:
            os.close(descriptor)
            raise
        return descriptor

    def _close_journal(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _symlink(self) -> Refused:
        told = f"{self._state} is a symbolic link, which writing would cut"
        way = "Put the file itself there, or name the directory it leads to under state.file.path."
        return Refused([error("state.symlink", told, way)])

    def _missing(self) -> Refused:
        told = f"The state {self._state} is missing, though there was one"
        way = (
            "Nothing was changed. If it was deleted by mistake, `reconciler state repair` puts the newest version "
            f"back. If it was deleted on purpose, delete {self._backup} too."
        )
        return Refused([error("state.missing", told, way)])
