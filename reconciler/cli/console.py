"""Who listens to a run, and the people at a terminal.

What a plan or an apply is shown with is loaded when there is one to show: most verbs have none.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, TextIO

from reconciler.cli.screen import Screen
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.render.diagnostic_text import render_diagnostics

if TYPE_CHECKING:
    from reconciler.apply.event import Event, Outcome
    from reconciler.plan.document import Plan
    from reconciler.render.summary import Counts


class Console(ABC):
    """What a run has to say, and whom it asks. Implements `site.Audience`."""

    def __init__(self, out: Screen, err: Screen) -> None:
        self.out = out
        self.err = err
        self.approved = False
        """Whether approval was given beforehand (-auto-approve)."""
        self.may_ask = True

    @abstractmethod
    def diagnose(self, diagnostics: Iterable[Diagnostic]) -> None: ...

    @abstractmethod
    def wait(self, doing: str, elapsed: float) -> None:
        """Something that makes no events has been going on for `elapsed` seconds."""

    @abstractmethod
    def show(self, plan: Plan) -> None: ...

    @abstractmethod
    def tell(self, event: Event) -> None: ...

    @abstractmethod
    def interrupted(self, count: int) -> None: ...

    @abstractmethod
    def conclude(self, counts: Counts, operation: str) -> None:
        """The apply is over and all of it was done."""

    @abstractmethod
    def account(self, plan: Plan, outcomes: Mapping[str, Outcome], counts: Counts) -> None:
        """The apply is over and not all of it was done."""

    @abstractmethod
    def note(self, text: str) -> None:
        """Advice to people; programs don't get it."""

    def require_answers(self) -> None:
        """Refuses at the start of a run a question that nobody could answer at its end."""
        if not self.approved and not (self.may_ask and _is_terminal(sys.stdin)):
            raise Refused([_UNANSWERED])

    def approve(self, plan: Plan) -> bool:
        return self.approved or self._ask(plan)

    def _ask(self, plan: Plan) -> bool:
        return False

    def closing(self, code: int) -> int:
        """The exit code, `code` unless what was to be written could not be."""
        trouble = self.out.trouble
        if code or trouble is None or isinstance(trouble, BrokenPipeError):
            return code
        told = error("output.unwritable", f"The output could not be written: {trouble.strerror}")
        self.err.write(render_diagnostics([told], self.err.page))
        return 1


_SILENCE = 3.0
"""Seconds after which it is said, where no line can be written over again, what is being waited for."""
_UNANSWERED = error(
    "usage.approval",
    "Nobody is there to approve the changes",
    "Standard input is not a terminal. Give -auto-approve, or save a plan with `plan -out=FILE`, review it with "
    "`show FILE`, and run `apply FILE`.",
)
_QUESTIONS = {
    "destroy": ("Do you really want to destroy all resources?", "There is no undo."),
    "refresh-only": (
        "Would you like to record these changes in the state?",
        "Nothing will be changed on the live system.",
    ),
    "apply": ("Do you want to perform these actions?", "reconciler will perform the actions described above."),
}


class TextConsole(Console):
    def __init__(self, out: Screen, err: Screen, compact_warnings: bool) -> None:
        super().__init__(out, err)
        self._compact = compact_warnings
        self._waiting = False
        self._announced = ""
        self._has_begun = False
        self._blamed: dict[str, str] = {}

    def diagnose(self, diagnostics: Iterable[Diagnostic]) -> None:
        self._settle()
        if text := render_diagnostics(diagnostics, self.err.page, self._compact):
            self.err.write(text)

    def wait(self, doing: str, elapsed: float) -> None:
        if self.err.is_terminal:
            self._waiting = True
            text = f"{doing}... {elapsed:.0f}s"
            self.err.write(f"\r{text[: (self.err.page.width or 80) - 1]}\x1b[K", end="")
        elif elapsed >= _SILENCE and doing != self._announced:
            self._announced = doing
            self.err.write(f"{doing}...")

    def show(self, plan: Plan) -> None:
        from reconciler.render.plan_text import render_plan

        self._settle()
        self.out.write(render_plan(plan, self.out.page))

    def tell(self, event: Event) -> None:
        from reconciler.apply.event import Skipped
        from reconciler.render.event_text import render_event

        if isinstance(event, Skipped):
            if event.because:
                self._blamed[event.step.id] = event.because
            return
        if line := render_event(event, self.out.page):
            self.out.write(line if self._has_begun else f"\n{line}")
            self._has_begun = True

    def interrupted(self, count: int) -> None:
        told = "Finishing the calls in flight. Interrupt again to stop at once." if count == 1 else "Stopping at once."
        self.err.write(f"\n{self.err.page.paint('Interrupted.', 'bold', 'yellow')} {told}\n")

    def conclude(self, counts: Counts, operation: str) -> None:
        from reconciler.render.summary import done

        self.out.write("\n" + self.out.page.paint(done(counts, operation), "bold", "green"))

    def account(self, plan: Plan, outcomes: Mapping[str, Outcome], counts: Counts) -> None:
        from reconciler.render.event_text import render_unfinished
        from reconciler.render.summary import numbers

        page = self.out.page
        self.out.write("\n" + page.paint(f"Apply incomplete. Resources: {numbers(counts)}.", "bold", "red"))
        self.out.write("\n" + render_unfinished(plan.steps, outcomes, self._blamed))

    def note(self, text: str) -> None:
        self._settle()
        if text:
            self.out.write(text)

    def _ask(self, plan: Plan) -> bool:
        question, told = _QUESTIONS[plan.basis.operation]
        self.out.write(f"\n{self.out.page.paint(question, 'bold')}\n  {told}")
        self.out.write("  Only 'yes' will be accepted to approve.\n")
        self.out.write(self.out.page.paint("  Enter a value: ", "bold"), end="")
        answer = sys.stdin.readline().strip()
        self.out.write("")
        return answer == "yes"

    def _settle(self) -> None:
        if self._waiting:
            self._waiting = False
            self.err.write("\r\x1b[K", end="")


def _is_terminal(stream: TextIO | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False
