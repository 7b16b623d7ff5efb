"""A machine of several processes in virtual time: performs conversations, loses messages, crashes and freezes.

The third driver of the engine's effects (beside asyncio's and a replay of recorded answers). Everything that happens by
chance comes from one random generator, so a seed is a history.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from itertools import count
from math import inf
from random import Random
from typing import Any

from reconciler.apply.quarantine import QUARANTINE, Moment, stamp
from reconciler.apply.waiting import Wait
from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Answer, Call, Journal, Now, Read, Send, Sleep, Together
from tests.sim.api import Api
from tests.sim.memory import TTL, Memory, Session

TIMEOUT, LATE = 30.0, 20.0
"""The deadline of a request, and how much later the live system may still carry it out."""
EPOCH = 1_790_000_000.0
LOST = Answer(0, lost="the connection broke")
FATES = ("never", "answer lost", "late", "slow", "twice", "429", "503 before", "503 after", "empty 400", "no body")
RARE = {"twice"}


class Do:
    """An effect of the simulator's own: something done at once, at a point where a crash may come before or after."""

    __slots__ = ("act", "what")

    def __init__(self, what: str, act: Callable[[], Any]) -> None:
        self.what, self.act = what, act


class Park:
    """An effect of the simulator's own: goes on once somebody has opened it."""

    __slots__ = ("fiber", "is_open")

    def __init__(self) -> None:
        self.fiber: Fiber | None = None
        self.is_open = False

    def open(self) -> None:
        self.is_open = True
        if self.fiber is not None:
            fiber = self.fiber
            fiber.process.machine.at(fiber.process.machine.now, fiber.resume)


class Fiber:
    """One conversation under way in a process; `parent` goes on when all its children are done."""

    __slots__ = ("conversation", "done", "process")

    def __init__(self, process: Process, conversation: Generator[Any, Any, Any], done: Callable[[Any, Any], None]):
        self.process, self.conversation, self.done = process, conversation, done

    def resume(self, value: Any = None, failure: BaseException | None = None) -> None:
        process = self.process
        if process.is_dead:
            return
        if process.frozen_until > process.machine.now:
            process.machine.at(process.frozen_until, lambda: self.resume(value, failure))
            return
        try:
            effect = self.conversation.send(value) if failure is None else self.conversation.throw(failure)
        except StopIteration as end:
            self.done(end.value, None)
        except Refused as refused:
            self.done(None, refused)
        else:
            process.perform(self, effect)


