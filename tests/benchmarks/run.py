"""How long whole commands take beside Terraform's, on the same graph, and how that grows.

    python -m tests.benchmarks.run --n 1000 --peers terraform

Ours and the peer's runs alternate, so a machine that slows down slows both; the ratio is the median over the pairs. The
plans observe through a served sandbox, over a socket. A target that is missed is named, with where the time went.
"""

from __future__ import annotations

import argparse
import os
import pstats
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

from tests.benchmarks.graph import write_ours, write_terraform
from tests.benchmarks.measure import Command, Sample, measure

TOKEN = "sandbox"
ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {"RECONCILER_BENCHMARK_TOKEN": TOKEN, "NO_COLOR": "1", "PYTHONPATH": str(ROOT)}
VERBS = {"validate": ["validate"], "plan from empty": ["plan"], "no-op plan": ["plan"]}
AT_LEAST = {"validate": 2.0, "plan from empty": 10.0, "no-op plan": 10.0}
GROWS_AT_MOST = 12.0


class Site(NamedTuple):
    """A tool's working directories: one whose state is empty, one that is fully applied."""

    empty: Path
    applied: Path

    def of(self, task: str) -> Path:
        return self.applied if task == "no-op plan" else self.empty


def ours(verb: list[str], directory: Path) -> Command:
    return Command([sys.executable, "-m", "reconciler", "-C", str(directory), *verb], directory, ENVIRONMENT)


def terraform(verb: list[str], directory: Path) -> Command:
    return Command(["terraform", *verb, "-no-color"], directory, {"TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"})


@contextmanager
def served(db: Path) -> Iterator[str]:
    """A sandbox behind a port of its own; its URL."""
    argv = [sys.executable, "-m", "reconciler", "sandbox", "serve", "--port", "0", "--db", str(db), "--token", TOKEN]
    child = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout
        first = child.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:\d+", first)
        if not found:
            raise RuntimeError(f"the sandbox did not start: {first!r}")
        yield found[0]
    finally:
        child.terminate()
        child.wait()


@contextmanager
def our_site(root: Path, n: int) -> Iterator[Site]:
    site = Site(root / f"ours-{n}-empty", root / f"ours-{n}-applied")
    with served(root / f"empty-{n}.db") as empty, served(root / f"applied-{n}.db") as applied:
        write_ours(site.empty, n, empty)
        write_ours(site.applied, n, applied)
        measure(ours(["apply", "-auto-approve", "-parallelism=32"], site.applied))
        yield site


def terraform_site(root: Path, n: int) -> Site:
    site = Site(root / "terraform-empty", root / "terraform-applied")
    for directory in site:
        write_terraform(directory, n)
        measure(terraform(["init"], directory))
    measure(terraform(["apply", "-auto-approve"], site.applied))
    return site


def compare(task: str, site: Site, peer: Site | None, rounds: int) -> tuple[list[Sample], list[Sample]]:
    """Alternating runs of the task: ours, the peer's, ours, the peer's."""
    mine: list[Sample] = []
    theirs: list[Sample] = []
    verb = VERBS[task]
    for _ in range(rounds):
        mine.append(measure(ours(verb, site.of(task))))
        if peer:
            theirs.append(measure(terraform(verb, peer.of(task))))
    return mine, theirs


def where_the_time_went(verb: list[str], directory: Path) -> str:
    """The dearest of our own functions, and what merely starting costs."""
    profile = directory / "profile"
    command = ours(verb, directory)
    argv = [sys.executable, "-m", "cProfile", "-o", str(profile), *command.argv[1:]]
    measure(command._replace(argv=argv))
    start = median(measure(ours(["--version"], directory)).cpu for _ in range(3))
    stats = pstats.Stats(str(profile)).get_stats_profile().func_profiles
    dear = sorted(stats.items(), key=lambda entry: -entry[1].tottime)[:6]
    named = ", ".join(f"{name} {cost.tottime * 1000:.0f} ms" for name, cost in dear)
    return f"starting costs {start * 1000:.0f} ms of CPU; dearest under the profiler: {named}"


def line(task: str, mine: list[Sample], theirs: list[Sample]) -> tuple[str, float | None]:
    told = (
        f"{task:<16} ours {median(s.wall for s in mine) * 1000:7.0f} ms"
        f" (cpu {median(s.cpu for s in mine) * 1000:.0f} ms, {median(s.peak for s in mine):.0f} MiB)"
    )
    if not theirs:
        return told, None
    ratio = median(t.wall / m.wall for m, t in zip(mine, theirs, strict=True))
    told += f"   terraform {median(s.wall for s in theirs) * 1000:7.0f} ms   {ratio:.1f}x"
    return told, ratio


def growth(root: Path, n: int, small: dict[str, list[Sample]], rounds: int) -> Iterator[str]:
    """Ours at ten times the size, against the samples at `n`; yields a line for each miss."""
    with our_site(root, 10 * n) as large:
        for task, samples in small.items():
            grown = [measure(ours(VERBS[task], large.of(task))) for _ in range(rounds)]
            wall = median(s.wall for s in grown) / median(s.wall for s in samples)
            peak = median(s.peak for s in grown) / median(s.peak for s in samples)
            print(f"{task:<16} {n} -> {10 * n}: time {wall:.1f}x, memory {peak:.1f}x", flush=True)
            if max(wall, peak) > GROWS_AT_MOST:
                why = where_the_time_went(VERBS[task], large.of(task))
                yield f"growth of {task}: {max(wall, peak):.1f}x, at most {GROWS_AT_MOST:.0f}x wanted; {why}"


def run(options: argparse.Namespace, root: Path) -> list[str]:
    """Print every figure; return what was missed and why."""
    missed: list[str] = []
    small: dict[str, list[Sample]] = {}
    peer = terraform_site(root, options.n) if "terraform" in options.peers else None
    with our_site(root, options.n) as site:
        print(f"{options.n} resources, median of {options.rounds} alternating runs", flush=True)
        for task in VERBS:
            small[task], theirs = compare(task, site, peer, options.rounds)
            told, ratio = line(task, small[task], theirs)
            print(told, flush=True)
            if ratio is not None and ratio < AT_LEAST[task]:
                why = where_the_time_went(VERBS[task], site.of(task))
                missed.append(f"{task}: {ratio:.1f}x, at least {AT_LEAST[task]:.0f}x wanted; {why}")
    if options.growth:
        missed += growth(root, options.n, small, max(1, options.rounds // 2))
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    parser.add_argument("--n", type=int, default=1000, help="how many resources, about")
    parser.add_argument("--peers", nargs="*", choices=["terraform"], default=[], help="whom to run beside us")
    parser.add_argument("--rounds", type=int, default=5, help="how often each command runs")
    parser.add_argument("--growth", action="store_true", help="also measure ours at ten times the size (minutes)")
    options = parser.parse_args()
    for name in options.peers:
        if not shutil.which(name):
            print(f"{name} is not on the PATH, so there is nothing to compare with", file=sys.stderr)
            return 2
    for unusual in ("TF_CLI_CONFIG_FILE", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(unusual, None)
    with tempfile.TemporaryDirectory(prefix="reconciler-benchmark-") as root:
        missed = run(options, Path(root))
    for miss in missed:
        print(f"MISSED {miss}")
    print("all targets met" if not missed else f"{len(missed)} missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
