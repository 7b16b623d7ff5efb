"""`python -m tests.sim --seeds N` plays histories; `--mutate all` sees that each rule's absence is noticed."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from tests.sim.history import RULES, History, Outcome, Script, play, script, shrink


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="How many histories to play.")
    parser.add_argument("--from", type=int, default=0, dest="first", help="The first seed.")
    parser.add_argument("--seed", type=int, help="Play this one history, shrink it if it fails, and show its log.")
    parser.add_argument("--live", choices=("short", "whole", "both"), default="both", help="Which histories.")
    parser.add_argument("--off", default="", metavar="RULE,...", help="Rules to switch off.")
    parser.add_argument("--mutate", metavar="RULE|all", help="See that histories notice a rule's absence.")
    given = parser.parse_args()
    off = frozenset(filter(None, given.off.split(",")))
    if unknown := (off | ({given.mutate} if given.mutate else set())) - RULES.keys() - {"all"}:
        parser.error(f"no such rule: {', '.join(sorted(unknown))}; there are {', '.join(RULES)}")
    if given.seed is not None:
        return show(given.seed, given.live != "whole", off)
    if given.mutate:
        return mutate(list(RULES) if given.mutate == "all" else [given.mutate], given.seeds)
    return sweep(given.first, given.seeds, given.live, off)


def sweep(first: int, seeds: int, live: str, off: frozenset[str]) -> int:
    """Nine of ten histories are short where both sorts are wanted."""
    found: list[Outcome] = []
    totals: Counter[str] = Counter()
    spent = {True: 0.0, False: 0.0}
    for seed in range(first, first + seeds):
        is_short = live == "short" or (live == "both" and seed % 10 != 0)
        began = time.process_time()
        outcome = play(seed, is_short, off)
        spent[is_short] += time.process_time() - began
        totals.update({("short" if is_short else "whole"): 1, "runs": outcome.runs, "effects": outcome.effects})
        totals["excused"] += bool(outcome.excuses)
        if outcome.violations:
            found.append(outcome)
            print(line(outcome, off), flush=True)
    for is_short, name in ((True, "short"), (False, "whole")):
        if totals[name]:
            rate = totals[name] / spent[is_short]
            print(f"{totals[name]} {name} histories, {rate:.0f} histories/s of one core")
    print(f"{totals['runs']} runs, {totals['effects']} effects, {totals['excused']} histories with an excuse")
    print(f"{len(found)} violations")
    return 1 if found else 0


def mutate(rules: list[str], seeds: int) -> int:
    survivors = 0
    for rule in rules:
        killer = next((o for n in range(seeds) if (o := play(n, n % 2 == 0, frozenset({rule}))).violations), None)
        survivors += killer is None
        print(f"{'SURVIVED' if killer is None else 'killed':9}{rule:12}{RULES[rule]}", flush=True)
        if killer is not None:
            print(f"{'':21}{line(killer, frozenset({rule}))}")
    print(f"{len(rules) - survivors} of {len(rules)} mutants killed")
    return 1 if survivors else 0


def line(outcome: Outcome, off: frozenset[str]) -> str:
    """How to see it again."""
    given = outcome.script
    live = "short" if given.is_short else "whole"
    switched = f" --off {','.join(sorted(off))}" if off else ""
    return f"python -m tests.sim --seed {given.seed} --live {live}{switched}  # {outcome.violations[0]}"


def show(seed: int, is_short: bool, off: frozenset[str]) -> int:
    given: Script = script(seed, is_short)
    if play(seed, is_short, off).violations:
        given = shrink(given, off)
    outcome = History(given, off, keep_log=True).outcome()
    print(given, *outcome.log, *outcome.violations, sep="\n")
    print(f"{len(outcome.violations)} violations")
    return 1 if outcome.violations else 0


if __name__ == "__main__":
    sys.exit(main())
