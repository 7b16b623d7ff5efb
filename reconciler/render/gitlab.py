"""A report as GitLab's widgets read it: code quality findings, and the numbers of a Terraform plan."""

from __future__ import annotations

import json

from reconciler.render.page import safe
from reconciler.render.report import Report, findings
from reconciler.render.sarif import fingerprint
from reconciler.render.summary import count

_SEVERITIES = {"error": "blocker", "warning": "major", "note": "info"}
_DEFAULT_FILE = "reconciler.yaml"
_MOST = 999_999
"""GitLab takes no greater number."""


def render_code_quality(report: Report) -> str:
    """`artifacts:reports:codequality`: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format"""
    found = [
        {
            "description": safe(f"{finding.summary}. {finding.detail}" if finding.detail else finding.summary),
            "check_name": safe(finding.rule),
            "fingerprint": fingerprint(finding),
            "severity": _SEVERITIES[finding.level],
            "location": {
                "path": safe(report.path(finding.span)) if finding.span else _default(report),
                "lines": {"begin": finding.span.line if finding.span else 1},
            },
        }
        for finding in findings(report)
    ]
    return json.dumps(list({one["fingerprint"]: one for one in found}.values()), indent=2)


def render_terraform_report(report: Report) -> str:
    """`artifacts:reports:terraform`: https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsterraform"""
    counts = count(report.plan.changes if report.plan else ())
    numbers = {"create": counts.add, "update": counts.change + counts.imported, "delete": counts.destroy}
    return json.dumps({name: min(number, _MOST) for name, number in numbers.items()})


def _default(report: Report) -> str:
    return f"{report.folder}/{_DEFAULT_FILE}" if report.folder else _DEFAULT_FILE
