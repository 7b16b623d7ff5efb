"""Time and memory of whole commands, as the operating system accounts for them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_SURROUNDINGS = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
"""An installed program has its bytecode on disk: one that compiled itself at every start would be measured wrong."""


class Sample(NamedTuple):
    """One run: seconds on the wall, seconds of CPU (user and system), and the largest resident size in MiB."""

    wall: float
    cpu: float
    peak: float


class Command(NamedTuple):
    """What to run, where, with what added to the environment, and the exit codes that count as success."""

    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str] = {}
    accepted: Sequence[int] = (0,)


def measure(command: Command) -> Sample:
    """Run it once, from its start to its exit. RuntimeError, with what it said, if it fails."""
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        child = subprocess.Popen(
            command.argv,
            cwd=command.cwd,
            env={**_SURROUNDINGS, **command.environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
        )
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode not in command.accepted:
            said.seek(0)
            told = said.read().decode("utf-8", "replace")
            raise RuntimeError(f"{' '.join(command.argv)} exited {child.returncode}:\n{told[-2000:]}")
    unit = 1024 * 1024 if sys.platform == "darwin" else 1024
    return Sample(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)
