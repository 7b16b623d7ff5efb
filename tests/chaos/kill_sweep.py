"""`python -m tests.chaos.kill_sweep`: the program is killed, or fails, at every system call that matters; then it is
run again, and what is there is counted.

An apply against a served sandbox, under strace: SIGKILL at the Nth write, fsync, rename, send, poll, for every N until
it comes through; or ENOSPC and EIO from those that change the disk. The sandbox survives. After the second apply there
must be exactly one object for each resource, recorded under its id, and nothing left to do; nobody is asked anything.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.stage import Ended, Sandbox, apply, can_trace, configuration, run, served

KILLED_AT = ("write", "fsync", "rename", "link", "unlink", "ftruncate", "sendto", "poll", "epoll_wait", "flock")
FAILING = ("write", "fsync", "rename", "link", "ftruncate")
ERRORS = ("ENOSPC", "EIO")
STORES = {"file": "file: {path: state}", "sqlite": "sqlite: {path: state.db}"}
_ASKED = ("recovery.ambiguous", "reconciler resolve", "exists already")


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

    def complain(self, point: Point, what: str, ended: Ended | None = None) -> None:
        told = f": {ended.told[-600:]}" if ended else ""
        self.complaints.append(f"{point}: {what}{told}")


@dataclass
class Sweep:
    sandbox: Sandbox
    place: Path
    store: str
    servers: int
    tally: Tally = field(default_factory=Tally)

    def play(self, point: Point) -> bool:
        """Whether the point came up at all: a run that was not killed has fewer calls than that."""
        here = Path(tempfile.mkdtemp(dir=self.place))
        (here / "main.yaml").write_text(configuration(self.sandbox.url, self.servers, STORES[self.store]), "utf-8")
        self.sandbox.empty()
        first = apply(here, tracing=point.tracing)
        if "Traceback" in first.told:
            self.tally.complain(point, "a traceback", first)
        came_up = first.code != 0 if point.error else first.code in (-9, 137)
        if came_up:
            self.tally.counts["points"] += 1
            self.tally.counts[f"{point.error or 'SIGKILL'} {point.call}"] += 1
            self._settle(here, point)
        return came_up

    def _settle(self, here: Path, point: Point) -> None:
        # A lease of a store that others reach too outlives its holder.
        second = apply(here, "-lock-timeout=200s")
        if second.code != 0:
            self.tally.complain(point, f"the next apply ends with {second.code}", second)
        if any(word in second.told for word in _ASKED):
            self.tally.counts["prompts"] += 1
            self.tally.complain(point, "somebody is asked", second)
        there = self.sandbox.objects()
        for kind, ids in there.items():
            self.tally.counts["lost"] += max(self.servers - len(ids), 0)
            self.tally.counts["duplicated"] += max(len(ids) - self.servers, 0)
            if len(ids) != self.servers:
                self.tally.complain(point, f"{len(ids)} of {kind}, not {self.servers}", second)
        plan = run(here, "plan", "-detailed-exitcode")
        if plan.code != 0:
            self.tally.complain(point, f"a plan still ends with {plan.code}", plan)


def points(call: str, error: str, step: int) -> Iterator[Point]:
    number = 1
    while True:
        yield Point(call, number, error)
        number += step


def sweep(sweeping: Sweep, error: str, calls: tuple[str, ...], step: int, most: int) -> None:
    """Every `step`th call of each sort, until there are no more of them, or `most` were tried."""
    for call in calls:
        misses = 0
        for tried, point in enumerate(points(call, error, step), start=1):
            misses = 0 if sweeping.play(point) else misses + 1
            # A failing call may be one that doesn't matter, such as a line on the terminal; a kill always shows.
            if misses > (3 if error else 0) or (most and tried >= most):
                break


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kill_sweep", description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=STORES, default="file")
    parser.add_argument("--points", default="all", help="all, or how many of each system call.")
    parser.add_argument("--step", type=int, default=1, help="Only every Nth call.")
    parser.add_argument("--resources", type=int, default=30)
    parser.add_argument("--calls", default=",".join(KILLED_AT), help="System calls to be killed at.")
    parser.add_argument("--errors", action="store_true", help="Let calls fail with ENOSPC and EIO instead of killing.")
    given = parser.parse_args()
    if not can_trace():
        print("strace is not there, or may not trace: nothing was tested")
        return 2
    began = time.monotonic()
    most = 0 if given.points == "all" else int(given.points)
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as sandbox:
        sweeping = Sweep(sandbox, Path(name), given.store, given.resources // 3)
        for error in ERRORS if given.errors else ("",):
            sweep(sweeping, error, FAILING if given.errors else tuple(given.calls.split(",")), given.step, most)
    counts = sweeping.tally.counts
    for complaint in sweeping.tally.complaints:
        print(complaint)
    print(", ".join(f"{name}: {number}" for name, number in sorted(counts.items()) if " " in name))
    ends = ", ".join(f"{name} = {counts[name]}" for name in ("lost", "duplicated", "prompts"))
    print(f"points {'failed' if given.errors else 'killed'} {counts['points']}, {ends}, store {given.store}, ", end="")
    print(f"{sweeping.servers * 3} resources, {time.monotonic() - began:.0f} s")
    return 1 if sweeping.tally.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
