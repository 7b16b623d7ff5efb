"""`reconciler drift`"""

from __future__ import annotations

import json
from typing import Any

import click

from reconciler import pipeline
from reconciler.apply.clock import SystemClock
from reconciler.cli.console import Console
from reconciler.cli.files import path_of, write_file
from reconciler.cli.options import project_of, project_options, reporting, screen_options, switch
from reconciler.model.diagnostic import Diagnostic, Refused, exit_code
from reconciler.pipeline import Inspection
from reconciler.plan_files import written_plan
from reconciler.render.drift_json import drift_value
from reconciler.render.drift_text import render_drift
from reconciler.render.prometheus import render_metrics


@click.command("drift")
@click.option("--out", metavar="FILE", help="Save the plan that restores what is desired.")
@switch("unmanaged", "Count every object that was not made from here as drift.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to report."
)
@click.option("--json", "form", flag_value="json", help="The same as --format json.")
@click.option("--prometheus", metavar="FILE", help="Write metrics to FILE as well, for a textfile collector.")
@project_options
@screen_options
@reporting
def command(console: Console, form: str, prometheus: str | None, **flags: Any) -> int:
    """Show what no longer agrees with what was recorded.

    Exits 0 without drift and 2 with some. Nothing is ever written, neither to the live system nor to the state.
    """
    seen: Inspection | None = None
    problems: tuple[Diagnostic, ...] = ()
    try:
        seen = pipeline.drift(project_of(flags), console, flags["unmanaged"], restore=bool(flags["out"]))
        if flags["out"]:
            _save_way_back(seen, flags)
    except Refused as refused:
        problems = refused.diagnostics
    report = seen.report if seen else None
    value = drift_value(report, problems)
    if form == "json":
        console.out.write(json.dumps(value, ensure_ascii=False, indent=1))
    else:
        if report is not None:
            console.out.write(render_drift(report, console.out.page))
        console.diagnose(dict.fromkeys(problems))
    if prometheus:
        name = report.workspace if report else ""
        metrics = render_metrics({name: report}, SystemClock().wall())
        write_file(path_of(prometheus), metrics.encode())
    code: int = value["summary"]["exit_code"]
    return code


def _save_way_back(seen: Inspection, flags: dict[str, Any]) -> None:
    plan = seen.way_back
    assert plan is not None
    if exit_code(plan.diagnostics):
        raise Refused(plan.diagnostics)
    write_file(path_of(flags["out"]), written_plan(project_of(flags), plan))
