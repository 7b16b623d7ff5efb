"""A report as JUnit XML: one test case a resource of the plan, failed by the errors about it."""

from __future__ import annotations

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from reconciler.model.diagnostic import Diagnostic
from reconciler.render.diff_lines import diff_lines
from reconciler.render.page import safe, safe_lines
from reconciler.render.report import Report

_REST = "configuration"
"""The class of the cases that no resource of the plan stands for."""


def render_junit(report: Report) -> str:
    cases: list[str] = []
    accounted: set[Diagnostic] = set()
    for change in report.changes:
        about = [diagnostic for diagnostic in report.told if diagnostic.address == change.address]
        accounted.update(about)
        cases.append(_case(change.kind, change.address, about, "\n".join(diff_lines(change))))
    rest = [diagnostic for diagnostic in report.told if diagnostic not in accounted]
    for diagnostic in rest:
        cases.append(_case(_REST, f"{diagnostic.address or diagnostic.code}: {diagnostic.summary}", [diagnostic]))
    if not cases:
        cases.append(_case(_REST, "nothing to change", []))
    failed = sum("<failure " in case for case in cases)
    suite = f'<testsuite name="reconciler" tests="{len(cases)}" failures="{failed}" errors="0" skipped="0" time="0">'
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return "\n".join([head, "<testsuites>", suite, *cases, "</testsuite>", "</testsuites>"])


def _case(kind: str, name: str, about: Sequence[Diagnostic], out: str = "") -> str:
    errors = [diagnostic for diagnostic in about if diagnostic.is_error]
    parts = []
    if errors:
        worst = f"type={_quoted(errors[0].code)} message={_quoted(errors[0].summary)}"
        # One failure a case is all that some readers have room for.
        text = "\n".join(map(_told, errors))
        parts.append(f"<failure {worst}>{_text(text)}</failure>")
    told = "\n".join([out, *(_told(d) for d in about if not d.is_error)]).strip("\n")
    if told:
        parts.append(f"<system-out>{_text(told)}</system-out>")
    opened = f'<testcase classname={_quoted(kind)} name={_quoted(name)} time="0"'
    return f"{opened}>{''.join(parts)}</testcase>" if parts else f"{opened}/>"


def _told(diagnostic: Diagnostic) -> str:
    place = f" ({diagnostic.span})" if diagnostic.span else ""
    return f"{diagnostic.summary}{place}" + (f"\n{diagnostic.detail}" if diagnostic.detail else "")


def _quoted(text: str) -> str:
    return quoteattr(_permitted(safe(text)))


def _text(text: str) -> str:
    return escape(_permitted(safe_lines(text)))


def _permitted(text: str) -> str:
    """XML has no place for these two, not even escaped (XML 1.0, 2.2)."""
    return text.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
