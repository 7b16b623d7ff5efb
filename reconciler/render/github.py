"""A report as annotations: workflow commands that GitHub's runner reads from what a step prints.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands: ten annotations of each sort are
shown a step, so only the worst are printed.
"""

from __future__ import annotations

from reconciler.render.page import safe, safe_lines
from reconciler.render.report import Finding, Report, findings

WORST = 10
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def render_annotations(report: Report) -> str:
    return "\n".join(_command(finding, report) for finding in findings(report)[:WORST])


def _command(finding: Finding, report: Report) -> str:
    properties = {"title": safe(finding.rule)}
    if span := finding.span:
        place = {"file": safe(report.path(span)), "line": span.line, "endLine": span.end_line, "col": span.column}
        if span.end_line == span.line:
            place["endColumn"] = max(span.column, span.end_column - 1)
        properties = {**{name: str(value) for name, value in place.items()}, **properties}
    text = safe(finding.summary) + (f"\n{safe_lines(finding.detail)}" if finding.detail else "")
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{_COMMANDS[finding.level]} {given}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
