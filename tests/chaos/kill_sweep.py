"""`python -m tests.chaos.kill_sweep`: the program is killed, or fails, at every system call that matters; then it is
run again, and what is there is counted.

An apply against a served sandbox, under strace: SIGKILL at the Nth write, fsync, rename, send, poll that a thread of it
makes, for every N until it comes through; or ENOSPC and EIO from those that change the disk. The sandbox survives, and
so do the servers of the store. After the second apply there must be exactly one object for each resource, recorded
under its id, and nothing left to do; nobody is asked anything. Only a lock of Terraform's HTTP protocol, which never
ends by itself, is removed by hand.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from math import ceil
from pathlib import Path

import pytest

from tests.chaos.places import KINDS, Store, store
from tests.chaos.stage import Ended, Sandbox, apply, calls_made, can_trace, configuration, run, served

KILLED_AT = (
    *("write", "writev", "pwrite64", "fsync", "fdatasync", "rename", "link", "unlink", "ftruncate"),
    *("sendto", "sendmsg", "poll", "epoll_wait", "flock"),
)
FAILING = ("write", "pwrite64", "fsync", "fdatasync", "rename", "link", "ftruncate")
ERRORS = ("ENOSPC", "EIO")
_ASKED = ("recovery.ambiguous", "reconciler resolve", "exists already")
_LOCKED = 13
"""The exit code of a run that waited in vain."""
_NEWS = 10
"""After so many points a line tells how far it has come."""


@dataclass(frozen=True)
class Point:
    call: str
    number: int
    error: str = ""

    @property
    def tracing(self) -> tuple[str, ...]:
        what = f"error={self.error}" if self.error else "signal=SIGKILL"
        return "-e", f"trace={self.call}", "-e", f"inject={self.call}:{what}:when={self.number}"

    def __str__(self) -> str:
        return f"{self.error or 'SIGKILL'} at {self.call} {self.number}"


@dataclass
class Tally:
    counts: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def add(self, what: str, number: int = 1) -> int:
        with self._mutex:
            self.counts[what] += number
            return self.counts[what]

    def complain(self, point: Point, what: str, ended: Ended | None = None) -> None:
        told = f": {ended.told[-600:]}" if ended else ""
        self.complaints.append(f"{point}: {what}{told}")

    def __str__(self) -> str:
        return ", ".join(f"{name} = {self.counts[name]}" for name in ("lost", "duplicated", "prompts"))


@dataclass
class Sweep:
    place: Path
    store: Store
    servers: int
    tally: Tally = field(default_factory=Tally)
    _names: count[int] = field(default_factory=lambda: count(1))

    def made(self, sandbox: Sandbox) -> tuple[str, Path]:
        """The name and the directory of another project."""
        name = f"p{next(self._names)}"
        here = self.place / name
        here.mkdir()
        (here / "main.yaml").write_text(configuration(sandbox.url, self.servers, self.store.state(name)), "utf-8")
        sandbox.empty()
        return name, here

    def calls_made(self, sandbox: Sandbox, calls: Sequence[str]) -> dict[str, int]:
        """How many points there are about, by system call; runs vary."""
        _, here = self.made(sandbox)
        if (first := apply(here)).code:
            raise SystemExit(f"it doesn't come through even if nothing is done to it: {first.told}")
        _, here = self.made(sandbox)
        return calls_made(here, calls)

    def play(self, point: Point, sandbox: Sandbox) -> bool:
        """Whether the point came up at all: a run that was not killed has fewer calls than that."""
        name, here = self.made(sandbox)
        first = apply(here, tracing=point.tracing)
        if "Traceback" in first.told:
            self.tally.complain(point, "a traceback", first)
        came_up = first.code != 0 if point.error else first.code in (-9, 137)
        if came_up:
            self.tally.add(f"{point.error or 'SIGKILL'} {point.call}")
            self._settle(name, here, point, sandbox)
            self.tally.add("points")
        return came_up

    def _settle(self, name: str, here: Path, point: Point, sandbox: Sandbox) -> None:
        # A lease of a store that others reach too outlives its holder; a lock of HTTP stays.
        patience = f"-lock-timeout={200 if self.store.is_waited_for else 5}s"
        self._unlock(name, here)
        second = apply(here, patience)
        # The request for the lock may have been on its way when the run died.
        if second.code == _LOCKED and self._unlock(name, here):
            second = apply(here, patience)
        if second.code != 0:
            self.tally.complain(point, f"the next apply ends with {second.code}", second)
        if any(word in second.told for word in _ASKED):
            self.tally.add("prompts")
            self.tally.complain(point, "somebody is asked", second)
        for kind, ids in sandbox.objects().items():
            self.tally.add("lost", max(self.servers - len(ids), 0))
            self.tally.add("duplicated", max(len(ids) - self.servers, 0))
            if len(ids) != self.servers:
                self.tally.complain(point, f"{len(ids)} of {kind}, not {self.servers}", second)
        plan = run(here, "plan", "-detailed-exitcode")
        if plan.code != 0:
            self.tally.complain(point, f"a plan still ends with {plan.code}", plan)

    def _unlock(self, name: str, here: Path) -> bool:
        lock = self.store.lock(name)
        if lock:
            self.tally.add("locks removed")
            run(here, "force-unlock", lock)
        return bool(lock)


@dataclass
class Agenda:
    """The points that are next: of each call every so manieth, until there are no more of them."""

    expected: dict[str, int]
    errors: tuple[str, ...]
    step: int
    most: int
    """Of each call, spread over all of them; 0 for no limit."""

    def __post_init__(self) -> None:
        self._mutex = threading.Lock()
        there = [(call, number) for call, number in self.expected.items() if number]
        self._sorts = deque((call, error, self._stride(number)) for error in self.errors for call, number in there)
        self.about = sum(ceil(self.expected[call] / stride) for call, _, stride in self._sorts)
        self._given, self._misses = 0, 0

    def next(self) -> Point | None:
        with self._mutex:
            if not self._sorts:
                return None
            call, error, stride = self._sorts[0]
            point = Point(call, self._given * stride + (stride + 1) // 2, error)
            self._given += 1
            if self.most and self._given >= self.most:
                self._turn()
            return point

    def came_up(self, point: Point, did: bool) -> None:
        with self._mutex:
            if self._sorts and self._sorts[0][:2] == (point.call, point.error):
                self._misses = 0 if did else self._misses + 1
                # A call that fails may be one that doesn't matter, such as a line on the terminal; and runs vary.
                if self._misses > (3 if point.error else 1):
                    self._turn()

    def _stride(self, number: int) -> int:
        return max(self.step, ceil(number / self.most) if self.most else 1)

    def _turn(self) -> None:
        self._sorts.popleft()
        self._given, self._misses = 0, 0


def work(sweep: Sweep, agenda: Agenda, sandbox: Sandbox) -> None:
    """Play points until there are none left."""
    began = time.monotonic()
    while point := agenda.next():
        did = sweep.play(point, sandbox)
        agenda.came_up(point, did)
        done = sweep.tally.counts["points"]
        if did and done % _NEWS == 0:
            each = (time.monotonic() - began) / done
            print(f"{done} of about {agenda.about}, at {point}: {sweep.tally}; {each:.1f} s each", flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kill_sweep", description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=KINDS, default="file")
    parser.add_argument("--points", default="all", help="all, or how many of each system call, spread over all of it.")
    parser.add_argument("--step", type=int, default=1, help="Only every Nth call.")
    parser.add_argument("--resources", type=int, default=30)
    parser.add_argument("--calls", help="System calls to be killed at, or to fail.")
    parser.add_argument("--errors", action="store_true", help="Let calls fail with ENOSPC and EIO instead of killing.")
    parser.add_argument("--jobs", type=int, default=0, help="So many at a time, each with a sandbox of its own.")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    if not can_trace():
        print("strace is not there, or may not trace: nothing was tested")
        return 2
    began = time.monotonic()
    calls = given.calls.split(",") if given.calls else FAILING if given.errors else KILLED_AT
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        try:
            chosen = stack.enter_context(store(given.store))
        except pytest.skip.Exception as missing:
            print(f"{missing}: nothing was tested")
            return 2
        os.environ["PYTHONPYCACHEPREFIX"] = f"{name}/bytecode"
        jobs = given.jobs or (os.cpu_count() or 1) * (2 if chosen.is_waited_for else 1)
        sandboxes = [stack.enter_context(served(Path(name))) for _ in range(jobs)]
        sweep = Sweep(Path(name), chosen, given.resources // 3)
        expected = sweep.calls_made(sandboxes[0], calls)
        most = 0 if given.points == "all" else int(given.points)
        agenda = Agenda(expected, ERRORS if given.errors else ("",), given.step, most)
        print(
            f"about {agenda.about} points: {', '.join(f'{call} {n}' for call, n in expected.items() if n)}", flush=True
        )
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda sandbox: work(sweep, agenda, sandbox), sandboxes))
        # Not every call that fails matters, but every kill does.
        if (killed := sweep.tally.counts["points"]) < (1 if given.errors else agenda.about * 0.8):
            sweep.tally.complaints.append(f"only {killed} points came up")
    return told(sweep, given, time.monotonic() - began)


def told(sweep: Sweep, given: argparse.Namespace, elapsed: float) -> int:
    counts, complaints = sweep.tally.counts, sweep.tally.complaints
    for complaint in complaints:
        print(complaint)
    print(", ".join(f"{name}: {number}" for name, number in sorted(counts.items()) if " " in name))
    print(
        f"points {'failed' if given.errors else 'killed'} {counts['points']}, {sweep.tally}, store {given.store}, ",
        end="",
    )
    print(f"{sweep.servers * 3} resources, {elapsed:.0f} s")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
