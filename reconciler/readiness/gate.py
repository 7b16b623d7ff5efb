"""The gate before an activation: from looked-up evidence to verdicts. Pure; whoever asks does the looking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed


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
    """`check` is stable, for machines (`lifecycle.active`); `remedy` says what to do unless it passed."""

    check: str
    address: Address
    verdict: Verdict
    evidence: str
    remedy: str = ""


def check_active(evidence: Evidence) -> CheckResult:
    """Whether the live system reports the needed resource ACTIVE."""
    verdict, found, remedy = _judge(evidence)
    return CheckResult("lifecycle.active", evidence.address, verdict, found, remedy)


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
    """Whether the gate lets through: nothing failed and nothing is unknown."""
    return all(check.verdict not in (Verdict.FAIL, Verdict.UNKNOWN) for check in checks)


def findings(address: Address, checks: Iterable[CheckResult]) -> tuple[Diagnostic, ...]:
    """What the gate of `address` has to say: errors for what keeps it shut, warnings for what doesn't."""
    codes = {Verdict.FAIL: "gate.failed", Verdict.UNKNOWN: "gate.unknown", Verdict.WARN: "gate.warning"}
    return tuple(
        Diagnostic(
            Severity.WARNING if check.verdict is Verdict.WARN else Severity.ERROR,
            codes[check.verdict],
            f"{address} is not activated: it needs {check.address}, and {check.evidence}"
            if check.verdict is not Verdict.WARN
            else f"{address} needs {check.address}, and {check.evidence}",
            check.remedy,
            address=address,
        )
        for check in checks
        if check.verdict in codes
    )
