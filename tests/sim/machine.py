"""A machine of several processes in virtual time: performs conversations, loses messages, crashes and freezes.

The third driver of the engine's effects (beside asyncio's and a replay of recorded answers). Everything that happens by
chance comes from one random generator, so a seed is a history. What outlives a process (the live system, the store,
messages on their way) is data and can be copied: a machine can be gone on with twice, from the same moment.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from datetime import UTC, datetime
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

from reconciler.apply.departure import Departure
from reconciler.apply.quarantine import Moment
from reconciler.apply.waiting import Wait
from reconciler.model.diagnostic import Refused
from reconciler.ports import Call, Journal, Now, Read, Send, Sleep, Together
from tests.sim.door import Door, Durable, Leaving, Turn
from tests.sim.memory import TTL
from tests.sim.network import EPOCH, PENDING, deliver, transmit

if TYPE_CHECKING:
    from tests.sim.api import Api

FROZE = "a process froze between its last look at the lease and its send"
ENDLESS = 50_000
"""Effects without a crash after which a history is taken to have no end."""


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
            self.fiber.resume()


class Fiber:
    """One conversation under way in a process; `done` is told its result, or why it was refused."""

    __slots__ = ("conversation", "departure", "done", "process")

    def __init__(self, process: Process, conversation: Any, done: Callable[[Any, Any], None]) -> None:
        self.process, self.conversation, self.done = process, conversation, done
        self.departure: Departure | None = None

    def resume(self, value: Any = None, failure: Refused | None = None) -> None:
        """Goes on at this very moment of virtual time, after whatever else is under way."""
        machine = self.process.machine
        machine.at(machine.now, wake, self, value, failure)

    def go_on(self, value: Any, failure: Refused | None = None) -> None:
        """Until an effect whose result comes later."""
        process, machine = self.process, self.process.machine
        if process.is_dead:
            return
        if process.frozen_until > machine.now:
            machine.at(process.frozen_until, wake, self, value, failure)
            return
        conversation = self.conversation
        send, perform = conversation.send, _PERFORM
        while True:
            try:
                effect = send(value) if failure is None else conversation.throw(failure)
            except StopIteration as end:
                self.done(end.value, None)
                return
            except Refused as refused:
                self.done(None, refused)
                return
            value = failure = None
            machine.effects += 1
            try:
                value = perform[effect.__class__](machine, self, effect)
            except Refused as refused:
                failure = refused
            if process.tries >= 0 and value.__class__ is bool:
                process.tries = -1 if value else process.tries + 1
            if machine.effects >= machine.mark:
                machine.watch(process)
                if process.is_dead:
                    return
                if process.frozen_until > machine.now and value is not PENDING:
                    self.resume(value, failure)
                    return
            if value is PENDING:
                return


def wake(machine: Machine, fiber: Fiber, value: Any, failure: Refused | None) -> None:
    fiber.go_on(value, failure)


class Process:
    """One run of the program: its clock, its lease, and what it has not written out yet."""

    __slots__ = (
        "buffer",
        "door",
        "failure",
        "freezes_at",
        "frozen_until",
        "is_dead",
        "is_done",
        "machine",
        "name",
        "result",
        "sent",
        "session",
        "step",
        "tries",
        "undertaking",
        "until",
    )
    origin = "boot"

    def __init__(self, machine: Machine, name: str, step: float = 0.0) -> None:
        self.machine, self.name, self.step = machine, name, step
        self.is_dead = self.is_done = False
        self.freezes_at = ""
        self.frozen_until = self.until = 0.0
        self.session: Any = machine.memory.session()
        self.buffer: list[dict[str, Any]] = []
        self.door: Door | None = None
        self.result: Any = None
        self.failure: Any = None
        self.undertaking: Any = None
        """What its journal is about, once it has begun."""
        self.sent: set[int] = set()
        """The `seq` of the intents that were followed by their send."""
        self.tries = 0
        """How often it asked for the lock in vain; -1 once it did anything else."""

    # The clock, as ports.Clock ------------------------------------------------------------------------------------

    def monotonic(self) -> float:
        return self.machine.now

    def wall(self) -> str:
        return "" if self.machine.same_boot else datetime.fromtimestamp(self.wall_seconds(), UTC).isoformat()

    def moment(self) -> Moment:
        return self.machine.moment(self.step)

    def wall_seconds(self) -> float:
        return EPOCH + self.machine.now + self.step + self.machine.step

    # --------------------------------------------------------------------------------------------------------------

    def start(self, conversation: Generator[Any, Any, Any], after: float = 0.0) -> None:
        machine = self.machine
        machine.awaited += 1
        machine.at(machine.now + after, wake, Fiber(self, conversation, self.ended))

    def ended(self, value: Any, failure: Any) -> None:
        self.result, self.failure, self.is_done = value, failure, True
        self.machine.awaited -= 1
        self.session.release(self)

    def kill(self, kept: float) -> None:
        machine = self.machine
        self.is_dead = True
        machine.awaited -= 1
        if machine.log is not None:
            machine.said("crash", self.name)
        if kept and self.buffer:
            # What was not yet acknowledged may have reached the disk all the same, up to some entry.
            with suppress(Refused):
                self.session.append(self.buffer[: round(kept * len(self.buffer))])
        self.buffer = []
        if machine.memory.holder is self:
            if machine.memory.expires:
                machine.memory.until = machine.now + TTL * (2 + kept) / 3
            else:
                machine.memory.holder = None

    def freeze(self) -> None:
        machine = self.machine
        seconds = (5.0, TTL, 2 * TTL)[int(machine.chance() * 3)]
        self.frozen_until = machine.now + seconds
        self.until = machine.now + TTL * (2 + machine.chance()) / 3
        self.tries = -1
        if machine.memory.holder is self:
            machine.memory.until = self.until
        if machine.log is not None:
            machine.said("freeze", self.name, seconds)

    def lose_touch(self) -> None:
        """With whoever grants the lease: it is not renewed any more."""
        machine = self.machine
        self.until = machine.now + TTL * machine.chance() / 2
        if machine.memory.holder is self:
            machine.memory.until = self.until
        machine.said(self.name, "can't renew its lease")

    def remaining(self) -> float:
        return max(0.0, self.until - self.machine.now) if self.until else TTL

    def renews(self) -> bool:
        """Whether it is still renewing its lease."""
        return not (self.is_dead or self.is_done or self.until or self.frozen_until > self.machine.now)

    def is_overtaken(self) -> bool:
        """Whether another run holds the lease, though this one had all it takes to notice in time."""
        return self.session.fence < self.machine.memory.fence and not (self.is_dead or self.machine.excuses)

    def flush(self) -> None:
        if self.buffer:
            entries, self.buffer = self.buffer, []
            self.session.append(entries)

    def twin(self, machine: Machine) -> Process:
        """The same process on the copy of its machine, as far as it can matter there: it doesn't run."""
        twin = Process(machine, self.name, self.step)
        twin.session = self.session.twin(machine.memory)
        twin.buffer, twin.tries = list(self.buffer), self.tries
        twin.frozen_until, twin.until, twin.sent = self.frozen_until, self.until, set(self.sent)
        twin.undertaking = self.undertaking
        twin.result, twin.failure, twin.is_done, twin.is_dead = self.result, self.failure, self.is_done, self.is_dead
        if self.machine.memory.holder is self:
            machine.memory.holder = twin
        return twin

    def begin_again(self, conversation: Generator[Any, Any, Any]) -> Fiber:
        """The fiber of a process that only waits for the lock, as far as it has come."""
        for _ in range(self.tries):
            conversation.send(None)
            conversation.send(False)
        return Fiber(self, conversation, self.ended)


