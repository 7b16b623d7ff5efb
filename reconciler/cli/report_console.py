"""A run that ends in one report of a given format on standard output, also when it is refused."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from reconciler.cli.console import TextConsole
from reconciler.cli.files import directory
from reconciler.cli.screen import Screen
from reconciler.model.diagnostic import Diagnostic
from reconciler.plan.document import Plan
from reconciler.render.formats import render_report
from reconciler.render.report import Report


class ReportConsole(TextConsole):
    """People read along on standard error."""

    def __init__(self, out: Screen, err: Screen, compact_warnings: bool, form: str) -> None:
        super().__init__(out, err, compact_warnings)
        self.may_ask = False
        self._form = form
        self._plan: Plan | None = None
        self._told: list[Diagnostic] = []

    def diagnose(self, diagnostics: Iterable[Diagnostic]) -> None:
        given = tuple(diagnostics)
        self._told += given
        super().diagnose(given)

    def show(self, plan: Plan) -> None:
        self._plan = plan

    def note(self, text: str) -> None:
        pass

    def closing(self, code: int) -> int:
        report = Report(self._plan, tuple(self._told), folder_in_repository(directory()))
        if text := render_report(report, self._form):
            self.out.write(text.removesuffix("\n"))
        return super().closing(code)


def folder_in_repository(directory: Path) -> str:
    """Where `directory` is, seen from the top of its git repository; empty if it is the top, or in none."""
    place = directory.resolve()
    for above in (place, *place.parents):
        if (above / ".git").exists():
            return "" if above == place else place.relative_to(above).as_posix()
    return ""
