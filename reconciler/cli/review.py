"""`reconciler review [PLANFILE]`"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.files import directory, read_bytes
from reconciler.cli.options import lock_options, project_of, project_options, reporting, screen_options
from reconciler.cli.planning import request_of
from reconciler.cli.report_console import folder_in_repository
from reconciler.model.diagnostic import Refused, error, exit_code
from reconciler.plan.document import Plan
from reconciler.plan_files import shown_plan
from reconciler.render.markdown import GITHUB_LIMIT, GITLAB_LIMIT, SUMMARY_LIMIT, render_markdown, verdict
from reconciler.render.report import Report
from reconciler.review.comparison import Sides, compare_sides
from reconciler.review.forge import Forge, Message, find_forge, marker_of


@click.command("review")
@click.argument("planfile", required=False)
@click.option("--base", metavar="REV", help="Compare with this revision or directory, offline, instead of planning.")
@click.option("--token", metavar="SOURCE:NAME", help="Where the token is: env:GITHUB_TOKEN, file:PATH.")
@click.option("--dry-run/--no-dry-run", default=None, help="Show what would be posted; so outside of CI.")
@project_options
@lock_options
@screen_options
@reporting
def command(console: Console, planfile: str | None, **flags: Any) -> int:
    """Post what would change to the pull request or merge request of this CI run.

    There is one comment for each configuration and workspace, edited in place, and a status at the commit. What would
    change is read from PLANFILE, or compared with -base, or planned.
    """
    report = _report(console, planfile, flags)
    forge = find_forge(os.environ)
    if forge is not None and forge.sort == "github":
        _summarise(report, os.environ.get("GITHUB_STEP_SUMMARY"))
    message = _message(report, forge)
    if flags["dry_run"] or forge is None or (flags["dry_run"] is None and os.environ.get("CI") != "true"):
        _show(console, forge, message)
    else:
        _post(forge, message, flags["token"])
    console.diagnose(report.told)
    return exit_code(report.told)


def _report(console: Console, planfile: str | None, flags: Mapping[str, Any]) -> Report:
    """What can't be planned is what the reviewers have to be told, so that is a report too."""
    folder = folder_in_repository(directory())
    try:
        return Report(_plan(console, planfile, flags), folder=folder)
    except Refused as refused:
        return Report(None, refused.diagnostics, folder)


def _plan(console: Console, planfile: str | None, flags: Mapping[str, Any]) -> Plan:
    if planfile and flags["base"]:
        raise click.UsageError("PLANFILE and -base exclude each other.")
    if planfile:
        return shown_plan(project_of(flags), read_bytes(planfile), planfile)
    request = request_of(flags)
    if flags["base"]:
        return compare_sides(project_of(flags), Sides(flags["base"]), request.options)
    return pipeline.plan(project_of(flags), request, console)


def _message(report: Report, forge: Forge | None) -> Message:
    planned = report.plan.basis.workspace if report.plan else ""
    workspace = planned or os.environ.get("RECONCILER_WORKSPACE") or "default"
    marker = marker_of(report.folder, workspace)
    limit = GITLAB_LIMIT if forge and forge.sort == "gitlab" else GITHUB_LIMIT
    body = f"{marker}\n{render_markdown(report, limit - len(marker) - 1)}"
    context = " ".join(["reconciler", *filter(None, (report.folder, workspace if workspace != "default" else ""))])
    return Message(marker, body.rstrip("\n"), context, not report.errors, verdict(report))


def _show(console: Console, forge: Forge | None, message: Message) -> None:
    if forge is None:
        console.out.write(message.body)
        return
    from reconciler.review.post import requests_for

    for request in requests_for(forge, message):
        console.out.write(f"{request.method} {forge.api}{request.path}\n{json.dumps(request.body, indent=2)}")


def _post(forge: Forge, message: Message, source: str | None) -> None:
    from reconciler.review.client import ForgeClient
    from reconciler.review.post import headers_for, post
    from reconciler.secrets.reader import SecretReader

    kind, colon, name = (source or "").partition(":")
    if source and not (colon and name and kind in ("env", "file")):
        raise Refused([error("usage.token", "-token takes env:NAME or file:PATH", "Never the token itself.")])
    token = SecretReader(Path())({kind: name} if source else dict(forge.token))
    with closing(ForgeClient(forge.api, headers_for(forge.sort, token), time.sleep, time.time)) as client:
        post(client, forge, message)


def _summarise(report: Report, path: str | None) -> None:
    """The job's summary is a file that GitHub's runner shows; what several steps append is one page."""
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(render_markdown(report, SUMMARY_LIMIT // 4) + "\n")
    except OSError as problem:
        raise Refused([error("review.summary", f"{path} can't be written: {problem.strerror}")]) from None
