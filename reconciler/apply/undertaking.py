"""An apply under way: which steps may begin, what their results mean, what is given up, and what comes of it all.

It knows nothing of time, tasks or the network. Whoever drives it performs the conversations that it begins, several at
once if it wants to, and gives back their results; so every driver keeps the same rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.apply.event import Event, Failed, Finished, Outcome, Skipped
from reconciler.apply.gates import Gates
from reconciler.apply.journal import Entry
from reconciler.apply.tally import count_done
from reconciler.apply.task import StepResult
from reconciler.apply.walker import Walk
from reconciler.apply.worker import perform_step
from reconciler.model.diagnostic import Cause, Diagnostic, error
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.step import Op, Step
from reconciler.ports import Conversation, Provider

FINAL = frozenset({"state.unwritable", "lock.lost", "stale.journal"})
"""The codes of refusals after which nothing may be sent any more: it could not be accounted for."""


@dataclass(frozen=True, slots=True)
class Means:
    """With what a plan is walked: the live system, the gates that activations are judged by besides its word, and how
    many steps may be under way at once."""

    provider: Provider
    gates: Gates | None = None
    parallelism: int = 10


@dataclass(frozen=True, slots=True)
class Applied:
    """What an apply came to. `snapshot` is to be written, whatever happened, under the next serial.

    `outcomes` has every step of the plan, by id. The numbers count resources. `diagnostics` has what failed, and last
    a sentence on the whole (`apply.partial`), if anything did or was left out."""

    snapshot: Snapshot
    outcomes: Mapping[str, Outcome]
    diagnostics: tuple[Diagnostic, ...] = ()
    added: int = 0
    changed: int = 0
    destroyed: int = 0
    imported: int = 0
    interrupted: bool = False
    was_in_doubt: bool = False
    """Whether a creation's answer was lost: then there may be two of what was created."""

    @property
    def is_whole(self) -> bool:
        """Whether every step of the plan was done."""
        return all(outcome is Outcome.DONE for outcome in self.outcomes.values())


class Undertaking:
    """`begin` until it gives nothing, then `end` each step when its conversation has ended, and `begin` again. `stop`
    begins no further one. When none is under way any more: `give_up_rest`, then `applied`.

    Raises Refused (`plan.broken`) for steps that no plan of ours has.
    """

    def __init__(self, plan: Plan, snapshot: Snapshot, means: Means, run_id: str) -> None:
        self.plan = plan
        self._means = means
        self._walk = Walk(plan.steps, snapshot)
        self._under_way = 0
        self._is_stopped = False
        self._was_in_doubt = False
        self._diagnostics: list[Diagnostic] = []
        self._belongs = {"run_id": run_id, "serial": snapshot.serial}

    def begin(self) -> tuple[Step, Conversation[StepResult]] | None:
        """The next step with the conversation that performs it; None if for now there is none to begin."""
        if self._is_stopped or self._under_way >= self._means.parallelism:
            return None
        step = self._walk.take()
        if step is None:
            return None
        self._under_way += 1
        return step, perform_step(step, self.plan, self._walk.view, self._means.provider, self._means.gates)

    def stop(self) -> None:
        self._is_stopped = True

    def entry(self, told: Entry, moment: Mapping[str, Any]) -> dict[str, Any]:
        """What a step says in the journal, as it is written there: of which run and snapshot it is, and of when."""
        self._was_in_doubt |= told["kind"] == "lost" and told["op"] == Op.CREATE
        return {**told, **self._belongs, **moment}

    def end(self, step: Step, result: StepResult, elapsed: float = 0.0) -> list[Event]:
        """What happened by the end of that step, `elapsed` seconds after it began."""
        self._under_way -= 1
        self._diagnostics += result.diagnostics
        if not any(diagnostic.is_error for diagnostic in result.diagnostics):
            self._walk.finish(step, Outcome.DONE, result.edits)
            return [Finished(step, elapsed, result.remote_id, result.note, result.checks)]
        self._walk.finish(step, Outcome.FAILED, result.edits)
        self._is_stopped |= any(diagnostic.code in FINAL for diagnostic in result.diagnostics)
        skipped = self._walk.skip_after(step, None if result.was_interrupted else step.address)
        return [Failed(step, elapsed, result.diagnostics, result.checks), *skipped]

    def give_up_rest(self) -> list[Skipped]:
        """What was not begun is not going to be."""
        return self._walk.skip_rest()

    def note(self, diagnostic: Diagnostic) -> None:
        self._diagnostics.append(diagnostic)

    def applied(self, was_interrupted: bool = False) -> Applied:
        """What came of it; `was_interrupted` if the user wanted to stop."""
        outcomes = self._walk.outcomes
        interrupted = was_interrupted and any(outcome is not Outcome.DONE for outcome in outcomes.values())
        return Applied(
            self._walk.snapshot(),
            outcomes,
            (*self._diagnostics, *_on_the_whole(outcomes, interrupted)),
            *count_done(self.plan, outcomes),
            interrupted=interrupted,
            was_in_doubt=self._was_in_doubt,
        )


def cut_off(step: Step) -> StepResult:
    """The result of a step whose conversation was not let come to its end."""
    told = f"{step.id} was cut off"
    way_on = "Whether its last call took effect is found out by the next plan."
    every = Cause("Steps were cut off", step.id, "Whether their calls took effect is found out by the next plan.", "")
    problem = error("apply.interrupted", told, way_on, address=step.address, cause=every)
    return StepResult(diagnostics=(problem,), was_interrupted=True)


def broken_off(step: Step, failure: BaseException) -> StepResult:
    """The result of a step that met an error of the program itself: it costs this step, not what the others did."""
    at = failure.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f" at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else ""
    # Not its message: that could quote what was sent.
    told = f"{step.id} met an error in the program itself: {type(failure).__name__}{place}"
    return StepResult(diagnostics=(error("apply.unexpected", told, "Please report this.", address=step.address),))


def _on_the_whole(outcomes: Mapping[str, Outcome], interrupted: bool) -> tuple[Diagnostic, ...]:
    done, failed, skipped = (sum(o is outcome for o in outcomes.values()) for outcome in Outcome)
    if done == len(outcomes):
        return ()
    summary = (
        f"The apply was {'interrupted' if interrupted else 'not completed'}: {done} of {len(outcomes)} steps are done, "
        f"{failed} failed, {skipped} were not started"
    )
    return (error("apply.partial", summary, "What is done is recorded. Run apply again to go on from here."),)
