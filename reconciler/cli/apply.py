"""`reconciler apply [PLANFILE]`"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from reconciler import pipeline
from reconciler.apply.event import Outcome
from reconciler.apply.undertaking import Applied
from reconciler.cli.console import Console
from reconciler.cli.files import read_bytes
from reconciler.cli.options import (
    json_option,
    lock_options,
    project_of,
    project_options,
    reporting,
    screen_options,
    switch,
)
from reconciler.cli.planning import plan_options, refuse_beside_plan, request_of
from reconciler.model.diagnostic import Diagnostic, exit_code
from reconciler.pipeline import Result
from reconciler.plan_files import read_plan
from reconciler.render.summary import Counts, count

INTERRUPTED, PARTIAL = 130, 15


@click.command("apply")
@click.argument("planfile", required=False)
@switch("auto-approve", "Don't ask for approval.")
@json_option
@plan_options
@project_options
@lock_options
@screen_options
@reporting
def command(console: Console, planfile: str | None, **flags: Any) -> int:
    """Make the live system match the configuration.

    With PLANFILE, perform exactly the plan saved there; nothing is asked then.
    """
    if planfile is None:
        return perform(console, flags, None)
    refuse_beside_plan(flags)
    project = project_of(flags)
    saved = read_plan(project, read_bytes(planfile), planfile)
    return report(console, pipeline.apply_saved(project, saved, request_of(flags), console))


def perform(console: Console, flags: dict[str, Any], operation: str | None) -> int:
    console.approved, console.may_ask = flags["auto_approve"], flags["input"] and console.may_ask
    console.require_answers()
    return report(console, pipeline.apply(project_of(flags), request_of(flags, operation), console))


def report(console: Console, result: Result) -> int:
    """Tells how it ended; the exit code."""
    if not result.approved:
        console.note("Apply cancelled.")
        return 1
    operation, applied = result.plan.basis.operation, result.applied
    if applied is None:
        if code := exit_code(result.plan.diagnostics):
            return code
        console.conclude(Counts(), operation)
        return _success_code(console, result)
    counts = Counts(applied.added, applied.changed, applied.destroyed, applied.imported)
    if applied.is_whole:
        counts = replace(counts, forget=count(result.plan.changes).forget)
        console.diagnose(applied.diagnostics)
        console.conclude(counts, operation)
        return _success_code(console, result)
    console.account(result.plan, applied.outcomes, counts)
    console.diagnose(applied.diagnostics)
    return INTERRUPTED if applied.interrupted else _failure_code(applied)


def _success_code(console: Console, result: Result) -> int:
    """What is done is done; but whoever watches only the code must learn that the rest waits for an answer."""
    if not result.plan.is_held_up:
        return 0
    console.note("What only you can settle is left out: see `reconciler resolve` above, then run apply again.")
    return PARTIAL


def _failure_code(applied: Applied) -> int:
    """Partial and resumable, unless only gates stood in the way or nothing was done for a reason with a code."""
    errors: list[Diagnostic] = [d for d in applied.diagnostics if d.is_error and d.code != "apply.partial"]
    if errors and all(diagnostic.code.startswith("gate.") for diagnostic in errors):
        return exit_code(errors)
    return PARTIAL if Outcome.DONE in applied.outcomes.values() else exit_code(applied.diagnostics)
