"""Performs conversations with asyncio: the only place where an effect becomes a request, a delay or a written line."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.apply.departure import Departure, Terms
from reconciler.apply.quarantine import MARGIN, QUARANTINE
from reconciler.keeping import Keep, Keeper, Recall
from reconciler.model.diagnostic import Refused
from reconciler.ports import (
    Clock,
    Conversation,
    Effect,
    Fetch,
    FetchDoor,
    Journal,
    Lease,
    Now,
    Read,
    Send,
    Sleep,
    T,
    Together,
    Transport,
)

Entries = Sequence[Mapping[str, Any]]


async def sleep(effect: Sleep) -> None:
    await asyncio.sleep(effect.seconds)


@dataclass(frozen=True, slots=True)
class Hands:
    """What a driver works with. `journal` takes entries and returns once those that must be durable are; it is None
    where nothing is written (observing). `sleep` waits, and may raise into the conversation instead. `door` leads to
    foreign hosts; None where nobody asks them anything. Nothing is written while the `lease` has less left than a
    request may take, `patience` in seconds: it could arrive after another run began; nor later than `margin` seconds
    after the moment that its intent bears. `quarantine` is the time in seconds for which a request of which nothing
    was heard may still take effect. `keeper` keeps secrets that are given to us."""

    transport: Transport
    clock: Clock
    journal: Callable[[Entries], Awaitable[None]] | None = None
    sleep: Callable[[Sleep], Awaitable[None]] = sleep
    door: FetchDoor | None = None
    lease: Lease | None = None
    patience: float = 0.0
    margin: float = MARGIN
    quarantine: float = QUARANTINE
    keeper: Keeper | None = None


async def perform(conversation: Conversation[T], hands: Hands, width: int = 10) -> T:
    """The conversation's result; at most `width` members of one Together at once.

    What an effect raises is raised in the conversation, where it yielded that effect; what the conversation raises is
    raised here. Cancelling closes the conversation.
    """
    result: Any = None
    failure: Exception | None = None
    departure = Departure(Terms(hands.journal, hands.clock, hands.lease, hands.patience, hands.margin))
    try:
        while True:
            try:
                effect = conversation.send(result) if failure is None else conversation.throw(failure)
            except StopIteration as end:
                value: T = end.value
                return value
            result, failure = None, None
            try:
                result = await _perform_effect(effect, hands, width, departure)
            except Exception as caught:
                failure = caught
    finally:
        conversation.close()


async def _perform_effect(effect: Effect, hands: Hands, width: int, departure: Departure) -> Any:
    match effect:
        case Read(call):
            return await hands.transport.exchange(call)
        case Send(call):
            return await departure.send(call, hands.transport)
        case Fetch():
            if hands.door is None:
                raise RuntimeError("a foreign host was to be asked where there is no way to one")
            return await hands.door.fetch(effect)
        case Keep(reference, secret):
            return await asyncio.to_thread(_keeper(hands).keep, reference, secret)
        case Recall(reference):
            return await asyncio.to_thread(_keeper(hands).recall, reference)
        case Sleep():
            return await hands.sleep(effect)
        case Now():
            return hands.clock.monotonic()
        case Journal(entry):
            return await departure.write(entry)
        case Together(conversations):
            return await _perform_together(conversations, hands, width)


def _keeper(hands: Hands) -> Keeper:
    if hands.keeper is None:
        raise RuntimeError("a secret was to be kept where there is no place for one")
    return hands.keeper


async def _perform_together(conversations: Sequence[Conversation[Any]], hands: Hands, width: int) -> tuple[Any, ...]:
    """All run to their end even if one fails: a write that is under way must not be cut off by another's failure."""
    results: list[Any] = [None] * len(conversations)
    failures: dict[int, Exception] = {}
    waiting = iter(enumerate(conversations))

    async def take_turns() -> None:
        for index, conversation in waiting:
            try:
                results[index] = await perform(conversation, hands, width)
            except Exception as caught:
                failures[index] = caught

    if len(conversations) == 1:
        await take_turns()
    else:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(width, len(conversations))):
                group.create_task(take_turns())
    if failures:
        raise _merged([failures[index] for index in sorted(failures)])
    return tuple(results)


def _merged(failures: Sequence[Exception]) -> Exception:
    refusals = [failure for failure in failures if isinstance(failure, Refused)]
    if len(refusals) < len(failures):
        return next(failure for failure in failures if not isinstance(failure, Refused))
    return Refused(diagnostic for refusal in refusals for diagnostic in refusal.diagnostics)


class GroupCommit:
    """Makes a store's `append` fit for many steps at once: entries that arrive during one write share the next.

    Waits for durability where an intent is among the entries; the outcomes of sends are written soon, and nobody
    waits for them: they can be found out again. Awaiting it with no entries writes out everything. After a failed
    write every further one is refused with the same reason, so that nothing is sent that is not accounted for.
    """

    def __init__(self, append: Callable[[Entries], None]) -> None:
        self._append = append
        self._pending: list[Mapping[str, Any]] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._failure: Exception | None = None

    async def __call__(self, entries: Entries) -> None:
        if self._failure is not None:
            raise self._failure
        self._pending += entries
        must_wait = not entries or any(entry["kind"] == "intent" for entry in entries)
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        if must_wait:
            written = asyncio.get_running_loop().create_future()
            self._waiting.append(written)
            await written

    async def _write(self) -> None:
        while self._pending or self._waiting:
            entries, self._pending = self._pending, []
            waiting, self._waiting = self._waiting, []
            try:
                if entries and self._failure is None:
                    await asyncio.to_thread(self._append, entries)
            except Exception as caught:
                self._failure = caught
            for written in waiting:
                if written.done():
                    continue
                if self._failure is None:
                    written.set_result(None)
                else:
                    written.set_exception(self._failure)
        self._writer = None
