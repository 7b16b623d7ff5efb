"""State in a bucket (S3, Google Cloud Storage, Azure): one small object, changed by compare and swap, says what counts.

| object under <workspace>/       | holds                                                                         |
|---------------------------------|-------------------------------------------------------------------------------|
| head.json                       | the lease, its number, and the names of what follows; never overwritten blindly |
| states/<serial>-<unique>.json   | a version of the state; never changed                                         |
| journal/<unique>/<seq>          | some lines of the journal; never changed                                      |

Whoever was granted a lease has changed the head, so a stale holder can no longer change it, and what he writes beside
it counts for nothing. Whether a conditional write was done is told by reading back: an answer can be lost, and S3
answers 409 for a conflict that is over a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from threading import RLock
from time import sleep
from typing import Any
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError, GenericError, NotSupportedError, PermissionDeniedError, UnauthenticatedError
from obstore.store import ObjectStore

from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Holder, T
from reconciler.stores.bucket import NoBucket, cause_of, get, heeds_conditions
from reconciler.stores.lease import decode_holder, encode_holder, not_held, other
from reconciler.stores.medium import Held, Kept, Lost, Overtaken
from reconciler.stores.object_head import Head

_ATTEMPTS = 5
_PAUSE = 0.1
"""Seconds before the second attempt; twice as many before each further one."""
_RESOLUTION = 2.0
"""Seconds by which the times that a bucket tells may be off: they are whole ones."""
_HEEDLESS = "it ignores the condition of a conditional write, so two runs could overwrite each other's state there"
_REPAIR = "Nothing was changed. `reconciler state repair` puts the newest version back that is sound."
_WAY = "Check state.object, the credentials, and what they permit. Then run the command again."


class ObjectMedium:
    """Medium."""

    kept = 100
    expires = True

    def __init__(self, bucket: ObjectStore, workspace: str, place: str = "the bucket") -> None:
        """`place` is what the bucket is called: another name for another one."""
        self.name = f"{place}, workspace {workspace}"
        self._bucket, self._workspace = bucket, workspace
        self._lock = RLock()
        self._holder: Holder | None = None
        self._fence = 0
        self._gone: str | None = None
        """The state that ought to be there and isn't: only a repair puts something in its place."""

    def load(self) -> Kept | None:
        state = self._head()[0].state
        if state is None:
            return None
        data = self._read(state)
        if data is None:
            self._gone = state
            told = f"The state {state} of {self.name} is missing, though there was one"
            raise Refused([error("state.missing", told, _REPAIR)])
        return Kept(data, state)

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        path = f"{self._workspace}/states/{serial:010d}-{uuid4().hex}.json"
        self._create(path, data)

        def change(head: Head) -> Head:
            if head.state == path:
                return head
            if head.state != (over or self._gone):
                raise Overtaken
            versions = (*(kept for kept in head.versions if kept[0] < serial), (serial, path))
            return replace(head, state=path, versions=versions[-self.kept :])

        before, _ = self._swap(change)
        self._forget([path for _, path in before.versions[: -self.kept + 1]])
        return path

    def lines(self) -> bytes:
        for _ in range(_ATTEMPTS):
            journal = self._head()[0].journal
            parts = [self._read(path) for path in self._parts(journal)]
            if None not in parts:
                return b"".join(part for part in parts if part is not None)
            if self._head()[0].journal == journal:
                raise self._unreadable("a part of the journal is missing")
        raise self._unreadable("others change its journal all the time")

    def add(self, data: bytes, seq: int, size: int) -> None:
        """What is there before the head is looked at once more is seen by whoever changes the head after that."""
        with self._lock:
            head, _ = self._head()
            self._require_lease(head)
            self._create(f"{self._workspace}/journal/{head.journal}/{seq:010d}", data)
            after, _ = self._head()
            self._require_lease(after)
            if after.journal != head.journal:
                raise Overtaken

    def restart(self, data: bytes) -> None:
        journal = uuid4().hex
        if data:
            self._create(f"{self._workspace}/journal/{journal}/{0:010d}", data)
        before, _ = self._swap(lambda head: replace(head, journal=journal))
        self._forget(self._parts(before.journal))

    def versions(self) -> Sequence[int]:
        return [serial for serial, _ in self._head()[0].versions]

    def version(self, serial: int) -> bytes | None:
        path = dict(self._head()[0].versions).get(serial)
        return self._read(path) if path is not None else None

    def revise(self, serial: int, data: bytes) -> None:
        path = f"{self._workspace}/states/{serial:010d}-{uuid4().hex}.json"
        self._create(path, data)

        def change(head: Head) -> Head:
            return replace(head, versions=tuple((n, path if n == serial else kept) for n, kept in head.versions))

        before, _ = self._swap(change)
        self._forget([kept for n, kept in before.versions if n == serial and kept != path])

    def workspaces(self) -> Sequence[str]:
        found = self._asked(lambda: obstore.list_with_delimiter(self._bucket)["common_prefixes"])
        return [prefix.strip("/").rpartition("/")[2] for prefix in found]

    def acquire(self, holder: Holder, ttl: float) -> int:
        def change(head: Head) -> Head:
            by = decode_holder(head.holder)
            if by is not None and by.id != holder.id and (left := self._left()) > 0:
                raise Held(by, left)
            info = encode_holder(holder, self.name)
            return replace(head, fence=head.fence + 1, holder=info, ttl=ttl, renewed=uuid4().hex)

        self._holder = None
        _, after = self._swap(change)
        self._holder, self._fence = holder, after.fence
        # What the holder before may still be about to add goes where nobody looks any more.
        self.restart(self.lines())
        return after.fence

    def renew(self, ttl: float) -> None:
        self._swap(lambda head: replace(head, ttl=ttl, renewed=uuid4().hex))

    def release(self) -> None:
        try:
            self._swap(lambda head: replace(head, holder=None))
        finally:
            self._holder = None

    def unlock(self, lock_id: str) -> None:
        def change(head: Head) -> Head:
            by = decode_holder(head.holder)
            if by is None:
                raise not_held(self.name)
            if by.id != lock_id:
                raise other(self.name, by, lock_id)
            return replace(head, fence=head.fence + 1, holder=None)

        self._swap(change)

    def close(self) -> None:
        """A bucket has nothing open."""

    def _parts(self, journal: str) -> list[str]:
        prefix = f"{self._workspace}/journal/{journal}"
        found = self._asked(lambda: obstore.list(self._bucket, prefix).collect())
        return sorted(meta["path"] for meta in found)

    def _left(self) -> float:
        """Seconds until the lease is over that the head tells of, by the bucket's own clock."""
        head, _ = self._head()
        clock = f"{self._workspace}/clock"
        self._asked(lambda: obstore.put(self._bucket, clock, uuid4().hex.encode()))
        now = self._asked(lambda: obstore.head(self._bucket, clock)["last_modified"])
        elapsed: float = (now - self._modified).total_seconds()
        return head.ttl + _RESOLUTION - elapsed

    def _head(self) -> tuple[Head, Any]:
        """What counts now, and the condition on which it may be changed."""
        path = f"{self._workspace}/head.json"
        found = self._asked(lambda: get(self._bucket, path))
        if found is None:
            return Head(), "create"
        data, meta = found
        self._modified = meta["last_modified"]
        try:
            head = Head.decode(data)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._unreadable("head.json isn't what was written") from None
        return head, {key: meta[key] for key in ("e_tag", "version") if meta.get(key)}

    def _swap(self, change: Callable[[Head], Head]) -> tuple[Head, Head]:
        """The head before and after `change`, which may be asked several times, and raise to leave it as it is."""
        with self._lock:
            for attempt in range(_ATTEMPTS):
                head, condition = self._head()
                self._require_lease(head)
                wanted = change(head)
                if condition == "create" and not heeds_conditions(self._bucket, f"{self._workspace}/clock"):
                    raise self._unwritable(_HEEDLESS)
                if wanted == head or self._put(wanted, condition):
                    return head, wanted
                sleep(_PAUSE * 2**attempt)
        raise self._unwritable("others change it all the time, or the bucket doesn't answer")

    def _put(self, wanted: Head, condition: Any) -> bool:
        """Whether the head is as wanted now. No two wanted heads are the same, so reading back tells."""
        try:
            obstore.put(self._bucket, f"{self._workspace}/head.json", wanted.encode(), mode=condition)
        except BaseError as problem:
            self._require_permission(problem)
            return self._head()[0] == wanted
        return True

    def _create(self, path: str, data: bytes) -> None:
        """Make an object that isn't there, or raise Overtaken."""
        for attempt in range(_ATTEMPTS):
            try:
                obstore.put(self._bucket, path, data, mode="create")
                return
            except BaseError as problem:
                self._require_permission(problem)
                there = self._read(path)
                if there == data:
                    return
                if there is not None:
                    raise Overtaken from None
            sleep(_PAUSE * 2**attempt)
        raise self._unwritable("it doesn't answer")

    def _read(self, path: str) -> bytes | None:
        found = self._asked(lambda: get(self._bucket, path))
        return found[0] if found is not None else None

    def _forget(self, paths: list[str]) -> None:
        """What nothing refers to any more; left over it does no harm."""
        with suppress(BaseError, FileNotFoundError):
            for path in paths:
                obstore.delete(self._bucket, path)

    def _require_lease(self, head: Head) -> None:
        if self._holder is not None:
            by = decode_holder(head.holder)
            if by is None or (head.fence, by.id) != (self._fence, self._holder.id):
                raise Lost

    def _require_permission(self, problem: BaseError) -> None:
        if isinstance(problem, PermissionDeniedError | UnauthenticatedError | NotSupportedError):
            raise self._unwritable(cause_of(problem)) from None

    def _asked(self, question: Callable[[], T]) -> T:
        """The answer to what can be asked again."""
        for attempt in range(_ATTEMPTS):
            try:
                return question()
            except NoBucket:
                raise self._unreadable("there is no such bucket") from None
            except BaseError as problem:
                if attempt == _ATTEMPTS - 1 or not isinstance(problem, GenericError):
                    raise self._unreadable(cause_of(problem)) from None
            sleep(_PAUSE * 2**attempt)
        raise AssertionError("the last attempt answers or raises")

    def _unreadable(self, why: str) -> Refused:
        return Refused([error("state.unreadable", f"{self.name} can't be read: {why}", _WAY)])

    def _unwritable(self, why: str) -> Refused:
        return Refused([error("state.unwritable", f"{self.name} can't be written: {why}", _WAY)])
