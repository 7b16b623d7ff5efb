"""Runs of the real program that cost little: forked from a process that has loaded it, and struck at a system call if
wanted."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TextIO

from tests.chaos.shim import Report, Strike, build
from tests.chaos.stage import ROOT, SERVE, Ended, Sandbox, environment
from tests.chaos.zygote import Request

PATIENCE = 120.0
"""Seconds that a run may take, waiting for leases included."""
_OUTPUT = (".out", ".err", ".report")


@dataclass
class Running:
    pid: int
    _answers: TextIO
    _kept: Path
    """Where its output and its report are, but for their suffixes."""

    def send(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def so_far(self) -> str:
        """What it has said."""
        return self._kept.with_suffix(".out").read_text("utf-8", "replace")

    def is_stopped(self) -> bool:
        """Whether it is neither running nor ended."""
        try:
            return Path(f"/proc/{self.pid}/stat").read_text("utf-8").rpartition(") ")[2][0] in "Tt"
        except OSError:
            return False

    def is_running(self) -> bool:
        return not self.is_stopped() and Path(f"/proc/{self.pid}").exists()

    def wait(self) -> Ended:
        """How it ended. One that takes too long is killed, and says so."""
        try:
            line = self._answers.readline()
        except TimeoutError:
            self.send(signal.SIGKILL)
            line = ""
        self._answers.close()
        out, err, report = (self._kept.with_suffix(suffix) for suffix in _OUTPUT)
        told = "".join(path.read_text("utf-8", "replace") for path in (out, err) if path.exists())
        ended = Ended(int(line or -999), told, Report.read(report) if report.exists() else None)
        for path in (out, err, report):
            path.unlink(missing_ok=True)
        return ended


class Forks:
    """Each run has the directory and arguments that it is given, the environment of all, and nothing to read."""

    def __init__(self, place: Path) -> None:
        self._place = place
        self._names = count(1)

    def start(self, place: Path, *arguments: str, strike: Strike | None = None, gate: str = "") -> Running:
        """`gate` is a file: the run begins when nobody has it locked."""
        kept = self._place / str(next(self._names))
        out, err, report = (str(kept.with_suffix(suffix)) for suffix in _OUTPUT)
        Path(out).touch()
        request = Request(str(place), arguments, environment(), out, err, gate)
        if strike is not None:
            request = request.struck(strike, report)
        with socket.socket(socket.AF_UNIX) as asker:
            asker.settimeout(PATIENCE)
            asker.connect(str(self._place / "socket"))
            asker.sendall(request.line())
            answers = asker.makefile("r", encoding="ascii")
        return Running(int(answers.readline()), answers, kept)

    def run(self, place: Path, *arguments: str, strike: Strike | None = None) -> Ended:
        return self.start(place, *arguments, strike=strike).wait()

    @contextmanager
    def served(self, place: Path, *options: str) -> Iterator[Sandbox]:
        """A sandbox that outlives the runs against it."""
        serving = self.start(place, *SERVE, *options)
        try:
            deadline = time.monotonic() + PATIENCE
            while not (match := re.search(r"listening on (http://\S+)\n", serving.so_far())):
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield Sandbox(match[1])
        finally:
            serving.send(signal.SIGKILL)
            serving.wait()


@contextmanager
def forks(place: Path) -> Iterator[Forks]:
    """`place` keeps the socket, whose path must be short, and for a while what runs said. Skips as `build` does."""
    command = [sys.executable, "-m", "tests.chaos.zygote", str(place / "socket")]
    given = {**environment(), "LD_PRELOAD": str(build(place))}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, env=given, stdin=pipe, stdout=pipe, text=True, start_new_session=True
    ) as loaded:
        assert loaded.stdout is not None
        assert loaded.stdout.readline() == "ready\n"
        yield Forks(place)
        assert loaded.stdin is not None
        loaded.stdin.close()
