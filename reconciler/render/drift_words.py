"""What drift is called in every format: its object, what happened to it, by whom, and the verdict on a workspace."""

from __future__ import annotations

from collections.abc import Sequence

from reconciler.drift import DriftClass, Finding, Report
from reconciler.model.address import Address
from reconciler.plan.change import Action, Change
from reconciler.render.diff_lines import diff_lines
from reconciler.render.page import safe

_NAMES = {
    DriftClass.LIFECYCLE: "in another state",
    DriftClass.ATTRIBUTE: "changed",
    DriftClass.SECRET: "with another secret",
    DriftClass.MISSING: "missing",
    DriftClass.UNMANAGED: "unmanaged",
}
_SYMBOLS = {DriftClass.MISSING: "-", DriftClass.UNMANAGED: "+"}


def subject(finding: Finding) -> str:
    if finding.address is not None:
        return safe(finding.address)
    shown, about = safe(finding.name), f"{finding.kind} {safe(finding.id)}"
    return about if finding.name == finding.id else f"{about} ({shown})"


def sentence(findings: Sequence[Finding]) -> str:
    """What happened to the object that all of them are about."""
    sorts = {finding.sort for finding in findings}
    if DriftClass.MISSING in sorts:
        return "has been deleted"
    if DriftClass.UNMANAGED in sorts:
        parent = findings[0].parent
        return f"was added to {safe(parent)} by somebody else" if parent else "was not made from here"
    return "was given another secret" if sorts == {DriftClass.SECRET} else "has changed"


def remarks(finding: Finding) -> list[str]:
    """The live system's reason, and who did it; printable."""
    why = [f"the live system says why: {safe(finding.reason)}"] if finding.reason else []
    by = finding.attribution
    if by.confidence == "unknown":
        return why
    how = f" with {by.client}" if by.client else ""
    return [*why, safe(f"by {by.who}{how} at {by.at}, {by.confidence} confidence")]


def finding_lines(finding: Finding) -> list[str]:
    """As the lines of a diff; the first names the object."""
    change = Change(Address(finding.address or ""), finding.kind, Action.UPDATE, differences=finding.differences)
    lines = [f"{_SYMBOLS.get(finding.sort, '!')} {subject(finding)}", *diff_lines(change)[1:]]
    if finding.sort is DriftClass.LIFECYCLE:
        lines.append(f"      status: {finding.status_before} -> {finding.status_after}")
    return [*lines, *(f"      # {remark}" for remark in remarks(finding))]


def outcome(report: Report) -> str:
    """`Drift: 2 changed; 11 resources checked.`"""
    words = [f"{number} {_NAMES[sort]}" for sort, number in report.counts.items() if number]
    checked = f"{report.checked} resource{'s' if report.checked != 1 else ''} checked"
    return f"Drift: {', '.join(words)}; {checked}." if words else f"No drift. {checked}."
