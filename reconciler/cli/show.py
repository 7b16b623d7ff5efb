"""`reconciler show [PLANFILE]`"""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console, TextConsole
from reconciler.cli.files import program, read_bytes
from reconciler.cli.options import format_option, json_option, project_of, project_options, reporting, screen_options
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.render.state_json import state_value
from reconciler.render.state_text import render_snapshot


@click.command("show")
@click.argument("planfile", required=False)
@format_option
@json_option
@project_options
@screen_options
@reporting
def command(console: Console, planfile: str | None, **flags: Any) -> int:
    """Show what is recorded in the state, or the plan saved in PLANFILE."""
    if planfile is not None:
        return _show_plan(console, planfile, flags)
    snapshot = pipeline.recorded(project_of(flags))
    if isinstance(console, TextConsole):
        console.note(render_snapshot(snapshot, console.out.page))
    else:
        console.out.write(json.dumps(state_value(snapshot), ensure_ascii=False))
    return 0


def _show_plan(console: Console, planfile: str, flags: dict[str, Any]) -> int:
    from reconciler.plan.wire import encode
    from reconciler.plan_files import shown_plan

    try:
        data = read_bytes(planfile)
    except Refused as refused:
        raise Refused(replace(each, detail=_if_address(planfile)) for each in refused.diagnostics) from None
    saved = shown_plan(project_of(flags), data, planfile)
    if isinstance(console, TextConsole):
        console.show(saved)
    else:
        console.out.write(json.dumps(encode(saved), ensure_ascii=False))
    return 0


def _if_address(planfile: str) -> str:
    address = Address(planfile)
    if not address.segments or address.kind not in kinds():
        return ""
    return f"`{program()} state show {shlex.quote(planfile)}` shows what is recorded of a resource."
