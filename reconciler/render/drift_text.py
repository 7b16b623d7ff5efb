"""A drift report as people read it: each resource once, with what happened to it, who did it, and what to do."""

from __future__ import annotations

from itertools import groupby

from reconciler.drift import DriftClass, Finding, Report
from reconciler.render.drift_words import outcome, remarks, sentence, subject
from reconciler.render.page import Page, safe
from reconciler.render.value_text import difference_lines

_SYMBOLS = {DriftClass.MISSING: ("-", "red"), DriftClass.UNMANAGED: ("+", "cyan")}


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
    lines = [page.paint(f"  # {subject(first)} {sentence(findings)}", "bold")]
    told = dict.fromkeys(remark for finding in findings for remark in remarks(finding))
    lines += [page.paint(f"  # {line}", "dim") for remark in told for line in page.wrap(f"({remark})", indent=4)]
    lines.append(f"{page.paint(symbol.rjust(3), colour)} {subject(first)}")
    for finding in findings:
        lines += difference_lines(finding.differences, 6, page)
        if finding.sort is DriftClass.LIFECYCLE:
            lines.append(" " * 8 + f"status: {finding.status_before} -> {finding.status_after}")
    return "\n".join(lines)


def _excused(finding: Finding, page: Page) -> str:
    names = ", ".join(".".join(difference.path) for difference in finding.differences)
    about = f"{subject(finding)} {safe(names)}".rstrip()
    return "\n".join(page.wrap(f"{about}: {safe(finding.excused)}", indent=4))


def _verdict(report: Report, page: Page) -> str:
    told, _, checked = outcome(report).partition(". ")
    if not checked:
        return page.paint(told, "bold")
    return page.paint(f"{told}.", "bold", "green") + " " + page.paint(checked, "bold")
