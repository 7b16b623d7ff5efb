"""`reconciler drift`"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from reconciler import pipeline
from reconciler.apply.clock import SystemClock
from reconciler.cli.console import Console
from reconciler.cli.files import program, write_file
from reconciler.cli.options import OneOf, Whole, project_of, project_options, reporting, screen_options, switch
from reconciler.cli.report_console import folder_in_repository
from reconciler.config.configuration import Configuration
from reconciler.config.files import SourceFile, read_directory
from reconciler.model.diagnostic import Diagnostic, Refused, exit_code
from reconciler.pipeline import Inspection
from reconciler.plan_files import written_plan
from reconciler.project import Project, interpret
from reconciler.render.drift_json import drift_value
from reconciler.render.drift_text import render_drift
from reconciler.render.formats import FORMATS, render_report
from reconciler.render.page import listing
from reconciler.render.prometheus import render_metrics
from reconciler.render.report import Report


@click.command("drift")
@click.option("--out", metavar="FILE", help="Save the plan that restores what is desired.")
@switch("accept", "Write what is there into the configuration, in the place of what is desired.")
@switch("unmanaged", "Count every object that was not made from here as drift.")
@click.option(
    "--format",
    "form",
    type=OneOf([form for form in FORMATS if form != "gitlab-terraform"]),
    help="How to report; text if omitted.",
)
@switch("json", "The same as --format json.", parameter="as_json")
@click.option("--workspaces", metavar="FILE", help="Look at every workspace that FILE lists, instead of this one.")
@click.option("--shard", metavar="I/N", help="Only the I-th of N parts of those workspaces.")
@click.option(
    "--parallel", type=Whole(1, 64), default=4, show_default=True, metavar="NUMBER", help="Workspaces at a time."
)
@click.option("--prometheus", metavar="FILE", help="Write metrics to FILE as well, for a textfile collector.")
@project_options
@screen_options
@reporting
def command(console: Console, form: str | None, prometheus: str | None, workspaces: str | None, **flags: Any) -> int:
    """Show what no longer agrees with what was recorded.

    Exits 0 without drift and 2 with some. Nothing is ever written to the live system, nor to the state.
    """
    if flags["as_json"] and form not in (None, "json"):
        raise click.UsageError("-json and -format exclude each other.")
    form = "json" if flags["as_json"] else form or "text"
    if workspaces is not None:
        return _inspect_fleet(console, workspaces, form, prometheus, flags)
    if flags["shard"] is not None:
        raise click.UsageError("-shard is a part of many workspaces: give -workspaces as well.")
    seen: Inspection | None = None
    problems: tuple[Diagnostic, ...] = ()
    told: list[str] = []
    project = project_of(flags)
    try:
        seen = pipeline.drift(project, console, flags["unmanaged"], restore=bool(flags["out"]))
        if flags["out"]:
            told.append(_save_way_back(project, seen, flags["out"]))
        if flags["accept"]:
            told.append(_accept(console, project, seen))
    except Refused as refused:
        problems = refused.diagnostics
    report = seen.report if seen else None
    value = drift_value(report, problems)
    if form == "json":
        console.out.write(json.dumps(value, ensure_ascii=False, indent=1))
    elif form == "text":
        if report is not None:
            console.out.write(render_drift(report, console.out.page))
        console.diagnose(dict.fromkeys(problems))
        console.note("\n".join(f"\n{line}" for line in told))
    else:
        console.out.write(_rendered(project, seen, problems, form).removesuffix("\n"))
    if prometheus:
        metrics = render_metrics({report.workspace if report else "": report}, SystemClock().wall())
        write_file(Path(prometheus), metrics.encode())
    code: int = value["summary"]["exit_code"]
    return code


def _rendered(project: Project, seen: Inspection | None, problems: tuple[Diagnostic, ...], form: str) -> str:
    spans = {a: r.span for a, r in seen.configuration.resources.items() if r.span} if seen else {}
    folder = folder_in_repository(project.directory)
    return render_report(Report(None, problems, folder, seen.report if seen else None, spans), form)


def _inspect_fleet(
    console: Console, workspaces: str, form: str, prometheus: str | None, flags: Mapping[str, Any]
) -> int:
    from reconciler.cli.fleet import FleetOptions, inspect

    single = {"out": "-out", "accept": "-accept", "variables": "-var", "variable_files": "-var-file"}
    for name, option in single.items():
        if flags[name]:
            raise click.UsageError(f"{option} is for one workspace; -workspaces looks at many.")
    if form not in ("text", "json"):
        raise click.UsageError(f"-format {form} is for one workspace; with -workspaces there are text and json.")
    options = FleetOptions(workspaces, flags["shard"] or "1/1", flags["parallel"], form, prometheus, flags["unmanaged"])
    return inspect(console, options, os.environ)


def _save_way_back(project: Project, seen: Inspection, name: str) -> str:
    plan = seen.way_back
    assert plan is not None
    if exit_code(plan.diagnostics):
        raise Refused(plan.diagnostics)
    write_file(Path(name), written_plan(project, plan))
    return f"Saved the way back to {name}. To restore what is desired:\n    {program()} apply {name}"


def _accept(console: Console, project: Project, seen: Inspection) -> str:
    from reconciler.acceptance import Case, Texts, accept

    def interpreted(texts: Texts) -> Configuration:
        return interpret(project, tuple(SourceFile(name, text.encode()) for name, text in texts.items()))

    texts = {file.name: file.data.decode() for file in read_directory(project.directory)}
    found = accept(texts, seen.report.findings, Case(seen.snapshot, seen.observed, interpreted))
    console.diagnose(found.diagnostics)
    if not found.accepted:
        return "Nothing was accepted; the configuration stays as it is."
    for name, text in found.texts.items():
        if text != texts[name]:
            write_file(project.directory / name, text.encode())
    advice = f"To record it as well:\n    {program()} apply -refresh-only"
    return f"Accepted into the configuration: {listing(found.accepted)}. {advice}"
