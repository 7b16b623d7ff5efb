"""State in a directory: `<workspace>.json`, its backup, its journal and its lock."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Holder
from reconciler.stores.document import decode, encode
from reconciler.stores.durable import reading, replace_file, writing
from reconciler.stores.journal_file import JournalFile, relevant
from reconciler.stores.lock import locked, refuse_to_unlock

DEFAULT = "default"
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")
_SUFFIXES = (".json", ".json.backup", ".journal")


def require_name(workspace: str) -> str:
    """The name, if a workspace may be called that."""
    if _NAME.fullmatch(workspace):
        return workspace
    raise Refused(
        [
            error(
                "workspace.name",
                f'"{workspace}" can\'t be the name of a workspace',
                "Use up to 63 of the letters A-Z and a-z, digits, - and _, not beginning with -.",
            )
        ]
    )


def workspaces(directory: Path) -> list[str]:
    """The workspaces that have anything kept in `directory`, and the default one, by name."""
    with reading(directory):
        names = [path.name for path in directory.iterdir()] if directory.is_dir() else []
    stems = {name.removesuffix(suffix) for name in names for suffix in _SUFFIXES if name.endswith(suffix)}
    return sorted({DEFAULT} | {stem for stem in stems if _NAME.fullmatch(stem)})


class FileStore:
    """ports.Store. Hold `lock` around reading, applying and writing."""

    def __init__(self, directory: Path, workspace: str = DEFAULT) -> None:
        name = require_name(workspace)
        self._state = directory / f"{name}.json"
        self._backup = directory / f"{name}.json.backup"
        self._lock = directory / f"{name}.lock"
        self._journal = JournalFile(directory / f"{name}.journal")
        self._seen: tuple[tuple[int, int, int], int] | None = None

    def describe(self) -> str:
        """Where the state is."""
        return str(self._state)

    def read(self) -> Snapshot | None:
        with reading(self._state):
            if self._state.is_symlink():
                raise self._symlink()
            try:
                data = self._state.read_bytes()
            except FileNotFoundError:
                if self._backup.exists():
                    raise self._missing() from None
                return None
            mark = self._mark()
        snapshot = decode(data, str(self._state))
        self._seen = (mark, snapshot.serial)
        return snapshot

    def write(self, snapshot: Snapshot) -> None:
        serial = self._serial()
        if snapshot.serial <= serial:
            raise self._overtaken(snapshot.serial, serial)
        self._require_recovered(serial)
        data = encode(snapshot, uuid4().hex)
        with writing(self._state):
            self._state.parent.mkdir(parents=True, exist_ok=True)
            replace_file(self._state, data, self._backup)
            self._seen = (self._mark(), snapshot.serial)

    def lock(self, operation: str, timeout: float) -> AbstractContextManager[Holder]:
        return locked(self._lock, operation, timeout)

    def force_unlock(self, lock_id: str) -> NoReturn:
        """Raises Refused, always: a lock of this store is either not held, or its holder lives."""
        refuse_to_unlock(self._lock, lock_id)

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._journal.append(entries)

    def tail(self) -> Sequence[Mapping[str, Any]]:
        entries = self._journal.recover()
        return relevant(entries, self._serial()) if entries else []

    def settle(self) -> None:
        """Forget what the written snapshot holds; keep the writes of this run of which nobody knows what came."""
        self._journal.settle()

    def _mark(self) -> tuple[int, int, int]:
        status = self._state.stat()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _serial(self) -> int:
        """That of the snapshot which is there now; 0 if there is none."""
        if self._seen is not None:
            with reading(self._state):
                if self._state.exists() and self._seen[0] == self._mark():
                    return self._seen[1]
        found = self.read()
        return found.serial if found else 0

    def _require_recovered(self, serial: int) -> None:
        if relevant(self._journal.unknown(), serial):
            raise Refused(
                [
                    error(
                        "state.unrecovered",
                        f"An earlier run broke off, and {self._journal.path} holds what it did",
                        "Run plan or apply first: that brings the state up to date.",
                    )
                ]
            )

    def _symlink(self) -> Refused:
        return Refused(
            [
                error(
                    "state.symlink",
                    f"{self._state} is a symbolic link, which writing would cut",
                    "Put the file itself there, or name the directory it leads to under state.file.path.",
                )
            ]
        )

    def _missing(self) -> Refused:
        return Refused(
            [
                error(
                    "state.missing",
                    f"The state {self._state} is missing, though there was one",
                    f"If it was deleted by mistake, copy {self._backup} to {self._state}. If it was deleted on "
                    "purpose, delete the backup too.",
                )
            ]
        )

    def _overtaken(self, given: int, there: int) -> Refused:
        return Refused(
            [
                error(
                    "stale.serial",
                    f"{self._state} has serial {there} already, so {given} can't be written: another run was faster",
                    "Run the command again. Without -lock=false this can't happen.",
                )
            ]
        )