class Process:
    """One run of the program: its clock, its lease, what it has not written out yet, and when it is to meet its end."""

    def __init__(self, machine: Machine, name: str, crash_at: int = 0, freeze_at: int = 0, gap: bool = False) -> None:
        self.machine, self.name = machine, name
        self.crash_at, self.freeze_at, self.gap = crash_at, freeze_at, gap
        self.effects = 0
        self.is_dead = False
        self.frozen_until = 0.0
        self.until = 0.0
        self.step = 0.0
        """What the wall clock has been moved by."""
        self.session = Session(machine.memory)
        self.buffer: list[dict[str, Any]] = []
        self.result: Any = None
        self.failure: Any = None
        self.is_done = False
        self.undertaking: Any = None
        """What its journal is about, once it has begun."""
        self.last_address = ""

    # The clock, as ports.Clock ------------------------------------------------------------------------------------
    origin = "boot"

    def monotonic(self) -> float:
        return self.machine.now

    def wall(self) -> str:
        return ""

    def moment(self) -> Moment:
        return Moment(self.machine.now, "boot" if self.machine.same_boot else "another", self.wall_seconds())

    def wall_seconds(self) -> float:
        return EPOCH + self.machine.now + self.step

    # --------------------------------------------------------------------------------------------------------------

    def start(self, conversation: Generator[Any, Any, Any]) -> None:
        def done(value: Any, failure: Any) -> None:
            self.result, self.failure, self.is_done = value, failure, True
            self.machine.awaited -= 1
            if self.machine.memory.holder is self:
                self.session.release(self)

        self.machine.awaited += 1
        self.machine.at(self.machine.now, Fiber(self, conversation, done).resume)

    def kill(self) -> None:
        machine = self.machine
        machine.awaited -= 1
        machine.said("crash", self.name)
        if self.buffer and machine.random.random() < 0.5:
            # What was not yet acknowledged may have reached the disk all the same, up to some entry.
            kept = self.buffer[: machine.random.randrange(len(self.buffer) + 1)]
            if self.session.fence == machine.memory.fence:
                self.session.append(kept)
        self.buffer = []
        if machine.memory.holder is self:
            if machine.memory.expires:
                machine.memory.until = machine.now + TTL * machine.random.uniform(2 / 3, 1)
            else:
                machine.memory.holder = None

    def freeze(self) -> None:
        machine = self.machine
        seconds = machine.random.choice((5.0, TTL, 2 * TTL))
        self.frozen_until = machine.now + seconds
        self.until = machine.now + TTL * machine.random.uniform(2 / 3, 1)
        if machine.memory.holder is self:
            machine.memory.until = self.until
        machine.said("freeze", self.name, seconds)

    def remaining(self) -> float:
        if self.session.fence < self.machine.memory.fence and self.until <= self.machine.now:
            return 0.0
        if self.until and self.until <= self.machine.now:
            return 0.0
        return TTL

    def perform(self, fiber: Fiber, effect: Any) -> None:
        self.effects += 1
        machine = self.machine
        if self.effects == self.crash_at:
            self.is_dead = True
            if machine.random.random() < 0.5 and type(effect) in (Send, Do):
                self._act(fiber, effect)
            self.kill()
            return
        if self.effects == self.freeze_at and not self.gap:
            self.freeze()
        self._act(fiber, effect)

    def _act(self, fiber: Fiber, effect: Any) -> None:
        machine = self.machine
        sort = type(effect)
        if sort is Send:
            if self.remaining() <= TIMEOUT and "lease" not in machine.off:
                fiber.resume(failure=Refused([error("lock.lost", "the lease is lost, or nearly")]))
                return
            if self.gap and self.effects >= self.freeze_at > 0:
                self.gap = False
                machine.excuse("a process froze between its last look at the lease and its send")
                self.freeze()
                machine.at(self.frozen_until, lambda: None if self.is_dead else machine.transmit(fiber, effect.call))
                return
            machine.require_intent(self, effect)
            machine.transmit(fiber, effect.call)
        elif sort is Read:
            machine.transmit(fiber, effect.call)
        elif sort is Now:
            fiber.resume(machine.now)
        elif sort is Journal:
            self._journal(fiber, effect.entry)
        elif sort is Do:
            self._do(fiber, effect)
        elif sort is Together:
            self._together(fiber, effect.conversations)
        elif sort is Park:
            effect.fiber = fiber
            if effect.is_open:
                effect.open()
        elif sort is Sleep or sort is Wait:
            machine.at(machine.now + effect.seconds, fiber.resume)
        else:
            raise AssertionError(f"the engine yields {effect!r}")

    def _do(self, fiber: Fiber, effect: Do) -> None:
        if self.frozen_until > self.machine.now:
            self.machine.at(self.frozen_until, lambda: None if self.is_dead else self._do(fiber, effect))
            return
        try:
            value = effect.act()
        except Refused as refused:
            fiber.resume(failure=refused)
        else:
            fiber.resume(value)

    def _journal(self, fiber: Fiber, entry: Any) -> None:
        machine = self.machine
        is_intent = entry["kind"] == "intent"
        if is_intent:
            if "intent" in machine.off or ("rejournal" in machine.off and entry["attempt"] > 1):
                fiber.resume()
                return
            self.last_address = entry["address"]
        stamped = self.undertaking.entry(entry, stamp(self, QUARANTINE))
        if not machine.same_boot:
            stamped["at"] = _iso(self.wall_seconds())
        self.buffer.append(stamped)
        if not is_intent or "durable" in machine.off:
            fiber.resume()
            return

        def written() -> None:
            if self.is_dead:
                return
            try:
                self.flush()
            except Refused as refused:
                fiber.resume(failure=refused)
            else:
                fiber.resume()

        machine.at(machine.now + machine.random.choice((0.003, 0.003, 1.5)), written)

    def flush(self) -> None:
        entries, self.buffer = self.buffer, []
        if entries:
            self.session.append(entries)

    def _together(self, fiber: Fiber, conversations: Any) -> None:
        results: list[Any] = [None] * len(conversations)
        failures: list[Any] = []
        left = len(conversations)

        def done_at(place: int) -> Callable[[Any, Any], None]:
            def done(value: Any, failure: Any) -> None:
                nonlocal left
                results[place] = value
                left -= 1
                if failure is not None:
                    failures.append(failure)
                if left == 0:
                    fiber.resume(tuple(results), failures[0] if failures else None)

            return done

        if not conversations:
            fiber.resume(())
            return
        for place, conversation in enumerate(conversations):
            Fiber(self, conversation, done_at(place)).resume()


