"""How a process of the simulator writes: through the same door as the real driver (`reconciler.apply.departure`).

That is made of coroutines, which are conversations as well: what they wait for is an effect of the simulator's own.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reconciler.apply.departure import Departure, Terms
from reconciler.apply.quarantine import MARGIN, QUARANTINE, stamp
from reconciler.ports import Answer, Call, Leave
from tests.sim.network import TIMEOUT

if TYPE_CHECKING:
    from tests.sim.machine import Process

_LONGEST_TURN = 45.0
"""Seconds for which a write may have to wait for its turn, behind others or for the rate limit."""


class _Awaited:
    __slots__ = ()

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)


class Durable(_Awaited):
    """What is in the process's buffer is to be on the disk."""

    __slots__ = ()


class Turn(_Awaited):
    __slots__ = ("seconds",)

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Leaving(_Awaited):
    """The write goes on its way."""

    __slots__ = ("call",)

    def __init__(self, call: Call) -> None:
        self.call = call


class Door:
    """The journal and the transport of one process, as the real driver is given them."""

    __slots__ = ("process", "terms")

    def __init__(self, process: Process) -> None:
        self.process = process
        self.terms = Terms(self.journal, process, process, TIMEOUT, MARGIN)  # type: ignore[arg-type]

    def departure(self) -> Departure:
        return Departure(self.terms)

    async def journal(self, entries: Sequence[Mapping[str, Any]]) -> None:
        process = self.process
        moment = stamp(process, QUARANTINE)
        process.buffer += [process.undertaking.entry(entry, moment) for entry in entries]
        if any(entry["kind"] == "intent" for entry in entries):
            await Durable()

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        machine = self.process.machine
        if machine.rate and machine.chance() < machine.rate / 4:
            await Turn(_LONGEST_TURN * machine.chance())
        if leave is not None:
            await leave()
        answer: Answer = await Leaving(call)
        return answer

    async def close(self) -> None:
        pass
