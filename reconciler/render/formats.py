"""The formats a report comes in, by name. Each renderer is loaded only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reconciler.render.report import Report


def render_report(report: Report, form: str) -> str:
    """`form` is one of FORMATS."""
    return FORMATS[form](report)


def _text(report: Report) -> str:
    from reconciler.render.diagnostic_text import render_diagnostics
    from reconciler.render.page import Page
    from reconciler.render.plan_text import render_plan

    beside = render_diagnostics(report.diagnostics, Page())
    return "\n\n".join(part for part in (beside, render_plan(report.plan, Page()) if report.plan else "") if part)


def _json(report: Report) -> str:
    from json import dumps

    from reconciler.plan.wire import encode
    from reconciler.render.json import diagnostic_value

    if report.plan is not None:
        return dumps(encode(report.plan))
    return dumps({"format_version": "1.2", "errored": True, "diagnostics": [diagnostic_value(d) for d in report.told]})


def _markdown(report: Report) -> str:
    from reconciler.render.markdown import render_markdown

    return render_markdown(report)


def _html(report: Report) -> str:
    from reconciler.render.html import render_html

    return render_html(report)


def _sarif(report: Report) -> str:
    from reconciler.render.sarif import render_sarif

    return render_sarif(report)


def _junit(report: Report) -> str:
    from reconciler.render.junit import render_junit

    return render_junit(report)


def _code_quality(report: Report) -> str:
    from reconciler.render.gitlab import render_code_quality

    return render_code_quality(report)


def _terraform_report(report: Report) -> str:
    from reconciler.render.gitlab import render_terraform_report

    return render_terraform_report(report)


def _github(report: Report) -> str:
    from reconciler.render.github import render_annotations

    return render_annotations(report)


FORMATS: Mapping[str, Callable[[Report], str]] = {
    "text": _text,
    "json": _json,
    "markdown": _markdown,
    "html": _html,
    "sarif": _sarif,
    "junit": _junit,
    "gitlab-codequality": _code_quality,
    "gitlab-terraform": _terraform_report,
    "github": _github,
}
