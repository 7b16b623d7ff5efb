"""Runs the checks of one resource in their order, so that every one of them ends with a verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from reconciler.ports import Conversation
from reconciler.readiness.catalogue import CHECKS, Check
from reconciler.readiness.context import Results, Subject
from reconciler.readiness.finding import Finding, failed, skipped
from reconciler.readiness.gate import CheckResult, Verdict
from reconciler.readiness.inquiry import Unasked
from reconciler.readiness.strict_json import Malformed

Judge = Callable[[Subject], Finding | Conversation[Finding]]
"""What makes one check: at once, or in a conversation."""

Family = Mapping[str, Judge]

_STOPPED = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.SKIP)


def run_family(family: Family, subject: Subject) -> Conversation[Results]:
    """One result for every check of the family."""
    results: list[CheckResult] = []
    for name, judge in family.items():
        check = CHECKS[name]
        stopped = _stopped_by(check, subject)
        if stopped is not None:
            finding, because = _instead(check, stopped, subject), stopped
        elif check.deep and not subject.options.deep:
            finding, because = skipped("it is made only when a deep look is asked for", "deep"), ""
        else:
            finding, because = (yield from _judge(judge, subject)), ""
        subject.found[name] = finding
        results.append(result_of(check, subject, finding, because))
    return tuple(results)


def _judge(judge: Judge, subject: Subject) -> Conversation[Finding]:
    try:
        outcome = judge(subject)
        return outcome if isinstance(outcome, Finding) else (yield from outcome)
    except Unasked as reason:
        return skipped(str(reason), "unasked")
    except Malformed as reason:
        return failed(f"the metadata is malformed: {reason}", "malformed")


def result_of(check: Check, subject: Subject, finding: Finding, because: str = "") -> CheckResult:
    passes = finding.verdict in (Verdict.PASS, Verdict.SKIP)
    return CheckResult(
        check=check.id,
        address=subject.resource.address,
        verdict=finding.verdict,
        evidence=finding.evidence,
        remedy="" if passes else finding.remedy or check.remedy,
        blocking=check.blocks if finding.blocking is None else finding.blocking,
        code=finding.code,
        facts=finding.facts,
        spec=check.spec,
        because=because,
        cause=finding.cause,
    )


def _stopped_by(check: Check, subject: Subject) -> str | None:
    return next((name for name in check.needs if subject.found[name].verdict in _STOPPED), None)


def _instead(check: Check, stopped: str, subject: Subject) -> Finding:
    """A check that can't be made is skipped. But where nothing else keeps the gate shut, a blocking one is unknown:
    not having looked must never open a gate."""
    finding = subject.found[stopped]
    evidence = f"it means nothing as {stopped} stands: {finding.evidence}"
    blocks = CHECKS[stopped].blocks if finding.blocking is None else finding.blocking
    is_open = not blocks and finding.verdict in (Verdict.FAIL, Verdict.UNKNOWN)
    if check.blocks and is_open:
        cause = result_of(CHECKS[stopped], subject, finding).why
        return Finding(Verdict.UNKNOWN, evidence, "prerequisite", cause=cause)
    return skipped(evidence, "prerequisite" if finding.verdict is not Verdict.SKIP else finding.code)
