"""A run that a program reads along: the event stream, one JSON object a line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from json import dumps

from reconciler import __version__
from reconciler.apply.clock import SystemClock
from reconciler.apply.event import Event, Outcome
from reconciler.cli.console import Console
from reconciler.cli.screen import Screen
from reconciler.model.diagnostic import Diagnostic
from reconciler.plan.document import Plan
from reconciler.render import json as lines
from reconciler.render.summary import Counts, count


class JsonConsole(Console):
    """Nothing else is written to standard output."""

    def __init__(self, out: Screen, err: Screen) -> None:
        super().__init__(out, err)
        self._clock = SystemClock()
        self._begun = False
        self.may_ask = False

    def diagnose(self, diagnostics: Iterable[Diagnostic]) -> None:
        for diagnostic in diagnostics:
            self._put(lines.diagnostic_line(diagnostic, self._clock.wall()))

    def wait(self, doing: str, elapsed: float) -> None:
        pass

    def show(self, plan: Plan) -> None:
        now = self._clock.wall()
        for change in plan.drift:
            self._put(lines.change_line(change, now, drift=True))
        for change in plan.changes:
            if change.action.value != "none" or change.moved_from or change.importing:
                self._put(lines.change_line(change, now))
        self._put(lines.summary_line(count(plan.changes), "plan", now))
        self.diagnose(plan.diagnostics)

    def tell(self, event: Event) -> None:
        self._put(lines.event_line(event, self._clock.wall()))

    def interrupted(self, count: int) -> None:
        pass

    def conclude(self, counts: Counts, operation: str) -> None:
        named = "destroy" if operation == "destroy" else "apply"
        self._put(lines.summary_line(counts, named, self._clock.wall(), applied=True))

    def account(self, plan: Plan, outcomes: Mapping[str, Outcome], counts: Counts) -> None:
        self.conclude(counts, plan.basis.operation)

    def note(self, text: str) -> None:
        pass

    def _put(self, line: lines.Line) -> None:
        if not self._begun:
            self._begun = True
            self._put(lines.version_line(__version__, self._clock.wall()))
        self.out.write(dumps(line))
