"""`python -m tests.sim --seeds N` plays histories; `--mutate all` sees that each rule's absence is noticed."""

from __future__ import annotations

import argparse
import gc
import sys
import time
from collections import Counter
from collections.abc import Iterator

from tests.sim.family import SIZE, SORTS, play_family, sort_of
from tests.sim.history import Outcome, play, shrink
from tests.sim.rules import RULES

_TIDY = 200
"""Families after which the garbage is collected, which nobody does meanwhile."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, help="How many histories to play: 10000, or 100000 to kill a mutant.")
    parser.add_argument("--from", type=int, default=0, dest="first", help="The first seed.")
    parser.add_argument("--seed", type=int, help="Play this one history, shrink it if it fails, and show its log.")
    parser.add_argument("--live", choices=(*SORTS, "all"), default="all", help="Which histories.")
    parser.add_argument("--off", default="", metavar="RULE,...", help="Rules to switch off.")
    parser.add_argument("--mutate", metavar="RULE|all", help="See that histories notice a rule's absence.")
    given = parser.parse_args()
    off = frozenset(filter(None, given.off.split(",")))
    if unknown := (off | ({given.mutate} if given.mutate else set())) - RULES.keys() - {"all"}:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}; there are {', '.join(RULES)}")
    if given.seed is not None:
        return show(given.seed, given.live, off)
    if given.mutate:
        return mutate(list(RULES) if given.mutate == "all" else [given.mutate], given.seeds or 100_000)
    return sweep(range(given.first, given.first + (given.seeds or 10_000)), given.live, off)


def sweep(seeds: range, live: str, off: frozenset[str]) -> int:
    """Prints what goes wrong, and how fast it was."""
    failed = 0
    totals: Counter[str] = Counter()
    spent = dict.fromkeys(SORTS, 0.0)
    runs = crashes = effects = 0
    start = time.process_time()
    gc.collect()
    gc.freeze()
    gc.disable()
    for number in range(seeds.start // SIZE, -(-seeds.stop // SIZE)):
        sort = sort_of(number) if live == "all" else live
        began = time.process_time()
        outcomes = play_family(number, sort, off)
        if number % _TIDY == 0:
            gc.collect()
        spent[sort] += time.process_time() - began
        totals[sort] += SIZE
        for seed, outcome in enumerate(outcomes, number * SIZE):
            runs += outcome.runs
            crashes += len(outcome.crashes)
            effects += outcome.effects
            if outcome.excuses:
                totals["excused"] += 1
            if outcome.violations:
                failed += 1
                print(line(seed, sort, outcome, off), flush=True)
    seconds = time.process_time() - start
    gc.enable()
    for sort in SORTS:
        if totals[sort]:
            print(f"{totals[sort]} {sort} histories, {totals[sort] / spent[sort]:.0f} histories/s of one core")
    histories = sum(totals[sort] for sort in SORTS)
    print(f"{runs} runs, {crashes} crashes, {effects} effects")
    print(f"{totals['excused']} histories with an excuse")
    print(f"{histories} histories in {seconds:.1f} s, {histories / seconds:.0f} histories/s of one core")
    print(f"{failed} violations")
    return 1 if failed else 0


def mutate(rules: list[str], seeds: int) -> int:
    survivors = 0
    for rule in rules:
        killer = next(_kills(rule, seeds), None)
        survivors += killer is None
        print(f"{'SURVIVED' if killer is None else 'killed':9}{rule:12}{RULES[rule]}", flush=True)
        if killer is not None:
            print(f"{'':21}{killer}")
    print(f"{len(rules) - survivors} of {len(rules)} mutants killed")
    return 1 if survivors else 0


def _kills(rule: str, seeds: int) -> Iterator[str]:
    """The histories that go wrong without the rule; all sorts are asked alike."""
    off = frozenset({rule})
    for number in range(-(-seeds // SIZE)):
        sort = SORTS[number % len(SORTS)]
        for seed, outcome in enumerate(play_family(number, sort, off), number * SIZE):
            if outcome.violations:
                yield line(seed, sort, outcome, off)


def line(seed: int, sort: str, outcome: Outcome, off: frozenset[str] = frozenset()) -> str:
    """How to see it again."""
    switched = f" --off {','.join(sorted(off))}" if off else ""
    return f"python -m tests.sim --seed {seed} --live {sort}{switched}  # {outcome.violations[0]}"


def show(seed: int, live: str, off: frozenset[str]) -> int:
    """The history by itself: what it has in common with its family is played again."""
    number, place = divmod(seed, SIZE)
    given = play_family(number, sort_of(number) if live == "all" else live, off)[place].script
    if play(given, off).violations:
        given = shrink(given, off)
    outcome = play(given, off, keep_log=True)
    print(given, *outcome.log, *outcome.violations, sep="\n")
    print(f"{len(outcome.violations)} violations")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
