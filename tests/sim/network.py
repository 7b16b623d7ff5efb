"""The way of a call to the live system and back, on which chance decides what becomes of it."""

from __future__ import annotations

from email.utils import formatdate
from typing import TYPE_CHECKING, Any

from reconciler.ports import Answer, Call

if TYPE_CHECKING:
    from tests.sim.machine import Fiber, Machine

TIMEOUT, LATE = 30.0, 20.0
"""The deadline of a request, and how much later the live system may still carry it out."""
FATES = (
    "never",
    "answer lost",
    "late",
    "slow",
    "twice",
    "429",
    "storm",
    "503 before",
    "503 after",
    "empty 400",
    "no body",
)
"""What may happen to a message. `storm`: from now on there are too many calls, for some time."""
EPOCH = 1_790_000_000.0
PENDING: Any = object()
"""What performing an effect gives if the result comes later."""
_LOST = Answer(0, lost="the connection broke")
_BUSY, _BROKEN, _EMPTY, _ACCEPTED = Answer(429), Answer(503), Answer(400), Answer(202)
_STORMS = (1.0, 10.0, 90.0)
"""Seconds."""


def transmit(machine: Machine, fiber: Fiber, call: Call, is_alone: bool = True) -> Any:
    """The answer, if nothing else happens until it is there (`is_alone`: somebody waits for it here); else PENDING,
    and the fiber goes on later."""
    chance, now = machine.chance, machine.now
    arrives = now + 0.02 + 0.05 * chance()
    if now < machine.storm_until:
        fate = "storm"
    elif chance() >= machine.rate:
        fate = ""
    else:
        fate = machine.fates[int(chance() * len(machine.fates))]
        if fate == "storm":
            machine.storm_until = now + _STORMS[int(chance() * 3)]
    if machine.log is not None:
        machine.said(fiber.process.name, call.method, call.path.rpartition("v1/")[2], fate)
    if fate:
        _misfortune(machine, fiber, call, fate, arrives)
        return PENDING
    back = arrives + 0.02
    queue = machine.queue
    if is_alone and (not queue or queue[0][0] > back) and machine.effects < machine.mark:
        machine.now = arrives
        answer = carry_out(machine, call)
        machine.now = back
        return answer
    machine.at(arrives, deliver, fiber, call, "")
    return PENDING


def _misfortune(machine: Machine, fiber: Fiber, call: Call, fate: str, arrives: float) -> None:
    now, chance = machine.now, machine.chance
    is_write = call.method != "GET"
    if fate in ("late", "twice") and is_write and (call.method != "POST" or "lifecycle" in call.path):
        machine.had_stragglers = True
    gives_up = TIMEOUT if chance() < 0.5 else 0.1
    if fate == "429" or fate == "storm":
        machine.at(arrives, _answer, fiber, _too_many(machine))
    elif fate == "503 before":
        machine.at(arrives, _answer, fiber, _BROKEN)
    elif fate == "never" or not is_write:
        machine.at(now + gives_up, _answer, fiber, _LOST)
    elif fate == "answer lost":
        machine.at(arrives, _arrive, None, call)
        machine.at(max(arrives, now + gives_up), _answer, fiber, _LOST)
    elif fate == "late":
        machine.at(now + gives_up, _answer, fiber, _LOST)
        machine.at(now + gives_up + (TIMEOUT + LATE - gives_up) * chance(), _arrive, None, call)
    elif fate == "slow":
        machine.at(now + TIMEOUT * chance(), deliver, fiber, call, "")
    elif fate == "twice":
        if call.method == "POST" and "lifecycle" not in call.path:
            machine.excuse("a request was delivered twice")
        machine.at(arrives, deliver, fiber, call, "")
        machine.at(now + TIMEOUT * chance(), _arrive, None, call)
    else:
        machine.at(arrives, deliver, fiber, call, fate)


def _too_many(machine: Machine) -> Answer:
    """A 429, with headers of any sort that say until when: fitting, of the past, spoilt, none, or of another limit."""
    sort = int(machine.chance() * 6)
    if sort == 0:
        return _BUSY
    clock = EPOCH + machine.now
    reset = {1: "soon", 2: f"{clock - 100:.0f}"}.get(sort, f"{max(machine.storm_until - machine.now, 1) + clock:.0f}")
    headers = {"date": formatdate(clock, usegmt=True), "x-rate-limit-reset": reset}
    if sort == 3:
        headers["x-rate-limit-limit"] = "0"
    return Answer(429, headers)


def carry_out(machine: Machine, call: Call) -> Answer:
    answer = machine.api.answer(call, machine.now)
    if machine.log is not None and call.method != "GET":
        machine.said("  carried out", call.method, call.path.rpartition("v1/")[2], answer.status)
    return answer


def deliver(machine: Machine, fiber: Fiber | None, call: Call, fate: str) -> None:
    """The call is carried out, and its answer sets out; nobody waits for it if `fiber` is None."""
    if fiber is not None and call.method != "GET" and fiber.process.is_overtaken():
        machine.violation(f"{fiber.process.name} still writes when another run holds the lease")
    answer = carry_out(machine, call)
    if fate == "503 after":
        answer = _BROKEN
    elif fate == "empty 400" and call.method == "POST" and answer.ok:
        answer = _EMPTY
    elif fate == "no body" and call.method == "POST" and answer.ok:
        answer = _ACCEPTED
    if fiber is not None:
        machine.at(machine.now + 0.02, _answer, fiber, answer)


def _arrive(machine: Machine, fiber: None, call: Call, _: Any) -> None:
    carry_out(machine, call)


def _answer(machine: Machine, fiber: Fiber, answer: Answer, _: Any) -> None:
    fiber.go_on(answer)
