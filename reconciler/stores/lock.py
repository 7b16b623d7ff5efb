"""The lock of a directory's workspace: flock on a file that also tells who holds it, and counts its holders.

The kernel frees it when its holder ends, however it ends, so a lock that is held has a living holder. The file is
never unlinked: a second file of its name could be locked at the same time.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Holder
from reconciler.stores.durable import make_directory, reading, write_all, writing
from reconciler.stores.lease import age, decode_holder, describe, encode_holder, not_held, other
from reconciler.stores.medium import Held, Lost


class FileLock:
    """The lock `path`; `fence` is the number of the holder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._fence = 0

    def acquire(self, holder: Holder) -> int:
        """The holder's number, or Held."""
        with writing(self._path):
            make_directory(self._path.parent)
            descriptor = _try_lock(self._path)
            if descriptor is None:
                raise Held(decode_holder(_read(self._path)))
            self._descriptor, self._fence = descriptor, _fence(self._path) + 1
            try:
                _write(descriptor, {**encode_holder(holder, str(self._path)), "Fence": self._fence})
            except OSError:
                self.release()
                raise
        return self._fence

    def require(self) -> None:
        """Raises Lost if the file is no longer the one that is locked: then another run may hold the other."""
        if self._descriptor is not None and not _is_named(self._descriptor, self._path):
            raise Lost

    def release(self) -> None:
        if self._descriptor is not None:
            with suppress(OSError):
                _write(self._descriptor, {"Fence": self._fence})
            os.close(self._descriptor)
            self._descriptor = None

    def refuse_to_unlock(self, lock_id: str) -> None:
        """Say why the lock isn't removed: nobody holds it (`lock.not-held`), another does, or its holder lives.

        There is no fourth case, as the kernel doesn't let a lock outlive its holder.
        """
        descriptor = None
        with reading(self._path), suppress(FileNotFoundError):
            descriptor = _try_lock(self._path, create=False)
            if descriptor is None:
                raise _alive(self._path, decode_holder(_read(self._path)), lock_id)
        if descriptor is not None:
            os.close(descriptor)
        raise not_held(str(self._path))


def _try_lock(path: Path, create: bool = True) -> int | None:
    """The locked file's descriptor, which no child inherits; None if somebody else holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_named(descriptor, path):
            return descriptor
    except BlockingIOError:
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        mine, named = os.fstat(descriptor), path.stat()
    except FileNotFoundError:
        return False
    return (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino)


def _write(descriptor: int, info: dict[str, Any]) -> None:
    """In one piece, over what was there: a crash must not cost the number."""
    data = json.dumps(info).encode()
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, data.ljust(os.fstat(descriptor).st_size))
    os.ftruncate(descriptor, len(data))


def _read(path: Path) -> dict[str, Any]:
    """What the holder wrote; empty if it hasn't yet."""
    try:
        info = json.loads(path.read_bytes())
    except (ValueError, FileNotFoundError):
        return {}
    return info if isinstance(info, dict) else {}


def _fence(path: Path) -> int:
    fence = _read(path).get("Fence")
    return fence if isinstance(fence, int) else 0


def _alive(path: Path, holder: Holder | None, lock_id: str) -> Refused:
    if holder is None or holder.id != lock_id:
        return other(str(path), holder or Holder("unknown", "", "another run", "", ""), lock_id)
    told = f"The lock can't be taken away: {describe(holder)} still lives{age(holder)}"
    way = f"Wait for it, or stop it: kill {holder.pid} on {holder.host}. The lock is free once it has ended."
    return Refused([error("lock.alive", told, way)])
