"""The gate before an activation: from looked-up evidence to verdicts. Pure; whoever asks does the looking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed

ACTIVE = "lifecycle.active"
"""The check that is the live system's own view."""


class Verdict(StrEnum):
    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """It could not be found out; that lets nothing through."""
    SKIP = "skip"
    """It doesn't apply here."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found when the resource was looked up: the object, or None if there is none; or why nobody can say."""

    address: Address
    observed: Observed | None = None
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """`check` is stable, for machines (`lifecycle.active`); `remedy` says what to do unless it passed.

    `code` tells kinds of one verdict apart. `facts` are what was seen, redacted, for machines. `spec` is where the
    rule comes from. `because` names the check, or the waiver, for which this one was skipped or doesn't block. `cause`
    says what a failure, or not knowing, only follows from: the same in all that follow from it.
    """

    check: str
    address: Address
    verdict: Verdict
    evidence: str
    remedy: str = ""
    blocking: bool = True
    code: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    spec: tuple[str, ...] = ()
    because: str = ""
    cause: str = ""

    @property
    def why(self) -> str:
        """The cause of what follows from this result."""
        return self.cause or f"{self.check} of {self.address}: {self.evidence}"

    @property
    def is_shut(self) -> bool:
        """Whether this alone keeps a gate shut."""
        return self.blocking and self.verdict in (Verdict.FAIL, Verdict.UNKNOWN)


def check_active(evidence: Evidence) -> CheckResult:
    """Whether the live system reports the needed resource ACTIVE."""
    verdict, found, remedy = _judge(evidence)
    return CheckResult(ACTIVE, evidence.address, verdict, found, remedy)


def _judge(evidence: Evidence) -> tuple[Verdict, str, str]:
    observed = evidence.observed
    if evidence.unknown:
        return Verdict.UNKNOWN, f"it could not be looked up: {evidence.unknown}", "Run apply again."
    if observed is None:
        return Verdict.FAIL, "it is not there", "Run plan again: it shows what has to be made first."
    if observed.status is State.ACTIVE:
        return Verdict.PASS, "it is ACTIVE", ""
    if observed.status is State.INVALID:
        reason = f": {observed.reason}" if observed.reason else ""
        return Verdict.FAIL, f"it is INVALID{reason}", "Correct what the live system objects to, then run apply again."
    return Verdict.FAIL, f"it is {observed.status}", "Set it to status: active, or run plan again if it should be."


def is_open(checks: Iterable[CheckResult]) -> bool:
    """Whether the gate lets through: nothing that blocks failed or is unknown."""
    return not any(check.is_shut for check in checks)


def tally(checks: Iterable[CheckResult]) -> str:
    """`14 checks passed, 1 warning, 1 waived`. What failed without blocking is a warning."""
    counts: Counter[str] = Counter()
    for check in checks:
        counts[_class(check)] += 1
    passed = counts["passed"]
    parts = [f"{passed} check{'s' if passed != 1 else ''} passed"]
    parts += [f"{counts['warning']} warning{'s' if counts['warning'] != 1 else ''}"] if counts["warning"] else []
    return ", ".join(parts + [f"{counts[word]} {word}" for word in ("failed", "undecided", "waived") if counts[word]])


def _class(check: CheckResult) -> str:
    if check.is_shut:
        return "failed" if check.verdict is Verdict.FAIL else "undecided"
    if check.verdict in (Verdict.FAIL, Verdict.UNKNOWN) and check.because:
        return "waived"
    return {Verdict.PASS: "passed", Verdict.SKIP: "skipped"}.get(check.verdict, "warning")
