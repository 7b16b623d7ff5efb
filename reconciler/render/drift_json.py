"""A drift report as one JSON document, for programs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.diff import ABSENT, Difference
from reconciler.drift import Finding, Report
from reconciler.model.diagnostic import Diagnostic, exit_code
from reconciler.render.json import diagnostic_value

DRIFTED = 2
"""The exit code that says so."""


def drift_value(report: Report | None, diagnostics: Iterable[Diagnostic] = ()) -> dict[str, Any]:
    """The document. Without a report the diagnostics say why there is none.

    `summary.exit_code` is what the program exits with: 0 without drift, 2 with some, else that of the first error.
    """
    told = list(diagnostics)
    code = exit_code(told) or (1 if report is None else 0)
    found = report.drift if report else ()
    status = "error" if code else "drift" if found else "clean"
    about = {"workspace": report.workspace, "provider": report.provider, "at": report.at} if report else {}
    return {
        "format_version": "1.0",
        **about,
        "summary": {
            "status": status,
            "exit_code": code or (DRIFTED if found else 0),
            "checked": report.checked if report else 0,
            "drift": len(found),
            "counts": {str(sort): number for sort, number in report.counts.items()} if report else {},
        },
        "findings": [finding_value(finding) for finding in report.findings] if report else [],
        "diagnostics": [diagnostic_value(diagnostic) for diagnostic in told],
    }


def finding_value(finding: Finding) -> dict[str, Any]:
    by = finding.attribution
    optional = {
        "address": finding.address and str(finding.address),
        "parent": finding.parent and str(finding.parent),
        "name": finding.name,
        "differences": [_difference(difference) for difference in finding.differences],
        "status_before": finding.status_before and str(finding.status_before),
        "status_after": finding.status_after and str(finding.status_after),
        "reason": finding.reason,
        "excused": finding.excused,
    }
    return {
        "class": str(finding.sort),
        "kind": finding.kind,
        "id": finding.id,
        "is_drift": finding.is_drift,
        **{name: value for name, value in optional.items() if value},
        "attribution": {
            "confidence": by.confidence,
            **({"who": by.who, "client": by.client, "at": by.at, "event": by.event} if by.who else {}),
        },
    }


def _difference(difference: Difference) -> dict[str, Any]:
    sides = {"before": difference.before, "after": difference.after}
    return {"path": list(difference.path), **{side: v for side, v in sides.items() if v is not ABSENT}}
