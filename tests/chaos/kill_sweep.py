"""`python -m tests.chaos.kill_sweep`: the program is killed, or fails, at every system call that matters; then it is
run again, and what is there is counted.

An apply against a served sandbox: SIGKILL before and after the Nth call of all its threads that writes, syncs, renames,
locks, sends, or waits for an answer, and in the middle of what is written or sent, for every N until the apply comes
through; or ENOSPC and EIO, once or from there on, from those that change the disk. The sandbox survives, and so do the
servers of the store. After the second apply there must be exactly one object for each resource, recorded under its id,
and nothing left to do; nobody is asked anything, and the client secret is in no file, output or store. Only a lock of
Terraform's HTTP protocol, which never ends by itself, is removed, as the program says.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.aftermath import APPLY, Aftermath, ground
from tests.chaos.places import KINDS
from tests.chaos.shim import CHANGING, TEARABLE, How, Report, Strike
from tests.chaos.shim import KINDS as CALLS
from tests.chaos.stage import Sandbox, memory

Sort = tuple[How, str, tuple[str, ...]]
"""How it is struck, with which error, at which kinds of calls."""
KILLS: dict[str, Sort] = {
    "before": (How.BEFORE, "", CALLS),
    "after": (How.AFTER, "", CALLS),
    "torn": (How.TORN, "", TEARABLE),
}
FAILURES: tuple[Sort, ...] = tuple(
    (how, error, CHANGING) for how in (How.ERROR, How.ERRORS) for error in ("ENOSPC", "EIO")
)
_OVER = 5
"""Runs vary: so many have to come through, one after another in number, until there are no more points."""
_NEWS = 50
"""After so many points a line tells how far it has come."""
_KILLED = -9


class Sweep(Aftermath):
    def count(self, sandbox: Sandbox, sort: Sort) -> Report:
        """What an apply calls that nothing is done to."""
        project = self.project(sandbox, "undisturbed")
        first = self.forks.run(project.here, *APPLY, strike=Strike(0, How.COUNT, "", sort[2]))
        if first.code or first.report is None:
            raise SystemExit(f"it doesn't come through even if nothing is done to it: {first.told}")
        self.forget(project)
        return first.report

    def play(self, strike: Strike, sandbox: Sandbox) -> bool:
        """Whether it came to that: a run that was not struck has fewer calls."""
        project = self.project(sandbox, strike)
        with self.turns:
            first = self.forks.run(project.here, *APPLY, strike=strike)
        report = first.report
        if report is None or (report.call and not strike.error and first.code != _KILLED):
            self.tally.complain(strike, f"it ends with {first.code}", first)
        if report is None or not report.call:
            self.forget(project)
            return False
        project.about = f"{strike}, {report.call} of {report.what or 'nothing in particular'}"
        self.listen(project, first)
        self.settle(project)
        self.tally.add("points")
        self.tally.add(f"{strike.how.name.lower()} {report.call}")
        self.forget(project)
        return True


class Agenda:
    """The points that are next: of each sort every so manieth, until there are no more of them."""

    def __init__(self, sorts: Sequence[tuple[Sort, int]], most: int = 0, step: int = 1, first: int = 1) -> None:
        """`sorts`: with about how many points each has. `most`: of each, spread over all of it; 0 for no limit."""
        self._mutex = threading.Lock()
        self._first, self._most = first, most
        self._sorts = deque((sort, max(step, (number - first + 1) // most if most else 1)) for sort, number in sorts)
        strides = [stride for _, stride in self._sorts]
        self.about = sum(max(n - first + 1, 0) // stride for stride, (_, n) in zip(strides, sorts, strict=True))
        self._given, self._misses = 0, 0

    def next(self) -> Strike | None:
        with self._mutex:
            if not self._sorts:
                return None
            (how, error, kinds), stride = self._sorts[0]
            number = self._first + self._given * stride + (stride - 1) // 2
            self._given += 1
            if self._given == self._most:
                self._turn()
            return Strike(number, how, error, kinds)

    def came(self, strike: Strike, did: bool) -> None:
        with self._mutex:
            if self._sorts and self._sorts[0][0] == (strike.how, strike.error, strike.kinds):
                self._misses = 0 if did else self._misses + 1
                if self._misses >= _OVER:
                    self._turn()

    def _turn(self) -> None:
        self._sorts.popleft()
        self._given, self._misses = 0, 0


def work(sweep: Sweep, agenda: Agenda, sandbox: Sandbox) -> None:
    """Play points until there are none left."""
    began = time.monotonic()
    while strike := agenda.next():
        did = sweep.play(strike, sandbox)
        agenda.came(strike, did)
        done = sweep.tally.counts["points"]
        if did and done % _NEWS == 0:
            each = (time.monotonic() - began) / done
            print(f"{done} of about {agenda.about}, {strike}: {sweep.tally}; {each:.2f} s each", flush=True)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.kill_sweep", description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=KINDS, default="file")
    parser.add_argument("--points", default="all", help="all, or how many of each sort, spread over all of it.")
    parser.add_argument("--step", type=int, default=1, help="Only every Nth call.")
    parser.add_argument("--first", type=int, default=1, help="Begin at that call.")
    parser.add_argument("--resources", type=int, default=30)
    parser.add_argument("--how", default=",".join(KILLS), help="Sorts of kills: before, after, torn.")
    parser.add_argument("--calls", default=",".join(CALLS), help="Sorts of system calls that count.")
    parser.add_argument("--errors", action="store_true", help="Let calls fail with ENOSPC and EIO instead of killing.")
    parser.add_argument("--jobs", type=int, default=0, help="So many at a time, each with a sandbox of its own.")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    began = time.monotonic()
    chosen_sorts = FAILURES if given.errors else [KILLS[name] for name in given.how.split(",")]
    calls = given.calls.split(",")
    sorts = [(how, error, tuple(kind for kind in kinds if kind in calls)) for how, error, kinds in chosen_sorts]
    with tempfile.TemporaryDirectory(prefix="sweep", dir=memory()) as name, ExitStack() as stack:
        found = ground(stack, given.store, Path(name))
        if found is None:
            return 2
        chosen, forked = found
        # Most of the time is spent waiting: for leases to end, and for what may be on its way.
        jobs = given.jobs or (os.cpu_count() or 1) * (12 if chosen.has_leases else 4)
        sandboxes = [stack.enter_context(forked.served(Path(name))) for _ in range(jobs)]
        sweep = Sweep(Path(name), forked, chosen, given.resources // 3)
        counted = [(sort, sweep.count(sandboxes[0], sort).total) for sort in sorts]
        agenda = Agenda(counted, 0 if given.points == "all" else int(given.points), given.step, given.first)
        print(f"about {agenda.about} points, {jobs} at a time", flush=True)
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda sandbox: work(sweep, agenda, sandbox), sandboxes))
        # How many calls a run makes varies, by a third in a bucket: the first that was counted is a guess.
        if (struck := sweep.tally.counts["points"]) < agenda.about * 0.6:
            sweep.tally.complain("all", f"only {struck} points came up")
    return told(sweep, given, time.monotonic() - began)


def told(sweep: Sweep, given: argparse.Namespace, elapsed: float) -> int:
    counts, complaints = sweep.tally.counts, sweep.tally.complaints
    print(", ".join(f"{name}: {number}" for name, number in sorted(counts.items()) if " " in name))
    print(
        f"points {'failed' if given.errors else 'killed'} {counts['points']}, {sweep.tally}, "
        f"complaints = {len(complaints)}, store {given.store}, {sweep.servers * 3} resources, {elapsed:.0f} s"
    )
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
