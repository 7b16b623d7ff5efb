"""A store on any medium: snapshots as documents of a hash chain, the journal beside them, both under a lease."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import uuid4

from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.snapshot import Snapshot, Version
from reconciler.ports import Lease
from reconciler.stores.document import Origin, decode, digest_of, encode, is_damage, read_version, require_plain
from reconciler.stores.forwarding import moved_from
from reconciler.stores.journal_log import JournalLog, relevant
from reconciler.stores.lease import LEASE_SECONDS, HeldLease, held, lost, new_holder
from reconciler.stores.medium import Held, Lost, Medium, Overtaken

_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.1, 4.0
"""Seconds between two attempts to get the lock."""


class _Seen(NamedTuple):
    """What was there when it was last read or written."""

    mark: str | None = None
    serial: int = 0
    sha: str = ""


class Listed(NamedTuple):
    """A version; of the state itself, if that is damaged, there is neither a serial nor what it says of its origin."""

    serial: int | None
    version: Version | None
    damage: Diagnostic | None


class KeptStore:
    """ports.Store. Hold `lock` around reading, applying and writing."""

    def __init__(self, medium: Medium, lease_seconds: float = LEASE_SECONDS) -> None:
        self.medium = medium
        self._lease_seconds = lease_seconds
        self._journal = JournalLog(medium)
        self._seen: _Seen | None = None
        self._lease: HeldLease | None = None

    def describe(self) -> str:
        return self.medium.name

    def read(self) -> Snapshot | None:
        kept = self.medium.load()
        if kept is None:
            self._seen = _Seen()
            return None
        snapshot = decode(kept.data, self.medium.name)
        self._seen = _Seen(kept.mark, snapshot.serial, digest_of(kept.data))
        return snapshot

    def write(self, snapshot: Snapshot, plan: str = "", partial: bool = False) -> None:
        seen = self._last_seen()
        if snapshot.serial <= seen.serial:
            raise self._overtaken(snapshot.serial, seen.serial)
        if relevant(self._journal.unknown(), seen.serial):
            # What is new there is from whoever has taken over from this run.
            is_over = self._lease is not None and self._lease.remaining() <= 0
            raise lost(self.medium.name) if is_over else self._unrecovered()
        data = encode(snapshot, self._origin(seen.sha, plan, partial))
        try:
            mark = self.medium.save(data, seen.mark, snapshot.serial)
        except Lost:
            raise lost(self.medium.name) from None
        except Overtaken:
            kept = self.medium.load()
            there = decode(kept.data, self.medium.name).serial if kept else 0
            raise self._overtaken(snapshot.serial, there) from None
        self._seen = _Seen(mark, snapshot.serial, digest_of(data))

    @contextmanager
    def lock(self, operation: str, timeout: float) -> Iterator[Lease]:
        holder, deadline, pause = new_holder(operation), time.monotonic() + timeout, _SHORTEST_PAUSE
        while True:
            try:
                lease = HeldLease(self.medium, holder, self._lease_seconds)
                break
            except Held as by:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise held(self.medium.name, by) from None
                time.sleep(min(pause, left))
                pause = min(pause * 1.5, _LONGEST_PAUSE)
        self._lease = lease
        try:
            yield lease
        finally:
            self._lease = None
            lease.end()

    def force_unlock(self, lock_id: str) -> None:
        self.medium.unlock(lock_id)

    def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        try:
            self._journal.append(entries)
        except Lost:
            raise lost(self.medium.name) from None
        except Overtaken:
            raise self._interfered() from None

    def tail(self) -> Sequence[Mapping[str, Any]]:
        entries = self._journal.recover()
        return relevant(entries, self._last_seen().serial) if entries else []

    def settle(self) -> None:
        """Forget what the written snapshot holds; keep the writes of this run of which nobody knows what came."""
        try:
            self._journal.settle()
        except Lost:
            raise lost(self.medium.name) from None

    def documents(self) -> list[tuple[int, bytes]]:
        """The serials and the bytes of the versions that are kept, oldest first."""
        kept = self.medium.load()
        return self._documents(kept.data if kept is not None else None)

    def listing(self) -> Sequence[Listed]:
        """All that is kept, newest first, and what is wrong with each."""
        listed: list[Listed] = []
        damage: Diagnostic | None = None
        try:
            documents = self.documents()
        except Refused as refused:
            if not is_damage(refused):
                raise
            documents, damage = self._documents(None), refused.diagnostics[0]
        for serial, data in documents:
            version, before = read_version(data), listed[-1].version if listed else None
            told = ""
            if version is None or version.serial != serial:
                version, told = None, f"Version {serial} of {self.medium.name} isn't what was written"
            elif before is not None and version.previous != before.sha:
                told = f"Version {serial} of {self.medium.name} was not made of version {before.serial} as it is now"
            listed.append(Listed(serial, version, _tampered(told) if told else None))
        if damage is not None:
            listed.append(Listed(None, None, damage))
        return listed[::-1]

    def history(self) -> Sequence[Version]:
        listed = self.listing()
        for _, _, damage in listed:
            if damage is not None:
                raise Refused([damage])
        return [version for _, version, _ in listed if version is not None]

    def past(self, serial: int) -> Snapshot:
        data = self.medium.version(serial)
        if data is None:
            kept = ", ".join(str(number) for number in self.medium.versions()) or "none"
            told = f"{self.medium.name} has no version with the serial {serial}"
            raise Refused([error("state.no-version", told, f"Kept are: {kept}. `state history` tells of them.")])
        if read_version(data) is None:
            raise Refused([_tampered(f"Version {serial} of {self.medium.name} isn't what was written")])
        return decode(data, f"{self.medium.name}, version {serial}")

    def remains(self) -> list[tuple[str, bytes]]:
        """What is there of the state and of the journal, as it is (if it is encrypted, so), under the name of each."""
        place: Medium = getattr(self.medium, "inner", self.medium)
        found = []
        with suppress(Refused):
            if (kept := place.load()) is not None:
                found.append(("json", kept.data))
        with suppress(Refused):
            found.append(("journal", place.lines()))
        return [(kind, data) for kind, data in found if data]

    def close(self) -> None:
        self.medium.close()

    def _documents(self, current: bytes | None) -> list[tuple[int, bytes]]:
        found = [(serial, self.medium.version(serial) or b"") for serial in self.medium.versions()]
        found = [(serial, data) for serial, data in found if moved_from(data) is None]
        if current is None:
            return found
        require_plain(current, self.medium.name)
        if found and found[-1][1] == current:
            return found
        serial = decode(current, self.medium.name).serial
        if found and found[-1][0] == serial + 1:
            # Its run was killed before it became the state.
            newest = read_version(found[-1][1])
            if newest is not None and newest.previous == digest_of(current):
                found.pop()
        if not found or found[-1][1] != current:
            found.append((serial, current))
        return found

    def _last_seen(self) -> _Seen:
        if self._seen is None:
            self.read()
        return self._seen or _Seen()

    def _origin(self, previous: str, plan: str, partial: bool) -> Origin:
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        holder = self._lease.holder if self._lease else new_holder("")
        fence = self._lease.fence if self._lease else 0
        return Origin(uuid4().hex, fence, previous, now, holder.who, holder.operation, plan, partial)

    def _unrecovered(self) -> Refused:
        told = f"An earlier run broke off, and the journal of {self.medium.name} holds what it did"
        way = "Run plan first: that brings the state up to date, or says what only `reconciler resolve` can settle."
        return Refused([error("state.unrecovered", told, way)])

    def _overtaken(self, given: int, there: int) -> Refused:
        told = f"{self.medium.name} has serial {there} already, so {given} can't be written: another run was faster"
        return Refused([error("stale.serial", told, "Run the command again. Without -lock=false this can't happen.")])

    def _interfered(self) -> Refused:
        told = f"Another run writes to the journal of {self.medium.name}: this one has stopped"
        return Refused([error("stale.journal", told, "Run the command again. Without -lock=false this can't happen.")])


def _tampered(summary: str) -> Diagnostic:
    detail = "It was changed or removed after it was written. `reconciler state repair` finds what is still sound."
    return error("state.history", summary, detail)
