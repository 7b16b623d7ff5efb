"""The library that is preloaded into the program: built, and told at which system call to strike.

A strike is exact: the calls of all threads are counted in one sequence, from the moment the program is entered.
"""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import pytest

_SOURCE = Path(__file__).with_name("shim.c")
KINDS = (
    *("write", "pwrite", "fsync", "fdatasync", "truncate", "open", "rename", "link", "unlink", "mkdir", "lock"),
    *("connect", "send", "wait"),
)
"""The sorts of calls that matter, in the order of shim.c. `open`: of what it may make; `wait`: a poll of any sort that
does wait. What a process writes to itself, to wake one of its threads, is none of them."""
CHANGING = ("write", "pwrite", "fsync", "fdatasync", "truncate", "open", "rename", "link", "mkdir")
"""Those that a full or broken disk refuses."""
TEARABLE = ("write", "pwrite", "send")
_REPORT = struct.Struct(f"<3q{len(KINDS)}q256s")


class How(IntEnum):
    COUNT = 0
    BEFORE = 1
    """Killed before the call."""
    AFTER = 2
    """Killed when the call was carried out, before it returns."""
    TORN = 3
    """Killed when half of the data was written."""
    STOP = 4
    """Stopped before the call."""
    ERROR = 5
    """The call fails."""
    ERRORS = 6
    """It fails, and so do all after it."""


@dataclass(frozen=True)
class Strike:
    number: int
    """The first is 1; 0 only counts."""
    how: How
    error: str = ""
    """The name of an errno."""
    kinds: tuple[str, ...] = KINDS

    def __str__(self) -> str:
        told = {How.ERROR: self.error, How.ERRORS: f"lasting {self.error}"}.get(self.how, self.how.name.lower())
        return f"{told} {self.number}"


@dataclass(frozen=True)
class Report:
    """What the shim counted, and where it struck: `call` is empty if it did not."""

    total: int
    counts: dict[str, int]
    call: str = ""
    what: str = ""

    @classmethod
    def read(cls, path: Path) -> Report:
        total, struck, kind, *counts, what = _REPORT.unpack(path.read_bytes())
        call = KINDS[kind] if struck else ""
        return cls(total, dict(zip(KINDS, counts, strict=True)), call, what.rstrip(b"\0").decode("utf-8", "replace"))


def build(place: Path) -> Path:
    """The library, compiled into that directory. Skips if there is no compiler, and fails where CI should have one."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        if "CI" in os.environ:
            pytest.fail("There is no C compiler: apt-get install gcc libc6-dev")
        pytest.skip("There is no C compiler: NO KILL POINT IS TESTED")
    library = place / "shim.so"
    command = [compiler, "-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library), str(_SOURCE), "-ldl"]
    subprocess.run(command, check=True)
    return library


def arm(strike: Strike, report: Path) -> None:
    """From now on the calls of this process are counted, and it is struck. Only where the library is preloaded."""
    library = ctypes.CDLL(None)
    library.chaos_name.restype = ctypes.c_char_p
    assert [library.chaos_name(kind).decode() for kind in range(library.chaos_kinds())] == list(KINDS)
    kinds = sum(1 << KINDS.index(kind) for kind in strike.kinds)
    failure = getattr(errno, strike.error) if strike.error else 0
    is_disk = strike.how in (How.ERROR, How.ERRORS)
    prepare = library.chaos_arm
    prepare.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int, ctypes.c_int, ctypes.c_uint64, ctypes.c_int]
    assert prepare(os.fsencode(report), strike.number, strike.how, failure, kinds, is_disk) == 0
