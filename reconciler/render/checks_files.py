"""What checks found, for machines: one JSON document, JUnit XML, SARIF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.model.address import Address
from reconciler.model.resource import Resource
from reconciler.readiness.gate import CheckResult, Verdict
from reconciler.readiness.ruling import encode_result
from reconciler.render.junit import Case, render_cases
from reconciler.render.page import safe
from reconciler.render.report import LEVELS, Finding, Report
from reconciler.render.sarif import render_findings


def results_value(results: Iterable[CheckResult], at: str) -> dict[str, Any]:
    """`format_version` counts changes of this form; `at` is ISO 8601, UTC."""
    listed = list(results)
    return {
        "format_version": "1.0",
        "timestamp": at,
        "ready": not any(result.is_shut for result in listed),
        "results": [{**encode_result(result), "shut": result.is_shut} for result in listed],
    }


def render_results_junit(results: Iterable[CheckResult]) -> str:
    """A test case for each check: what keeps a gate shut failed, what doesn't apply was skipped."""
    return render_cases([_case(result) for result in results])


def _case(result: CheckResult) -> Case:
    told = f"{result.evidence}\n{result.remedy}".strip()
    failure = (f"{result.verdict}", result.evidence, told) if result.is_shut else None
    is_told = result.verdict not in (Verdict.PASS, Verdict.SKIP) and not result.is_shut
    skipped = result.evidence if result.verdict is Verdict.SKIP else None
    return Case(safe(result.address), result.check, failure, f"{result.verdict}: {told}" if is_told else "", skipped)


def render_results_sarif(
    results: Iterable[CheckResult], resources: Mapping[Address, Resource], folder: str = ""
) -> str:
    """What is worth a look, at the place where its resource is declared; `folder` is that of the configuration in its
    repository."""
    found = [_finding(r, resources.get(r.address)) for r in results if r.verdict not in (Verdict.PASS, Verdict.SKIP)]
    ranked = sorted(found, key=lambda finding: LEVELS.index(finding.level))
    return render_findings(ranked, Report(folder=folder), successful=True)


def _finding(result: CheckResult, resource: Resource | None) -> Finding:
    level = "error" if result.is_shut else "warning" if result.blocking else "note"
    summary = f"{result.address}: {result.evidence}"
    return Finding(level, result.check, summary, result.remedy, resource.span if resource else None, result.address)
