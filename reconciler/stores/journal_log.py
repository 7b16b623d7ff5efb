"""The journal in a store: only ever added to, until a snapshot accounts for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reconciler.apply.journal import Entry, Link, read_lines, unsettled, write_lines
from reconciler.stores.document import require_plain
from reconciler.stores.medium import Medium


class JournalLog:
    """Knows which entries this run wrote or was told of; the others must be recovered before anything is settled."""

    def __init__(self, medium: Medium) -> None:
        self._medium = medium
        self._link: Link | None = None
        """Where the next line goes; None until the first of this run."""
        self._size = 0
        self._recovered = 0
        """Entries below this `seq` were read for recovery."""
        self._own: int | None = None
        """Entries from this `seq` on were written by this run; None if none was."""
        self._failure: Exception | None = None

    def read(self) -> list[Entry]:
        """Every whole entry, oldest first. Raises Refused (`state.journal`) for a damaged one."""
        return self._read()[0]

    def recover(self) -> list[Entry]:
        """The same; whoever asks accounts for all of them."""
        entries, link, _ = self._read()
        self._recovered = link.seq
        return entries

    def append(self, entries: Sequence[Entry]) -> None:
        """Add `entries`; on return they are durable. After a failure there is no further attempt: what the kernel
        could not write it may have forgotten, and a second fsync would then succeed for nothing."""
        if self._failure is not None:
            raise self._failure
        if not entries:
            return
        if self._link is None:
            _, self._link, self._size = self._read()
            self._own = self._link.seq if self._own is None else self._own
        data, link = write_lines(entries, self._link)
        try:
            self._medium.add(data, self._link.seq, self._size)
        except Exception as failure:
            self._failure = failure
            raise
        self._link, self._size = link, self._size + len(data)

    def unknown(self) -> list[Entry]:
        """The entries of other runs that nobody accounted for."""
        if self._own is not None and self._own <= self._recovered:
            return []
        return self.read()[self._recovered : self._own]

    def settle(self) -> None:
        """Keep only this run's writes of which nobody knows what came; the chain starts anew."""
        entries = self.read()
        if not entries:
            return
        start = len(entries) if self._own is None else max(self._own, self._recovered)
        kept = sorted((entry for told in unsettled(entries[start:]).values() for entry in told), key=_seq)
        self._medium.restart(write_lines((_bare(entry) for entry in kept), Link())[0])
        self._link, self._recovered, self._own = None, 0, 0 if kept else None

    def _read(self) -> tuple[list[Entry], Link, int]:
        lines = self._medium.lines()
        require_plain(lines, self._medium.name)
        return read_lines(lines, self._medium.name)


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