def _read(machine: Machine, fiber: Fiber, effect: Read) -> Any:
    return transmit(machine, fiber, effect.call)


def _send(machine: Machine, fiber: Fiber, effect: Send) -> Any:
    return _Errand(fiber, _departure(fiber).send(effect.call, _door(fiber.process)), effect.purpose).begin()


def _journal(machine: Machine, fiber: Fiber, effect: Journal) -> Any:
    return _Errand(fiber, _departure(fiber).write(effect.entry)).begin()


def _departure(fiber: Fiber) -> Departure:
    if fiber.departure is None:
        fiber.departure = _door(fiber.process).departure()
    return fiber.departure


def _door(process: Process) -> Door:
    if process.door is None:
        process.door = Door(process)
    return process.door


def _leaving(machine: Machine, fiber: _Errand, effect: Leaving) -> Any:
    process = fiber.process
    if process.freezes_at == "send":
        process.freezes_at = ""
        machine.excuse(FROZE)
        process.freeze()
        machine.at(process.frozen_until, _woken, fiber, effect.call)
        return PENDING
    if machine.is_strict:
        machine.require_intent(process, fiber.purpose)
    machine.left = machine.effects
    if machine.asks:
        machine.mark = machine.effects
    return transmit(machine, fiber, effect.call)


def _woken(machine: Machine, fiber: Fiber, call: Call, _: Any = None) -> None:
    if not fiber.process.is_dead:
        transmit(machine, fiber, call, is_alone=False)


def _now(machine: Machine, fiber: Fiber, effect: Now) -> float:
    return machine.now


def _do(machine: Machine, fiber: Fiber, effect: Do) -> Any:
    return effect.act()


def _pause(machine: Machine, fiber: Fiber, effect: Sleep) -> Any:
    return machine.pause(fiber, effect.seconds)


