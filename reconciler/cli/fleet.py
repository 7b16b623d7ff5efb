"""The drift of every workspace that a file lists."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from reconciler import pipeline
from reconciler.apply.clock import SystemClock
from reconciler.apply.event import Event
from reconciler.cli.console import Console
from reconciler.cli.files import read_bytes, write_file
from reconciler.config.files import SourceFile, named
from reconciler.config.fleet import WorkspaceSpec, read_fleet
from reconciler.drift import Report
from reconciler.fleet.sweep import code_of, part, shard_of, sweep
from reconciler.model.diagnostic import Diagnostic
from reconciler.plan.document import Plan
from reconciler.project import Project
from reconciler.render.fleet import fleet_value, render_fleet
from reconciler.render.prometheus import render_metrics


class FleetOptions(NamedTuple):
    """`workspaces` is the file that lists them."""

    workspaces: str
    shard: str
    parallel: int
    form: str
    prometheus: str | None
    unmanaged: bool


def inspect(console: Console, options: FleetOptions, environment: Mapping[str, str]) -> int:
    """Reports on all workspaces of the shard; the exit code is that of the worst."""
    shard = shard_of(options.shard)
    fleet = read_fleet(SourceFile(named(Path(options.workspaces)), read_bytes(options.workspaces)))
    chosen = part(fleet.workspaces, shard)
    root = Path(options.workspaces).parent

    def look(workspace: WorkspaceSpec) -> Report:
        own = {"RECONCILER_WORKSPACE": workspace.workspace} if workspace.workspace else {}
        project = Project(root / workspace.directory, workspace.variables, environment={**environment, **own})
        return pipeline.drift(project, _Silence(), options.unmanaged).report

    sightings = sweep(chosen, look, options.parallel)
    seen = {sighting.name: (sighting.report, sighting.diagnostics) for sighting in sightings}
    code = code_of(sightings)
    if options.form == "json":
        console.out.write(json.dumps(fleet_value(seen, code), ensure_ascii=False, indent=1))
    else:
        console.out.write(render_fleet(seen, console.out.page))
        for sighting in sightings:
            console.diagnose(sighting.diagnostics)
    if options.prometheus:
        metrics = render_metrics({name: report for name, (report, _) in seen.items()}, SystemClock().wall())
        write_file(Path(options.prometheus), metrics.encode())
    if fleet.notifications is not None:
        from reconciler.notices.announce import announce

        # The last of all, so that whoever can't be told hides nothing.
        console.diagnose(announce(fleet.notifications, root, sightings, SystemClock().wall()))
    return code


class _Silence:
    """Implements site.Audience for a run among many, whose warnings would be nobody's."""

    def diagnose(self, diagnostics: Iterable[Diagnostic]) -> None: ...

    def wait(self, doing: str, elapsed: float) -> None: ...

    def show(self, plan: Plan) -> None: ...

    def approve(self, plan: Plan) -> bool:
        return False

    def tell(self, event: Event) -> None: ...

    def interrupted(self, count: int) -> None: ...
