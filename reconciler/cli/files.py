"""Reading and writing the files that a user names on the command line."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import click

from reconciler.model.diagnostic import Refused, error

LIMIT = 256 * 2**20
"""Bytes; a plan of 50,000 resources is a tenth of that."""


STARTED_IN = "reconciler.started-in"
"""Where the click context keeps the directory that the command was typed in, if `-C` led elsewhere."""


def path_of(name: str) -> Path:
    """The file that the command line names: relative to where the command was typed, wherever `-C` leads."""
    return Path(click.get_current_context().meta.get(STARTED_IN, ""), name)


def read_bytes(name: str) -> bytes:
    """The contents of the file, or of standard input for `-`; Refused if it can't be read."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(LIMIT)
        with path_of(name).open("rb") as file:
            return file.read(LIMIT)
    except OSError as problem:
        raise Refused([error("file.unreadable", f"{name} can't be read: {problem.strerror}")]) from None


def write_file(path: Path, data: bytes) -> None:
    """Replaces the file at once: a reader finds the old contents or the new, never half."""
    import tempfile

    temporary = None
    try:
        if path.exists() and not path.is_file():
            path.write_bytes(data)
            return
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_mask()
        Path(temporary).chmod(mode)
        Path(temporary).replace(path)
    except OSError as problem:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise Refused([error("file.unwritable", f"{path} can't be written: {problem.strerror}")]) from None


def _mask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
