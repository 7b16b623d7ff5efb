"""A report as SARIF 2.1.0 (OASIS), for code scanning: diagnostics, what will be destroyed, and drift."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from reconciler import __version__
from reconciler.model.diagnostic import Span
from reconciler.render.page import safe, safe_lines
from reconciler.render.report import Finding, Report, findings

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_DEFAULT_FILE = "reconciler.yaml"
"""What a finding without a place is pinned to: GitHub drops results without a location."""


def render_sarif(report: Report) -> str:
    return render_findings(findings(report), report, successful=report.is_whole)


def render_findings(found: Sequence[Finding], report: Report, *, successful: bool) -> str:
    """`report` says where the configuration is in its repository; `successful`, whether it could be looked at."""
    rules = sorted({safe(finding.rule) for finding in found})
    driver = {
        "name": "reconciler",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [{"id": rule, "name": _pascal(rule)} for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [{"executionSuccessful": successful}],
        "results": [_result(finding, rules, report) for finding in found],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def fingerprint(finding: Finding) -> str:
    """The same finding has the same one when lines move, and no other finding has it."""
    told = json.dumps([finding.rule, finding.address, finding.summary, finding.span.file if finding.span else None])
    return hashlib.sha256(told.encode()).hexdigest()


def _result(finding: Finding, rules: Sequence[str], report: Report) -> dict[str, Any]:
    text = safe(finding.summary) + (f"\n{safe_lines(finding.detail)}" if finding.detail else "")
    return {
        "ruleId": safe(finding.rule),
        "ruleIndex": rules.index(safe(finding.rule)),
        "level": finding.level,
        "message": {"text": _literal(text)},
        "locations": [_location(finding, report)],
        "partialFingerprints": {"reconciler/v1": fingerprint(finding)},
    }


def _location(finding: Finding, report: Report) -> dict[str, Any]:
    span = finding.span
    file = report.path(span) if span else f"{report.folder}/{_DEFAULT_FILE}" if report.folder else _DEFAULT_FILE
    physical = {"artifactLocation": {"uri": quote(safe(file).lstrip("/"))}, "region": _region(span)}
    location: dict[str, Any] = {"physicalLocation": physical}
    if finding.address:
        location["logicalLocations"] = [{"fullyQualifiedName": safe(finding.address), "kind": "resource"}]
    return location


def _region(span: Span | None) -> dict[str, int]:
    if span is None:
        return {"startLine": 1}
    ends = {"endLine": max(span.line, span.end_line), "endColumn": max(span.end_column, 1)}
    return {"startLine": span.line, "startColumn": span.column, **ends}


def _literal(text: str) -> str:
    """Brackets make links and braces placeholders of message text (SARIF 2.1.0, 3.11.5 and 3.11.6)."""
    for mark in ("\\", "[", "]"):
        text = text.replace(mark, f"\\{mark}")
    return text.replace("{", "{{").replace("}", "}}")


def _pascal(rule: str) -> str:
    return "".join(part.capitalize() for part in rule.replace("-", ".").split("."))
