"""An apply with asyncio: its steps as tasks, several at once; progress told, interrupts heeded, nothing lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial

from reconciler.apply.drive import Entries, Hands, perform
from reconciler.apply.event import Event, Progressed, Started
from reconciler.apply.interrupts import Interrupts
from reconciler.apply.quarantine import stamp
from reconciler.apply.task import StepResult
from reconciler.apply.undertaking import Applied, Undertaking, broken_off, cut_off
from reconciler.apply.waiting import Wait
from reconciler.model.diagnostic import Refused, warning
from reconciler.plan.step import Step
from reconciler.ports import Sleep

__all__ = ["Interrupts", "undertake"]

PROGRESS = 5.0
"""Seconds between two words about a step that goes on."""


async def undertake(
    undertaking: Undertaking, hands: Hands, watch: Callable[[Event], None], interrupts: Interrupts | None = None
) -> Applied:
    """Brings the undertaking to its end. The first interrupt lets calls in flight finish, the second stops at once."""
    session = _Session(undertaking, hands, watch, interrupts or Interrupts())
    await session.run()
    return undertaking.applied(session.interrupts.count > 0)


@dataclass(slots=True)
class _Running:
    """A step under way: when it began, when it was last spoken of, and what it last slept for. Times are monotonic."""

    step: Step
    began: float
    told: float
    sleep: Sleep | None = None


@dataclass(slots=True)
class _Session:
    undertaking: Undertaking
    hands: Hands
    watch: Callable[[Event], None]
    interrupts: Interrupts
    running: dict[asyncio.Task[StepResult], _Running] = field(default_factory=dict)
    is_watched: bool = True

    async def run(self) -> None:
        self.interrupts.attach()
        stopped = asyncio.create_task(self.interrupts.stopped.wait())
        try:
            self._begin()
            while self.running:
                await asyncio.wait({*self.running, stopped}, timeout=1.0, return_when=asyncio.FIRST_COMPLETED)
                if stopped.done():
                    await self._cancel()
                for task in [task for task in self.running if task.done()]:
                    self._end(task)
                self._tell_progress()
                self._begin()
            self._tell(*self.undertaking.give_up_rest())
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

    def _begin(self) -> None:
        while True:
            if self.interrupts.count:
                self.undertaking.stop()
            begun = self.undertaking.begin()
            if begun is None:
                return
            step, conversation = begun
            now = self.hands.clock.monotonic()
            running = _Running(step, now, now)
            hands = replace(self.hands, journal=self._journal, sleep=partial(self._sleep, running))
            self._tell(Started(step))
            self.running[asyncio.create_task(perform(conversation, hands))] = running

    def _end(self, task: asyncio.Task[StepResult]) -> None:
        running = self.running.pop(task)
        elapsed = self.hands.clock.monotonic() - running.began
        self._tell(*self.undertaking.end(running.step, _result_of(task, running.step), elapsed))

    def _tell_progress(self) -> None:
        now = self.hands.clock.monotonic()
        for running in self.running.values():
            if now - running.told >= PROGRESS:
                running.told = now
                state = running.sleep.state if isinstance(running.sleep, Wait) else None
                why = running.sleep.why if running.sleep else ""
                self._tell(Progressed(running.step, now - running.began, state, why))

    def _tell(self, *events: Event) -> None:
        """A watcher that breaks (a closed terminal) must not cost the state of what is under way."""
        if not self.is_watched:
            return
        try:
            for event in events:
                self.watch(event)
        except Exception as broken:
            self.is_watched = False
            told = f"The progress could no longer be shown ({type(broken).__name__}); the apply went on without"
            self.undertaking.note(warning("apply.unwatched", told))

    async def _journal(self, entries: Entries) -> None:
        if self.hands.journal is None:
            raise RuntimeError("an apply needs a journal")
        moment = stamp(self.hands.clock, self.hands.quarantine)
        await self.hands.journal([self.undertaking.entry(entry, moment) for entry in entries])

    async def _sleep(self, running: _Running, effect: Sleep) -> None:
        running.sleep = effect
        self._tell_progress()
        sleeping = self.hands.sleep(effect)
        await (self.interrupts.heed(sleeping) if isinstance(effect, Wait) else sleeping)


def _result_of(task: asyncio.Task[StepResult], step: Step) -> StepResult:
    if task.cancelled():
        return cut_off(step)
    failure = task.exception()
    return task.result() if failure is None else broken_off(step, failure)
