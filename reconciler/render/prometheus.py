"""Drift as metrics: a file for node_exporter's textfile collector (Prometheus text exposition format 0.0.4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from reconciler.drift import Report

_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


def render_metrics(reports: Mapping[str, Report | None], at: str) -> str:
    """`reports` by workspace, None where there could be none; `at` is when that was tried (ISO 8601)."""
    by_class, checked = [], []
    for workspace, report in reports.items():
        name = workspace.translate(_ESCAPES)
        if report is not None:
            by_class += [f'{{workspace="{name}",class="{sort}"}} {n}' for sort, n in report.counts.items()]
            checked.append(f'{{workspace="{name}"}} {report.checked}')
    tried = [
        (f'{{workspace="{workspace.translate(_ESCAPES)}"}}', report is not None)
        for workspace, report in reports.items()
    ]
    moment = datetime.fromisoformat(at).timestamp()
    return "".join(
        [
            _family("reconciler_drift", "Disagreements between what is there and what was recorded.", by_class),
            _family("reconciler_drift_checked", "Recorded resources that were compared.", checked),
            _family("reconciler_drift_success", "1 if the last run could compare.", [f"{w} {ok:d}" for w, ok in tried]),
            _family("reconciler_drift_last_run_seconds", "When that was.", [f"{w} {moment:.0f}" for w, _ in tried]),
        ]
    )


def _family(name: str, told: str, samples: Iterable[str]) -> str:
    lines = [f"# HELP {name} {told}", f"# TYPE {name} gauge", *(f"{name}{sample}" for sample in samples)]
    return "\n".join(lines) + "\n"
