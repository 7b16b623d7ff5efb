"""A drift report as people read it: each resource once, with what happened to it, who did it, and what to do."""

from __future__ import annotations

from itertools import groupby

from reconciler.drift import DriftClass, Finding, Report
from reconciler.render.page import Page, safe
from reconciler.render.value_text import difference_lines

_SYMBOLS = {DriftClass.MISSING: ("-", "red"), DriftClass.UNMANAGED: ("+", "cyan")}
_NAMES = {
    DriftClass.LIFECYCLE: "in another state",
    DriftClass.ATTRIBUTE: "changed",
    DriftClass.SECRET: "with another secret",
    DriftClass.MISSING: "missing",
    DriftClass.UNMANAGED: "unmanaged",
}


def render_drift(report: Report, page: Page) -> str:
    """The whole report; what doesn't count as drift comes after what does, and says why."""
    drifted = list(report.drift)
    parts = [_resource(list(group), page) for _, group in groupby(drifted, key=lambda f: (f.kind, f.address, f.id))]
    if drifted:
        parts.insert(0, page.paint("These no longer agree with what was recorded:", "bold", "cyan"))
    excused = [finding for finding in report.findings if not finding.is_drift]
    if excused:
        lines = [page.paint("  # not drift:", "bold"), *(_excused(finding, page) for finding in excused)]
        parts.append("\n".join(lines))
    parts.append(_verdict(report, page))
    return "\n\n".join(parts)


def _resource(findings: list[Finding], page: Page) -> str:
    first = findings[0]
    symbol, colour = _SYMBOLS.get(first.sort, ("~", "yellow"))
    lines = [page.paint(f"  # {_subject(first)} {_sentence(findings)}", "bold")]
    remarks = [f"the live system says why: {finding.reason}" for finding in findings if finding.reason]
    remarks += dict.fromkeys(filter(None, map(_attributed, findings)))
    lines += [
        page.paint(f"  # {line}", "dim") for remark in remarks for line in page.wrap(f"({safe(remark)})", indent=4)
    ]
    lines.append(f"{page.paint(symbol.rjust(3), colour)} {_subject(first)}")
    for finding in findings:
        lines += difference_lines(finding.differences, 6, page)
        if finding.sort is DriftClass.LIFECYCLE:
            lines.append(" " * 8 + f"status: {finding.status_before} -> {finding.status_after}")
    return "\n".join(lines)


def _sentence(findings: list[Finding]) -> str:
    sorts = {finding.sort for finding in findings}
    if DriftClass.MISSING in sorts:
        return "has been deleted"
    if DriftClass.UNMANAGED in sorts:
        parent = findings[0].parent
        return f"was added to {safe(parent)} by somebody else" if parent else "was not made from here"
    return "was given another secret" if sorts == {DriftClass.SECRET} else "has changed"


def _subject(finding: Finding) -> str:
    if finding.address is not None:
        return safe(finding.address)
    shown = safe(finding.name)
    return f"{finding.kind} {finding.id}" if shown == finding.id else f"{finding.kind} {finding.id} ({shown})"


def _attributed(finding: Finding) -> str:
    by = finding.attribution
    if by.confidence == "unknown":
        return ""
    how = f" with {by.client}" if by.client else ""
    return f"by {by.who}{how} at {by.at}, {by.confidence} confidence"


def _excused(finding: Finding, page: Page) -> str:
    names = ", ".join(".".join(difference.path) for difference in finding.differences)
    subject = f"{_subject(finding)} {safe(names)}".rstrip()
    return "\n".join(page.wrap(f"{subject}: {safe(finding.excused)}", indent=4))


def _verdict(report: Report, page: Page) -> str:
    words = [f"{number} {_NAMES[sort]}" for sort, number in report.counts.items() if number]
    checked = f"{report.checked} resource{'s' if report.checked != 1 else ''} checked"
    if not words:
        return page.paint("No drift.", "bold", "green") + " " + page.paint(f"{checked}.", "bold")
    return page.paint(f"Drift: {', '.join(words)}; {checked}.", "bold")
