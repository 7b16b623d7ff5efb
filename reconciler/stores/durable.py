"""Writing that survives a crash: the old content or the new, never neither, and on the disk when the call returns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from reconciler.model.diagnostic import Refused, error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turns what the system objects to into Refused (`state.unwritable`), naming the file."""
    try:
        yield
    except OSError as problem:
        raise Refused(
            [
                error(
                    "state.unwritable",
                    f"{path} can't be written: {problem.strerror or type(problem).__name__}",
                    "Make sure that its directory can be written and the disk is neither full nor failing, then run "
                    "the command again: what was done so far is accounted for.",
                )
            ]
        ) from None


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns what the system objects to into Refused (`state.unreadable`), naming the file."""
    try:
        yield
    except OSError as problem:
        raise Refused(
            [
                error(
                    "state.unreadable",
                    f"{path} can't be read: {problem.strerror or type(problem).__name__}",
                    "Nothing was changed. Make it readable for this user, then run the command again.",
                )
            ]
        ) from None


def replace_file(path: Path, data: bytes, backup: Path | None = None, copy: Path | None = None) -> None:
    """Put `data` in the place of the file at `path`, whose old content becomes `backup`; `copy` gets it first, in a
    file of its own, so that what befalls the one doesn't befall the other. Raises OSError.

    A failed fsync is not tried again: the kernel may have dropped what it could not write.
    """
    if copy is not None:
        replace_file(copy, data)
    fresh = path.with_name(f".{path.name}.new")
    try:
        write_synced(fresh, data)
        if backup is not None and path.exists():
            _keep(path, backup)
        fresh.replace(path)
    except OSError:
        with suppress(OSError):
            fresh.unlink()
        raise
    sync_directory(path.parent)


def make_directory(path: Path) -> None:
    """With all above it; on return they are on the disk, so that what is put there can't vanish with them."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for directory in reversed(missing):
        directory.mkdir(exist_ok=True)
        sync_directory(directory.parent)


def write_synced(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        write_all(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def sync_directory(path: Path) -> None:
    """A new name is durable once its directory is."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _keep(path: Path, backup: Path) -> None:
    """A second name for the file, which loses its first one; a copy where the file system has no links."""
    link = backup.with_name(f".{backup.name}.new")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:
        write_synced(link, path.read_bytes())
    link.replace(backup)