def _park(machine: Machine, fiber: Fiber, effect: Park) -> Any:
    if effect.is_open:
        return None
    effect.fiber = fiber
    return PENDING


def _durable(machine: Machine, fiber: Fiber, effect: Durable) -> Any:
    process = fiber.process
    if "durable" in machine.off:
        return None
    at = machine.now + machine.disk[int(machine.chance() * len(machine.disk))]
    if process.freezes_at == "intent":
        process.freezes_at = ""
        process.freeze()
    elif machine.is_quiet_until(at):
        machine.now = at
        process.flush()
        return None
    machine.at(at, _written, fiber)
    return PENDING


def _written(machine: Machine, fiber: Fiber, _: Any = None, __: Any = None) -> None:
    if not fiber.process.is_dead:
        try:
            fiber.process.flush()
        except Refused as refused:
            fiber.resume(None, refused)
        else:
            fiber.resume()


class _Errand(Fiber):
    """What a conversation has done for it, and waits for."""

    __slots__ = ("is_awaited", "outcome", "owner", "purpose")

    def __init__(self, owner: Fiber, conversation: Any, purpose: str = "") -> None:
        super().__init__(owner.process, conversation, self._ended)
        self.owner, self.purpose, self.is_awaited = owner, purpose, False
        self.outcome: tuple[Any, Any] | None = None

    def begin(self) -> Any:
        """What is done on the way counts, and not the errand as such."""
        self.process.machine.effects -= 1
        self.go_on(None)
        if self.outcome is None:
            self.is_awaited = True
            return PENDING
        value, failure = self.outcome
        if failure is not None:
            raise failure
        return value

    def _ended(self, value: Any, failure: Any) -> None:
        if self.is_awaited:
            self.owner.go_on(value, failure)
        else:
            self.outcome = (value, failure)


class _Joined:
    """The members of a Together: `fiber` goes on when all are done."""

    __slots__ = ("failure", "fiber", "left", "results")

    def __init__(self, fiber: Fiber, conversations: Any) -> None:
        self.fiber, self.left = fiber, len(conversations)
        self.results: list[Any] = [None] * self.left
        self.failure: Any = None
        for place, conversation in enumerate(conversations):
            _Member(fiber.process, conversation, self, place).resume()

    def ended(self, place: int, value: Any, failure: Any) -> None:
        self.results[place] = value
        self.failure = self.failure or failure
        self.left -= 1
        if not self.left:
            self.fiber.resume(tuple(self.results), self.failure)


class _Member(Fiber):
    __slots__ = ("joined", "place")

    def __init__(self, process: Process, conversation: Any, joined: _Joined, place: int) -> None:
        super().__init__(process, conversation, self._done)
        self.joined, self.place = joined, place

    def _done(self, value: Any, failure: Any) -> None:
        self.joined.ended(self.place, value, failure)


def _together(machine: Machine, fiber: Fiber, effect: Together) -> Any:
    if not effect.conversations:
        return ()
    _Joined(fiber, effect.conversations)
    return PENDING


_PERFORM: dict[type, Callable[[Machine, Fiber, Any], Any]] = {
    Read: _read,
    Send: _send,
    Now: _now,
    Journal: _journal,
    Do: _do,
    Together: _together,
    Park: _park,
    Durable: _durable,
    Turn: _pause,
    Leaving: _leaving,
    Sleep: _pause,
    Wait: _pause,
}

Event = tuple[float, int, Callable[..., Any], Any, Any, Any]
"""When, in which order, and what is done with which three things; the first of them is the fiber it concerns."""


