"""A report as JUnit XML: one test case a resource of the plan, failed by the errors about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

from reconciler.model.diagnostic import Diagnostic
from reconciler.render.diff_lines import diff_lines
from reconciler.render.drift_words import finding_lines, sentence, subject
from reconciler.render.page import safe, safe_lines
from reconciler.render.report import Report

_REST = "configuration"
"""The class of the cases that no resource of the plan stands for."""


class Case(NamedTuple):
    """A test case: `failure` is its type, message and text; `out` is what else there is to say."""

    of: str
    name: str
    failure: tuple[str, str, str] | None = None
    out: str = ""
    skipped: str | None = None


def render_junit(report: Report) -> str:
    cases: list[Case] = []
    accounted: set[Diagnostic] = set()
    for change in report.changes:
        about = [diagnostic for diagnostic in report.told if diagnostic.address == change.address]
        accounted.update(about)
        cases.append(_case(change.kind, change.address, about, "\n".join(diff_lines(change))))
    rest = [diagnostic for diagnostic in report.told if diagnostic not in accounted]
    for diagnostic in rest:
        cases.append(_case(_REST, f"{diagnostic.address or diagnostic.code}: {diagnostic.summary}", [diagnostic]))
    cases += _drifted(report)
    return render_cases(cases or [Case(_REST, "nothing to change" if report.drift is None else "no drift")])


def render_cases(cases: Sequence[Case]) -> str:
    failed = sum(case.failure is not None for case in cases)
    skipped = sum(case.skipped is not None for case in cases)
    counts = f'tests="{len(cases)}" failures="{failed}" errors="0" skipped="{skipped}"'
    suite = f'<testsuite name="reconciler" {counts} time="0">'
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    return "\n".join([head, "<testsuites>", suite, *map(_element, cases), "</testsuite>", "</testsuites>"])


def _drifted(report: Report) -> list[Case]:
    return [
        Case(f.kind, subject(f), (f"drift.{f.sort}", f"{subject(f)} {sentence([f])}", "\n".join(finding_lines(f))))
        for f in (report.drift.drift if report.drift else ())
    ]


def _case(kind: str, name: str, about: Sequence[Diagnostic], out: str = "") -> Case:
    errors = [diagnostic for diagnostic in about if diagnostic.is_error]
    # One failure a case is all that some readers have room for.
    failure = (errors[0].code, errors[0].summary, "\n".join(map(_told, errors))) if errors else None
    told = "\n".join([out, *(_told(d) for d in about if not d.is_error)]).strip("\n")
    return Case(kind, name, failure, told)


def _element(case: Case) -> str:
    parts = []
    if case.skipped is not None:
        parts.append(f"<skipped message={_quoted(case.skipped)}/>")
    if case.failure is not None:
        code, summary, text = case.failure
        parts.append(f"<failure type={_quoted(code)} message={_quoted(summary)}>{_text(text)}</failure>")
    if case.out:
        parts.append(f"<system-out>{_text(case.out)}</system-out>")
    opened = f'<testcase classname={_quoted(case.of)} name={_quoted(case.name)} time="0"'
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
