"""Leases: the lock of a store, numbered, renewed while its holder lives, and described to whoever waits for it."""

from __future__ import annotations

import getpass
import os
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from math import inf
from typing import Any
from uuid import uuid4

from reconciler import __version__
from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Holder
from reconciler.stores.medium import Held, Lost, Medium

LEASE_SECONDS = 120.0
_LAST_WORDS = 5.0
"""Seconds for which the end of a run waits for a renewal that is under way."""
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def seconds() -> float:
    """A clock that never goes back, and that goes on while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class HeldLease:
    """ports.Lease. Renewed by a thread, three times as often as it must be."""

    def __init__(self, medium: Medium, holder: Holder, ttl: float) -> None:
        self.holder = holder
        self._medium, self._ttl = medium, ttl
        self._ended = threading.Event()
        asked = seconds()
        self.fence = medium.acquire(holder, ttl)
        self._until = asked + ttl if medium.expires else inf
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        if medium.expires:
            self._thread.start()

    def remaining(self) -> float:
        if not self._medium.expires:
            try:
                self._medium.renew(self._ttl)
            except Lost:
                self._until = -inf
        return max(self._until - seconds(), 0.0) if self._until < inf else inf

    def end(self) -> None:
        """Give it back; if that can't be said to the store, it ends by itself."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(_LAST_WORDS)
        if self._thread.is_alive():
            # The store hangs, and would hang at this, too.
            return
        with suppress(Refused, Lost):
            self._medium.release()

    def _renew(self) -> None:
        pause = self._ttl / 3
        while not self._ended.wait(pause):
            asked = seconds()
            try:
                self._medium.renew(self._ttl)
            except Lost:
                self._until = -inf
                return
            except Refused:
                # The store can't be reached: there is time for more attempts, and none to send anything at the end.
                pause = self._ttl / 10
                continue
            self._until, pause = asked + self._ttl, self._ttl / 3


def new_holder(operation: str) -> Holder:
    """This very run."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    host = socket.gethostname()
    return Holder(str(uuid4()), operation, f"{user}@{host}", now, __version__, os.getpid(), host)


def encode_holder(holder: Holder, path: str) -> dict[str, Any]:
    """Terraform's LockInfo, with all seven keys, and which process of which machine the holder is."""
    return {
        "ID": holder.id,
        "Operation": holder.operation,
        "Info": "",
        "Who": holder.who,
        "Version": holder.version,
        "Created": holder.created,
        "Path": path,
        "Pid": holder.pid,
        "Host": holder.host,
    }


def decode_holder(info: Any) -> Holder | None:
    """The holder in a LockInfo, ours or Terraform's; None if there is none in it."""
    if not isinstance(info, dict) or not info.get("ID"):
        return None
    lock_id, operation, who, created, version, host = (
        str(info.get(key) or "") for key in ("ID", "Operation", "Who", "Created", "Version", "Host")
    )
    pid = info.get("Pid")
    return Holder(lock_id, operation, who, created, version, pid if isinstance(pid, int) else 0, host)


def held(name: str, by: Held) -> Refused:
    """What whoever wants the lock is told."""
    holder = by.holder
    summary = f"The state is locked by {describe(holder)}{by.note and f' ({by.note})'}"
    lock_id = holder.id if holder else "unknown"
    way = f"Wait for it with -lock-timeout, or see what `reconciler force-unlock {lock_id}` says of it."
    ends = "" if by.left is None else f" It ends in {max(by.left, 0):.0f} s unless its holder lives and renews it."
    return Refused([error("lock.held", summary, f"Lock {lock_id}{age(holder)}, in {name}.{ends} {way}")])


def not_held(name: str) -> Refused:
    told = f"Nothing is locked: no run holds {name}"
    return Refused([error("lock.not-held", told, "A run that ended no longer holds its lock. Just go on.")])


def other(name: str, holder: Holder, lock_id: str) -> Refused:
    told = f"The lock of {name} has the id {holder.id}, not {lock_id}; it is held by {describe(holder)}"
    return Refused([error("lock.other", told, "Nothing was unlocked.")])


def lost(name: str) -> Refused:
    """What a run is told that no longer has the lock it had."""
    told = f"Another run has come to hold {name}: this one may no longer write there, and has stopped"
    return Refused([error("lock.lost", told, "What was done is found out by the next plan. Run the command again.")])


def describe(holder: Holder | None) -> str:
    if holder is None:
        return "another run"
    process = f" (process {holder.pid})" if holder.pid else ""
    return f"{holder.who or 'somebody'}{process}, who runs {holder.operation or 'something'}"


def age(holder: Holder | None) -> str:
    """`, held since ... (5 min)`"""
    if holder is None:
        return ""
    try:
        elapsed = int((datetime.now(UTC) - datetime.fromisoformat(holder.created)).total_seconds())
    except (ValueError, TypeError):
        return ""
    size, unit = next((s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "min"), (0, "s")) if elapsed >= s or not s)
    return f", held since {holder.created} ({elapsed // size if size else max(elapsed, 0)} {unit})"