class Machine:
    """Time, the network and whoever watches. `rate` is the share of messages that something happens to.

    `watch` is told of the effects from number `mark` on (they are counted since the last crash) once they are
    performed, and may let the process that yielded one die, or freeze. With a rule switched off only the consequences
    are looked at: the machine isn't `is_strict`."""

    __slots__ = (
        "api",
        "asks",
        "awaited",
        "chance",
        "disk",
        "effects",
        "excuses",
        "fates",
        "had_stragglers",
        "is_strict",
        "left",
        "log",
        "mark",
        "memory",
        "now",
        "number",
        "off",
        "queue",
        "rate",
        "same_boot",
        "step",
        "storm_until",
        "violations",
        "watch",
    )

    def __init__(self, api: Api, memory: Any, off: frozenset[str] = frozenset()) -> None:
        self.api, self.memory, self.off = api, memory, off
        self.chance: Callable[[], float] = calm
        self.now = self.rate = self.step = self.storm_until = 0.0
        """`step` is what the wall clock has been moved by, `storm_until` when calls are no longer too many."""
        self.fates: tuple[str, ...] = ()
        self.disk: tuple[float, ...] = (0.003,)
        self.same_boot, self.is_strict = True, not off
        self.excuses: list[str] = []
        self.violations: list[str] = []
        self.log: list[str] | None = None
        self.asks = False
        """Whether every write that leaves is marked."""
        self.awaited = self.number = self.effects = self.left = 0
        """`awaited`: how many processes have neither come to their end nor died; `left`: the effect at which the last
        write left."""
        self.mark = ENDLESS
        self.watch: Callable[[Process], None] = _endless
        self.had_stragglers = False
        """Whether a change may have taken effect after its answer was given up: it can undo a later one."""
        self.queue: list[Event] = []
        api.machine = memory.machine = self

    def twin(self) -> Machine:
        """What outlives its processes; what belongs to these is left out."""
        twin = Machine(self.api.twin(), self.memory.twin(), self.off)
        twin.awaited = self.awaited
        twin.now, twin.rate, twin.step, twin.storm_until = self.now, self.rate, self.step, self.storm_until
        twin.fates, twin.disk, twin.same_boot = self.fates, self.disk, self.same_boot
        twin.had_stragglers, twin.number = self.had_stragglers, self.number
        if self.excuses:
            twin.excuses = list(self.excuses)
        if self.log is not None:
            twin.log = list(self.log)
        for event in self.queue:
            if event[3] is None:
                heappush(twin.queue, event)
            elif event[2] is deliver:
                heappush(twin.queue, (*event[:3], None, *event[4:]))
        return twin

    def only_waits(self, process: Process) -> bool:
        """Whether it did nothing yet but to ask for the lock, and is to go on with that some time."""
        own = [event for event in self.queue if event[3] is not None and event[3].process is process]
        return process.tries >= 0 and [(event[2], event[4]) for event in own] == [(wake, None)]

    def take_over(self, other: Machine, old: Process, fiber: Fiber) -> None:
        """What `other` has to do for the only fiber of a process, is to be done for that of its twin."""
        for event in other.queue:
            if event[3] is not None and event[3].process is old:
                heappush(self.queue, (*event[:3], fiber, *event[4:]))

    def at(self, time: float, act: Callable[..., Any], fiber: Any, what: Any = None, more: Any = None) -> None:
        """Let `act` be called then."""
        self.number += 1
        heappush(self.queue, (time, self.number, act, fiber, what, more))

    def is_quiet_until(self, time: float) -> bool:
        """Whether nothing else happens until then, and nobody watches the effect under way: then time may just pass."""
        return (not self.queue or self.queue[0][0] > time) and self.effects < self.mark

    def pause(self, fiber: Fiber, seconds: float) -> Any:
        queue = self.queue
        until = self.now + seconds
        if (not queue or queue[0][0] > until) and self.effects < self.mark:
            self.now = until
            return None
        self.number += 1
        heappush(queue, (until, self.number, wake, fiber, None, None))
        return PENDING

    def run(self) -> None:
        """Let things happen until every process has ended or died."""
        queue = self.queue
        while self.awaited and queue:
            self.now, _, act, fiber, what, more = heappop(queue)
            act(self, fiber, what, more)

    def rest(self, until: float) -> None:
        """Let everything arrive that is still on its way."""
        queue = self.queue
        while queue and queue[0][0] <= until:
            self.now, _, act, fiber, what, more = heappop(queue)
            act(self, fiber, what, more)
        self.now = until

    def let_go(self) -> None:
        """Of what leads back here, so that nobody has to look for it once the machine isn't needed any more."""
        self.queue.clear()
        self.watch, self.api.machine = _endless, None
        self.memory.let_go()

    def moment(self, step: float) -> Moment:
        """By a process whose wall clock was moved by `step`."""
        return Moment(self.now, "boot" if self.same_boot else "another", EPOCH + self.now + step + self.step)

    def said(self, *what: Any) -> None:
        if self.log is not None:
            self.log.append(f"{self.now:9.3f} {' '.join(map(str, what))}")

    def excuse(self, why: str) -> None:
        self.said("excuse:", why)
        self.excuses.append(why)

    def violation(self, what: str) -> None:
        self.said("VIOLATION", what)
        self.violations.append(what)

    def require_intent(self, process: Process, purpose: str) -> None:
        """Intent before send, by itself: not only when it happens to be needed."""
        for entry in reversed(self.memory.journal):
            told = entry["kind"] == "intent" and entry["run_id"] == process.name and entry["purpose"] == purpose
            if told and entry["seq"] not in process.sent:
                process.sent.add(entry["seq"])
                return
        self.violation(f"{process.name} sends {purpose} of which no durable intent tells")


def calm() -> float:
    """What chance says where nothing happens by chance."""
    return 0.5


def _endless(process: Process) -> None:
    raise AssertionError("a history without end")
