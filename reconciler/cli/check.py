"""`reconciler check [ADDRESS...]`"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from reconciler import gating
from reconciler.cli.console import Console, TextConsole
from reconciler.cli.files import directory, write_file
from reconciler.cli.options import AddressType, project_of, project_options, reporting, screen_options, switch
from reconciler.cli.report_console import folder_in_repository
from reconciler.gating import Inspected, Wanted
from reconciler.model.diagnostic import EXIT_CODES, Diagnostic, Refused, exit_code
from reconciler.render.checks_files import render_results_junit, render_results_sarif, results_value
from reconciler.render.checks_text import render_results
from reconciler.render.json import diagnostic_value


@click.command("check")
@click.argument("addresses", nargs=-1, type=AddressType(), metavar="[ADDRESS]...")
@switch("deep", "Make the checks too that are made only when asked for.")
@switch("strict", "Count warnings of checks that block as failures.")
@switch("mutating-probes", "Register a client, and delete it again, where registration is dynamic.")
@switch("json", "One JSON document for programs, instead of a table for people.")
@click.option("--junit", metavar="FILE", help="Write JUnit XML to FILE as well.")
@click.option("--sarif", metavar="FILE", help="Write SARIF to FILE as well.")
@project_options
@screen_options
@reporting
def command(console: Console, addresses: tuple[Any, ...], **flags: Any) -> int:
    """Probe MCP servers, authorization servers and client registrations, without a plan.

    Exits 0 if nothing stands in the way of an activation, and 16 otherwise. Nothing is changed. What is said of a
    resource that is not there yet takes for granted that apply makes it.
    """
    wanted = Wanted(addresses, flags["deep"], flags["strict"], flags["mutating_probes"])
    listener = _Listener(console)
    problems: tuple[Diagnostic, ...] = ()
    found: Inspected | None = None
    try:
        found = gating.check(project_of(flags), wanted, listener)
    except Refused as refused:
        problems = refused.diagnostics
        listener.diagnose(problems)
    if not isinstance(console, TextConsole):
        results = found.ruling.results if found else ()
        document = results_value(results, found.at if found else "")
        told = [diagnostic_value(diagnostic) for diagnostic in listener.told]
        ready = document["ready"] and found is not None
        console.out.write(json.dumps({**document, "ready": ready, "diagnostics": told}, ensure_ascii=False, indent=1))
    if found is None:
        return exit_code(problems) or 1
    if isinstance(console, TextConsole):
        console.out.write(render_results(found.by_address, console.out.page, every=bool(addresses)))
    _write_files(found, flags)
    return 0 if found.ruling.is_ready else EXIT_CODES["gate"]


class _Listener:
    """People are told at once, programs in the one document."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.told: list[Diagnostic] = []

    def diagnose(self, diagnostics: Iterable[Diagnostic]) -> None:
        given = tuple(diagnostics)
        self.told += given
        if isinstance(self._console, TextConsole):
            self._console.diagnose(given)

    def wait(self, doing: str, elapsed: float) -> None:
        self._console.wait(doing, elapsed)


def _write_files(found: Inspected, flags: dict[str, Any]) -> None:
    results = found.ruling.results
    if flags["junit"]:
        write_file(Path(flags["junit"]), render_results_junit(results).encode() + b"\n")
    if flags["sarif"]:
        folder = folder_in_repository(directory())
        write_file(Path(flags["sarif"]), render_results_sarif(results, found.resources, folder).encode() + b"\n")
