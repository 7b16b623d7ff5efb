"""The exclusive lock of a workspace: flock on a file that also tells who holds it.

The kernel frees it when its holder ends, however it ends, so a lock that is held has a living holder. The file is
never unlinked: a second file of its name could be locked at the same time.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn
from uuid import uuid4

from reconciler import __version__
from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Holder
from reconciler.stores.durable import reading, write_all, writing

_RETRY = 0.2
"""Seconds between two attempts."""


@contextmanager
def locked(path: Path, operation: str, timeout: float) -> Iterator[Holder]:
    """Hold the lock `path`; Refused (`lock.held`), telling who holds it, after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while (descriptor := _try_lock(path)) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _held(path)
            time.sleep(min(_RETRY, left))
    holder = _new_holder(operation)
    try:
        with writing(path):
            _write(descriptor, _encode(holder, path))
        yield holder
    finally:
        with suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def refuse_to_unlock(path: Path, lock_id: str) -> NoReturn:
    """Say why the lock isn't removed: nobody holds it (`lock.not-held`), another does, or its holder lives.

    There is no fourth case, as the kernel doesn't let a lock outlive its holder.
    """
    descriptor = None
    with reading(path), suppress(FileNotFoundError):
        descriptor = _try_lock(path, create=False)
        info = None if descriptor is not None else _read(path)
        if info is not None:
            raise _held_by(path, info, lock_id)
    if descriptor is not None:
        os.close(descriptor)
    raise Refused(
        [
            error(
                "lock.not-held",
                f"Nothing is locked: no run holds {path}",
                "A run that ended, even by a crash, no longer holds its lock. Just go on.",
            )
        ]
    )


def _try_lock(path: Path, create: bool = True) -> int | None:
    """The locked file's descriptor, which no child inherits; None if somebody else holds the lock."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        mine, named = os.fstat(descriptor), path.stat()
        if (mine.st_dev, mine.st_ino) == (named.st_dev, named.st_ino):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _new_holder(operation: str) -> Holder:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"user {os.getuid()}"
    now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Holder(str(uuid4()), operation, f"{user}@{socket.gethostname()}", now, __version__)


def _encode(holder: Holder, path: Path) -> dict[str, Any]:
    """Terraform's LockInfo, and where the holder runs."""
    return {
        "ID": holder.id,
        "Operation": holder.operation,
        "Info": "",
        "Who": holder.who,
        "Version": holder.version,
        "Created": holder.created,
        "Path": str(path),
        "Pid": os.getpid(),
        "Host": socket.gethostname(),
    }


def _write(descriptor: int, info: dict[str, Any]) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    write_all(descriptor, json.dumps(info).encode())


def _read(path: Path) -> dict[str, Any]:
    """What the holder wrote; empty if it hasn't yet."""
    try:
        info = json.loads(path.read_bytes())
    except ValueError:
        return {}
    return info if isinstance(info, dict) else {}


def _held(path: Path) -> Refused:
    info = _read(path)
    lock_id = info.get("ID", "unknown")
    return Refused(
        [
            error(
                "lock.held",
                f"The state is locked by {_describe(info)}",
                f"Lock {lock_id}{_age(info)}, in {path}. Wait for it with -lock-timeout, or see what "
                f"`reconciler force-unlock {lock_id}` says of it.",
            )
        ]
    )


def _held_by(path: Path, info: dict[str, Any], lock_id: str) -> Refused:
    held = info.get("ID", "unknown")
    if held != lock_id:
        told = f"The lock {path} has the id {held}, not {lock_id}; it is held by {_describe(info)}"
        return Refused([error("lock.other", told, "Nothing was unlocked.")])
    told = f"The lock can't be taken away: {_describe(info)} still lives{_age(info)}"
    way = f"Wait for it, or stop it: kill {info.get('Pid')} on {info.get('Host')}. The lock is free once it has ended."
    return Refused([error("lock.alive", told, way)])


def _describe(info: dict[str, Any]) -> str:
    if not info:
        return "another run"
    return f"{info.get('Who')} (process {info.get('Pid')}), who runs {info.get('Operation')}"


def _age(info: dict[str, Any]) -> str:
    try:
        seconds = int((datetime.now(UTC) - datetime.fromisoformat(str(info.get("Created")))).total_seconds())
    except (ValueError, TypeError):
        return ""
    size, unit = next((s, u) for s, u in ((86400, "d"), (3600, "h"), (60, "min"), (0, "s")) if seconds >= s)
    return f", held since {info['Created']} ({seconds // size if size else max(seconds, 0)} {unit})"