def _iso(seconds: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(seconds, UTC).isoformat()


class Machine:
    """Time, the network and whoever watches. `rate` is the share of messages that something happens to."""

    def __init__(self, random: Random, api: Api, memory: Memory, off: frozenset[str]) -> None:
        self.random, self.api, self.memory, self.off = random, api, memory, off
        self.now = 0.0
        self.rate = 0.0
        self.fates: tuple[str, ...] = FATES
        self.same_boot = True
        self.excuses: list[str] = []
        self.violations: list[str] = []
        self.log: list[str] | None = None
        self.awaited = 0
        """How many processes have neither come to their end nor died."""
        self.sent: set[Any] = set()
        self.had_stragglers = False
        """Whether a change may have taken effect after its answer was given up: it can undo a later one."""
        self._queue: list[tuple[float, int, Callable[[], Any]]] = []
        self._numbers = count()
        api.doubled = self._doubled

    def at(self, time: float, act: Callable[[], Any]) -> None:
        heapq.heappush(self._queue, (time, next(self._numbers), act))

    def run(self, until: float = inf) -> None:
        """Let things happen until every process has ended, or that time has come."""
        queue, pop = self._queue, heapq.heappop
        turns = 0
        while queue and self.awaited and queue[0][0] <= until:
            self.now, _, act = pop(queue)
            act()
            turns += 1
            if turns > 200_000:
                raise AssertionError("a history without end")

    def rest(self, until: float) -> None:
        """Let everything arrive that is still on its way."""
        queue = self._queue
        while queue and queue[0][0] <= until:
            self.now, _, act = heapq.heappop(queue)
            act()
        self.now = until

    def said(self, *what: Any) -> None:
        if self.log is not None:
            self.log.append(f"{self.now:9.3f} {' '.join(map(str, what))}")

    def excuse(self, why: str) -> None:
        self.said("excuse:", why)
        self.excuses.append(why)

    def violation(self, what: str) -> None:
        self.said("VIOLATION", what)
        self.violations.append(what)

    def require_intent(self, process: Process, send: Send) -> None:
        """Intent before send, by itself: not only when it happens to be needed."""
        for entry in reversed(self.memory.journal):
            if entry["kind"] == "intent" and entry["run_id"] == process.name and entry["purpose"] == send.purpose:
                key = (entry["run_id"], entry["address"], entry["attempt"], entry["purpose"], entry["seq"])
                if key not in self.sent:
                    self.sent.add(key)
                    return
        self.violation(f"{process.name} sends {send.purpose} of which no durable intent tells")

    def transmit(self, fiber: Fiber, call: Call) -> None:
        chance = self.random.random
        fate = "fine" if chance() >= self.rate else self.random.choice(self.fates)
        is_write = call.method != "GET"
        arrives = self.now + 0.02 + 0.05 * chance()
        if fate in ("late", "twice") and is_write and (call.method != "POST" or "lifecycle" in call.path):
            self.had_stragglers = True
        if self.log is not None:
            self.said(fiber.process.name, call.method, call.path.rpartition("v1/")[2], "" if fate == "fine" else fate)
        if fate == "fine":
            self.at(arrives, lambda: self._deliver(fiber, call))
        elif fate == "429":
            self.at(arrives, lambda: fiber.resume(Answer(429)))
        elif fate == "503 before":
            self.at(arrives, lambda: fiber.resume(Answer(503)))
        elif fate == "never" or not is_write:
            self.at(self._lost_at(), lambda: fiber.resume(LOST))
        elif fate == "answer lost":
            self.at(arrives, lambda: self._carry_out(call))
            self.at(max(arrives, self._lost_at()), lambda: fiber.resume(LOST))
        elif fate == "late":
            lost = self._lost_at()
            self.at(lost, lambda: fiber.resume(LOST))
            self.at(self.random.uniform(lost, self.now + TIMEOUT + LATE), lambda: self._carry_out(call))
        elif fate == "slow":
            self.at(self.now + TIMEOUT * chance(), lambda: self._deliver(fiber, call))
        elif fate == "twice":
            if call.method == "POST" and "lifecycle" not in call.path:
                self.excuse("a request was delivered twice")
            self.at(arrives, lambda: self._deliver(fiber, call))
            self.at(self.now + TIMEOUT * chance(), lambda: self._carry_out(call))
        else:
            self.at(arrives, lambda: self._deliver(fiber, call, fate))

    def _lost_at(self) -> float:
        return self.now + (TIMEOUT if self.random.random() < 0.5 else 0.1)

    def _carry_out(self, call: Call) -> Answer:
        answer = self.api.answer(call, self.now)
        if call.method != "GET" and self.log is not None:
            self.said("  carried out", call.method, call.path.rpartition("v1/")[2], answer.status)
        return answer

    def _deliver(self, fiber: Fiber, call: Call, fate: str = "") -> None:
        answer = self._carry_out(call)
        if fate == "503 after":
            answer = Answer(503)
        elif fate == "empty 400" and call.method == "POST" and answer.ok:
            answer = Answer(400)
        elif fate == "no body" and call.method == "POST" and answer.ok:
            answer = Answer(202)
        self.at(self.now + 0.02, lambda: fiber.resume(answer))

    def _doubled(self, thing: Any) -> None:
        if not self.excuses:
            self.violation(f"{thing.key} was made twice: {', '.join(t.id for t in self.api.alike(thing))}")
