"""The journal as a file of lines, only ever added to until a snapshot accounts for it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from reconciler.apply.journal import Entry, Link, read_lines, unsettled, write_lines
from reconciler.model.diagnostic import Refused
from reconciler.stores.durable import reading, replace_file, sync_directory, write_all, writing


class JournalFile:
    """Knows which entries this run wrote or was told of; the others must be recovered before anything is settled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._link = Link()
        self._recovered = 0
        """Entries below this `seq` were read for recovery."""
        self._own: int | None = None
        """Entries from this `seq` on were written by this run; None if none was."""
        self._failure: Refused | None = None

    def read(self) -> list[Entry]:
        """Every whole entry, oldest first. Raises Refused (`state.journal`) for a damaged one."""
        return self._read()[0]

    def recover(self) -> list[Entry]:
        """The same; whoever asks accounts for all of them."""
        entries, link, _ = self._read()
        self._recovered = link.seq
        return entries

    def append(self, entries: Sequence[Entry]) -> None:
        """Add `entries`; on return they are on the disk. After a failure there is no further attempt: what the kernel
        could not write it may have forgotten, and a second fsync would then succeed for nothing."""
        if self._failure is not None:
            raise self._failure
        if self._descriptor is None:
            self._open()
        assert self._descriptor is not None
        try:
            with writing(self.path):
                data, link = write_lines(entries, self._link)
                write_all(self._descriptor, data)
                os.fsync(self._descriptor)
        except Refused as refused:
            self._failure = refused
            raise
        self._link = link

    def unknown(self) -> list[Entry]:
        """The entries of other runs that nobody accounted for."""
        if self._is_empty() or (self._own is not None and self._own <= self._recovered):
            return []
        return self.read()[self._recovered : self._own]

    def settle(self) -> None:
        """Keep only this run's writes of which nobody knows what came; the chain starts anew."""
        if self._is_empty():
            return
        entries = self.read()
        start = len(entries) if self._own is None else max(self._own, self._recovered)
        kept = sorted((entry for told in unsettled(entries[start:]).values() for entry in told), key=_seq)
        self._close()
        with writing(self.path):
            replace_file(self.path, write_lines((_bare(entry) for entry in kept), Link())[0])
        self._recovered, self._own = 0, 0 if kept else None

    def _is_empty(self) -> bool:
        with reading(self.path):
            return not self.path.exists() or self.path.stat().st_size == 0

    def _read(self) -> tuple[list[Entry], Link, int]:
        with reading(self.path):
            data = self.path.read_bytes() if self.path.exists() else b""
        return read_lines(data, str(self.path))

    def _open(self) -> None:
        _, self._link, size = self._read()
        with writing(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self.path.exists()
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            # A line that was being written when the machine stopped.
            os.ftruncate(self._descriptor, size)
            if is_new:
                sync_directory(self.path.parent)
        if self._own is None:
            self._own = self._link.seq

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def relevant(entries: Iterable[Entry], serial: int) -> list[Entry]:
    """Those that a snapshot of that serial doesn't account for: of later runs, or of writes nobody knows the end of."""
    entries = list(entries)
    open_ones = {entry["seq"] for told in unsettled(entries).values() for entry in told}
    return [entry for entry in entries if entry["serial"] >= serial or entry["seq"] in open_ones]


def _seq(entry: Entry) -> int:
    seq: int = entry["seq"]
    return seq


def _bare(entry: Entry) -> Entry:
    return {key: value for key, value in entry.items() if key not in ("seq", "prev", "sha")}
