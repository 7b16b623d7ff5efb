"""`python -m tests.chaos.races`: two real processes change the same configuration at the same instant, again and again.

The rounds make everything, give it another name, and unmake it. In some of them whoever comes first is killed on the
way, at one of its system calls, or stopped there until its lease is over and somebody else has taken over, and then
woken. After each round there must be exactly one object for each resource, or none, recorded under its id, and nothing
left to do.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path
from random import Random

from tests.chaos.aftermath import APPLY, DESTROY, HELD, PARTIAL, PATIENT, SLOW, Aftermath, Project, ground
from tests.chaos.forked import Running
from tests.chaos.places import KINDS
from tests.chaos.shim import How, Strike
from tests.chaos.stage import Ended, Sandbox, memory

_MODES = ("race", "race", "race", "race", "wait", "wait", "kill", "kill", "stop")
_STRIKES = {"kill": How.BEFORE, "stop": How.STOP}
_CALLS = 250
"""So many system calls has a run at least of which that isn't known yet; at one of them it is killed or stopped."""
_MOMENT = 0.5
_NEWS = 25
"""After so many rounds a line tells how far it has come."""


@dataclass
class Races(Aftermath):
    calls: dict[int, int] = field(default_factory=dict)
    """How many system calls a whole run has, by what its round is for."""

    def play(self, project: Project, number: int, seed: int, mode: str = "") -> None:
        """One round; by chance of this mode or that if none is given."""
        random = Random(f"{seed}:{number}")
        mode = mode or random.choice(_MODES)
        turn = number % 3
        project.verb = DESTROY if turn == 2 else APPLY
        self.configure(project, f"n{number}" if turn == 1 else "")
        how = _STRIKES.get(mode, How.COUNT)
        strike = Strike(random.randint(1, self.calls.get(turn, _CALLS)) if how else 0, how)
        project.about = f"round {number}, {mode} ({strike}), {project.verb[0]}"
        ended = self._race(project, mode, strike, random)
        for one in ended:
            self.listen(project, one)
            self.tally.add(f"ended with {one.code}")
            if one.report is not None and one.code == 0:
                self.calls[turn] = max(self.calls.get(turn, 0), one.report.total)
        self.tally.add("struck", any(one.report is not None and one.report.call for one in ended))
        self._require_codes(project, mode, ended)
        if mode in _STRIKES or not any(one.code == 0 for one in ended):
            self.settle(project)
        else:
            self.require_order(project)
        self.tally.add(f"rounds of {mode}")
        if (done := self.tally.add("rounds")) % _NEWS == 0:
            print(f"{done} rounds: {self.tally}", flush=True)

    def _race(self, project: Project, mode: str, strike: Strike, random: Random) -> list[Ended]:
        patient = (PATIENT,) if mode == "wait" else ()
        runs = self._together(project.here, strike, *project.verb, *patient)
        others = self._while_stopped(project, runs, random) if mode == "stop" else []
        return [*others, *(run.wait() for run in runs)]

    def _while_stopped(self, project: Project, runs: Sequence[Running], random: Random) -> list[Ended]:
        """What somebody ended with who came while those stood still, for longer than their lease; now they go on."""
        while any(run.is_running() for run in runs):
            time.sleep(0.01)
        third = self.forks.start(project.here, *project.verb, *((PATIENT,) if self.lease else ()))
        ended = []
        if random.random() < _MOMENT:
            ended.append(third.wait())
        else:
            time.sleep(self.lease + random.random() * _MOMENT)
        for run in runs:
            run.send(signal.SIGCONT)
        return ended or [third.wait()]

    def _require_codes(self, project: Project, mode: str, ended: Sequence[Ended]) -> None:
        codes = Counter(one.code for one in ended)
        allowed = {
            "race": {0, HELD},
            "wait": {0},
            "kill": {0, HELD, -signal.SIGKILL},
            # What was asked before may have been answered, or cut, while it stood still.
            "stop": {0, HELD, PARTIAL},
        }[mode]
        if codes.keys() <= allowed and (mode in _STRIKES or codes[0]):
            return
        if any(SLOW in one.told for one in ended):
            # On a machine that has other things to do a run may have stopped of itself.
            self.tally.add("too slow")
            return
        told = "\n".join(one.told[-800:] for one in ended if one.code)
        self.tally.complain(project.about, f"they end with {sorted(codes.elements())}: {told}")

    def _together(self, place: Path, strike: Strike, *arguments: str) -> list[Running]:
        """Two that begin at the same instant, when both are ready."""
        path = self.place / f"gate{next(self._names)}"
        with path.open("wb") as gate:
            flock(gate, LOCK_EX)
            runs = [self.forks.start(place, *arguments, strike=strike, gate=str(path)) for _ in range(2)]
            while path.stat().st_size < len(runs):
                time.sleep(0.001)
        path.unlink()
        return runs


def work(races: Races, sandbox: Sandbox, rounds: range, seed: int) -> None:
    project = races.project(sandbox)
    for number in rounds:
        races.play(project, number, seed)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.races", description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=KINDS, default="file")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--resources", type=int, default=15)
    parser.add_argument("--seed", type=int, default=1, help="Of what is done to which of the two, and when.")
    parser.add_argument("--jobs", type=int, default=0, help="So many pairs at a time, each with a sandbox of its own.")
    return parser.parse_args()


def main() -> int:
    given = parsed()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="races", dir=memory()) as name, ExitStack() as stack:
        found = ground(stack, given.store, Path(name))
        if found is None:
            return 2
        chosen, forked = found
        jobs = given.jobs or (os.cpu_count() or 1) * (4 if chosen.has_leases else 1)
        sandboxes = [stack.enter_context(forked.served(Path(name))) for _ in range(jobs)]
        races = Races(Path(name), forked, chosen, given.resources // 3)
        shares = [range(given.rounds * n // jobs, given.rounds * (n + 1) // jobs) for n in range(jobs)]
        with ThreadPoolExecutor(jobs) as pool:
            list(pool.map(lambda one: work(races, *one, given.seed), zip(sandboxes, shares, strict=True)))
    counts = races.tally.counts
    print(", ".join(f"{name}: {number}" for name, number in sorted(counts.items()) if name != "rounds"))
    print(
        f"rounds {counts['rounds']}, {races.tally}, complaints = {len(races.tally.complaints)}, "
        f"store {given.store}, {time.monotonic() - began:.0f} s"
    )
    return 1 if races.tally.complaints else 0


if __name__ == "__main__":
    sys.exit(main())
