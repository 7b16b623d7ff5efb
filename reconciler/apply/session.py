"""An apply with asyncio: several steps of the walk at once, progress told, interrupts heeded, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from uuid import uuid4

from reconciler.apply.drive import Entries, Hands, perform
from reconciler.apply.event import Event, Failed, Finished, Outcome, Progressed, Started
from reconciler.apply.interrupts import Interrupts
from reconciler.apply.quarantine import stamp
from reconciler.apply.tally import count_done
from reconciler.apply.task import StepResult
from reconciler.apply.waiting import Interrupted, Wait
from reconciler.apply.walker import Walk
from reconciler.apply.worker import perform_step
from reconciler.model.diagnostic import Diagnostic, Refused, error, warning
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.step import Op, Step
from reconciler.ports import Provider, Sleep

__all__ = ["Applied", "Interrupts", "apply_plan"]

PROGRESS = 5.0
"""Seconds between two words about a step that goes on."""
FINAL = {"state.unwritable", "lock.lost", "stale.journal"}
"""The codes of refusals after which nothing may be sent any more: it could not be accounted for."""


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


async def apply_plan(
    plan: Plan,
    snapshot: Snapshot,
    provider: Provider,
    hands: Hands,
    watch: Callable[[Event], None],
    parallelism: int = 10,
    interrupts: Interrupts | None = None,
) -> Applied:
    """Walk the plan's steps, at most `parallelism` at once; a failure ends only what waits for it.

    Raises Refused (`plan.broken`), before anything is sent, for steps that no plan of ours has.
    """
    walk = Walk(plan.steps, snapshot)
    session = _Session(plan, walk, provider, hands, watch, interrupts or Interrupts())
    await session.run(parallelism)
    interrupted = session.interrupts.count > 0 and any(o is not Outcome.DONE for o in walk.outcomes.values())
    return Applied(
        walk.snapshot(),
        walk.outcomes,
        (*session.diagnostics, *_on_the_whole(walk.outcomes, interrupted)),
        *count_done(plan, walk.outcomes),
        interrupted=interrupted,
        was_in_doubt=session.was_in_doubt,
    )


def _on_the_whole(outcomes: Mapping[str, Outcome], interrupted: bool) -> tuple[Diagnostic, ...]:
    done, failed, skipped = (sum(o is outcome for o in outcomes.values()) for outcome in Outcome)
    if done == len(outcomes):
        return ()
    summary = (
        f"The apply was {'interrupted' if interrupted else 'not completed'}: {done} of {len(outcomes)} steps are done, "
        f"{failed} failed, {skipped} were not started"
    )
    return (error("apply.partial", summary, "What is done is recorded. Run apply again to go on from here."),)


@dataclass(slots=True)
class _Running:
    """A step under way: when it began, when it was last spoken of, and what it last slept for. Times are monotonic."""

    step: Step
    began: float
    told: float
    sleep: Sleep | None = None


@dataclass(slots=True)
class _Session:
    plan: Plan
    walk: Walk
    provider: Provider
    hands: Hands
    watch: Callable[[Event], None]
    interrupts: Interrupts
    run_id: str = field(default_factory=lambda: uuid4().hex)
    diagnostics: list[Diagnostic] = field(default_factory=list)
    running: dict[asyncio.Task[StepResult], _Running] = field(default_factory=dict)
    is_watched: bool = True
    was_in_doubt: bool = False
    must_stop: bool = False

    async def run(self, parallelism: int) -> None:
        self.interrupts.attach()
        stopped = asyncio.create_task(self.interrupts.stopped.wait())
        try:
            self._start(parallelism)
            while self.running:
                await asyncio.wait({*self.running, stopped}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                if stopped.done():
                    await self._cancel()
                for task in [task for task in self.running if task.done()]:
                    self._end(task)
                self._tell_progress()
                self._start(parallelism)
            for skipped in self.walk.skip_rest():
                self._tell(skipped)
        finally:
            stopped.cancel()
            await self._cancel()
            if self.hands.journal is not None:
                with suppress(Refused):
                    await self.hands.journal([])

    async def _cancel(self) -> None:
        for task in self.running:
            task.cancel()
        if self.running:
            await asyncio.wait(self.running)

    def _start(self, parallelism: int) -> None:
        while len(self.running) < parallelism and not (self.must_stop or self.interrupts.count):
            step = self.walk.take()
            if step is None:
                return
            now = self.hands.clock.monotonic()
            running = _Running(step, now, now)
            hands = replace(self.hands, journal=self._journal, sleep=partial(self._sleep, running))
            conversation = perform_step(step, self.plan, self.walk.view, self.provider, self.hands.gates)
            self._tell(Started(step))
            self.running[asyncio.create_task(perform(conversation, hands))] = running

    def _end(self, task: asyncio.Task[StepResult]) -> None:
        running = self.running.pop(task)
        step, elapsed = running.step, self.hands.clock.monotonic() - running.began
        result = _result_of(task, step)
        self.diagnostics += result.diagnostics
        if not any(diagnostic.is_error for diagnostic in result.diagnostics):
            self.walk.finish(step, Outcome.DONE, result.edits)
            self._tell(Finished(step, elapsed, result.remote_id, result.note, result.checks))
            return
        self.walk.finish(step, Outcome.FAILED, result.edits)
        self.must_stop |= any(diagnostic.code in FINAL for diagnostic in result.diagnostics)
        self._tell(Failed(step, elapsed, result.diagnostics, result.checks))
        for skipped in self.walk.skip_after(step, None if result.was_interrupted else step.address):
            self._tell(skipped)

    def _tell_progress(self) -> None:
        now = self.hands.clock.monotonic()
        for running in self.running.values():
            if now - running.told >= PROGRESS:
                running.told = now
                state = running.sleep.state if isinstance(running.sleep, Wait) else None
                why = running.sleep.why if running.sleep else ""
                self._tell(Progressed(running.step, now - running.began, state, why))

    def _tell(self, event: Event) -> None:
        """A watcher that breaks (a closed terminal) must not cost the state of what is under way."""
        if not self.is_watched:
            return
        try:
            self.watch(event)
        except Exception as broken:
            self.is_watched = False
            told = f"The progress could no longer be shown ({type(broken).__name__}); the apply went on without"
            self.diagnostics.append(warning("apply.unwatched", told))

    async def _journal(self, entries: Entries) -> None:
        if self.hands.journal is None:
            raise RuntimeError("an apply needs a journal")
        self.was_in_doubt |= any(entry["kind"] == "lost" and entry["op"] == Op.CREATE for entry in entries)
        stamped = {"run_id": self.run_id, "serial": self.walk.view.serial}
        stamped |= stamp(self.hands.clock, self.hands.quarantine)
        await self.hands.journal([{**entry, **stamped} for entry in entries])

    async def _sleep(self, running: _Running, effect: Sleep) -> None:
        running.sleep = effect
        self._tell_progress()
        if isinstance(effect, Wait):
            await self._wait(effect)
        else:
            await self.hands.sleep(effect)

    async def _wait(self, effect: Wait) -> None:
        sleeping = asyncio.ensure_future(self.hands.sleep(effect))
        stopping = asyncio.ensure_future(self.interrupts.stopping.wait())
        try:
            await asyncio.wait({sleeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleeping.cancel()
            stopping.cancel()
        if self.interrupts.stopping.is_set():
            raise Interrupted


def _result_of(task: asyncio.Task[StepResult], step: Step) -> StepResult:
    """The step's result; a failure of the program itself costs this step, not what the others did."""
    if task.cancelled():
        told = f"{step.id} was cut off"
        problem = error(
            "apply.interrupted",
            told,
            "Whether its last call took effect is found out by the next plan.",
            address=step.address,
        )
        return StepResult(diagnostics=(problem,), was_interrupted=True)
    failure = task.exception()
    if failure is None:
        return task.result()
    at = failure.__traceback__
    while at is not None and at.tb_next is not None:
        at = at.tb_next
    place = f" at {at.tb_frame.f_code.co_filename}:{at.tb_lineno}" if at is not None else ""
    # Not its message: that could quote what was sent.
    told = f"{step.id} met an error in the program itself: {type(failure).__name__}{place}"
    return StepResult(diagnostics=(error("apply.unexpected", told, "Please report this.", address=step.address),))
