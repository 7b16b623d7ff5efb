"""Reading and writing the files that a user names on the command line."""

from __future__ import annotations

import contextlib
import os
import shlex
import sys
from pathlib import Path

import click

from reconciler.model.diagnostic import Refused, error

LIMIT = 256 * 2**20
"""Bytes; a plan of 50,000 resources is a tenth of that."""


def directory() -> Path:
    """Where the configuration is: the directory of `-C`, or where the command was typed. Files that the command line
    names count from there in any case."""
    return Path(click.get_current_context().find_root().params.get("directory") or "")


def program() -> str:
    """The command line so far, so that what we advise can be typed where this was typed."""
    given = click.get_current_context().find_root().params.get("directory")
    return f"reconciler -C {shlex.quote(given)}" if given else "reconciler"


def read_bytes(name: str) -> bytes:
    """The contents of the file, or of standard input for `-`; Refused if it can't be read."""
    try:
        if name == "-":
            return sys.stdin.buffer.read(LIMIT)
        with Path(name).open("rb") as file:
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
