"""Runs the fault matrix over real HTTP on loopback and prints it: `python -m tests.readiness.matrix`."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter, defaultdict
from typing import NamedTuple

from reconciler.readiness.catalogue import CHECKS
from reconciler.readiness.context import Baseline
from reconciler.readiness.gate import CheckResult, Verdict, is_open
from tests.readiness.cases import CASES, Case, Truth
from tests.readiness.stage import Stage, healthy, reset


class Outcome(NamedTuple):
    case: Case
    results: tuple[CheckResult, ...]

    @property
    def result(self) -> CheckResult:
        return next(result for result in self.results if result.check == self.case.check)

    @property
    def is_right(self) -> bool:
        return self.result.verdict is self.case.verdict

    @property
    def is_false_ready(self) -> bool:
        return self.case.truth is not Truth.READY and is_open(self.results)

    @property
    def is_false_fail(self) -> bool:
        """Shut although it works, or a failure claimed where nobody can know."""
        if self.case.truth is Truth.READY:
            return not is_open(self.results)
        proven = any(result.is_shut and result.verdict is Verdict.FAIL for result in self.results)
        return self.case.truth is Truth.UNDECIDED and proven


async def play(stage: Stage, case: Case) -> Outcome:
    reset(stage)
    if case.check == "mcp.metadata_drift":
        facts = next(r.facts for r in await stage.check(case.address) if r.check == case.check)
        stage.recorded = Baseline(**facts)
    case.change(stage)
    return Outcome(case, await stage.check(case.address))


async def play_all(cases: tuple[Case, ...]) -> list[Outcome]:
    async with healthy() as stage:
        return [await play(stage, case) for case in [*await healthy_cases(stage), *cases]]


async def healthy_cases(stage: Stage) -> list[Case]:
    """Every check that a healthy world is due passes; what doesn't apply to it has cases of its own."""
    found: list[Case] = []
    for address in stage.resources:
        for result in await stage.check(address):
            if result.verdict is not Verdict.SKIP:
                found.append(Case(result.check, "healthy", Verdict.PASS, Truth.READY, lambda stage: None))
    return list({case.check: case for case in found}.values())


def table(outcomes: list[Outcome]) -> str:
    counts: dict[str, Counter[Verdict]] = defaultdict(Counter)
    for outcome in outcomes:
        counts[outcome.case.check][outcome.result.verdict] += 1
    verdicts = (Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN)
    lines = [f"{'check':<24} blocks  " + "  ".join(f"{verdict:>7}" for verdict in verdicts)]
    for name, check in CHECKS.items():
        cells = "  ".join(f"{counts[name][verdict] or '-':>7}" for verdict in verdicts)
        lines.append(f"{name:<24} {'yes' if check.blocks else 'no':<6}  {cells}")
    wrong = [o for o in outcomes if not o.is_right or o.is_false_ready or o.is_false_fail]
    lines += ["", *(describe(outcome) for outcome in wrong)]
    lines.append(
        f"{len(CHECKS)} checks x {len(outcomes)} cases, "
        f"unexpected verdicts = {sum(not o.is_right for o in outcomes)}, "
        f"false-ready = {sum(o.is_false_ready for o in outcomes)}, "
        f"false-fail = {sum(o.is_false_fail for o in outcomes)}"
    )
    return "\n".join(lines)


def describe(outcome: Outcome) -> str:
    case, result = outcome.case, outcome.result
    shut = ", ".join(f"{r.check} {r.verdict}" for r in outcome.results if r.is_shut) or "open"
    return (
        f"{case.check} / {case.name}: wanted {case.verdict} ({case.truth}), got {result.verdict}: {result.evidence} "
        f"[gate: {shut}]"
    )


def main() -> int:
    outcomes = asyncio.run(play_all(CASES))
    print(table(outcomes))
    return int(any(not o.is_right or o.is_false_ready or o.is_false_fail for o in outcomes))


if __name__ == "__main__":
    sys.exit(main())
