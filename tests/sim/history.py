"""One history: a configuration is applied by runs that crash, freeze and are cut off; then all must be well.

What must hold, at every step and at the end
1. No send without a durable intent of its own.
2. Nothing is made twice, unless a proxy delivered a request twice or a process slept between its last look at the lease
   and its send (an *excuse*): then every surplus object is told of, and the recorded one is one of them.
3. No lifecycle command that the state doesn't allow.
4. No write to the store by a run that lost its lease, and none to the live system that comes after it was lost.
5. At the end what is recorded is what is there, and a second apply has nothing to do.
6. Nobody is asked anything, unless there was an excuse.
7. A run that says it succeeded leaves what it was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any, Protocol

from reconciler.config.configuration import Configuration
from reconciler.model.diagnostic import Refused
from reconciler.okta.provider import OktaProvider
from tests.sim.api import Api
from tests.sim.applier import Report, run
from tests.sim.machine import ENDLESS, FROZE, Machine, Process, calm
from tests.sim.memory import Memory
from tests.sim.rules import switch_off
from tests.sim.script import Crash, Script, goals
from tests.sim.situation import situation
from tests.sim.small import SmallProvider
from tests.sim.stored import Tables

PATIENCE = 60.0
_ATTEMPTS = 6
_EPOCH = 10_000.0
_known: set[Any] = set()
"""The situations from which all came to a good end."""


@dataclass(slots=True)
class Outcome:
    root: Script
    crashes: tuple[Crash, ...]
    violations: list[str]
    excuses: list[str]
    runs: int
    effects: int
    log: list[str] = field(default_factory=list)

    @property
    def script(self) -> Script:
        """The whole of it."""
        return replace(self.root, crashes=self.crashes)


class Branching(Protocol):
    def sprout(self, history: History, process: Process) -> None:
        """May copy the history, and sets the effect at which it is asked again."""


class History:
    """After the crashes of its script, `branching` is asked after the effect `asked_at` whether to go on from there in
    another way, too. `crashed` are the crashes so far."""

    __slots__ = (
        "asked_at",
        "attempt",
        "branching",
        "crashed",
        "effects",
        "goal",
        "is_calm",
        "is_content",
        "machine",
        "processes",
        "runs",
        "script",
    )

    def __init__(
        self,
        given: Script,
        off: frozenset[str] = frozenset(),
        keep_log: bool = False,
        branching: Branching | None = None,
    ) -> None:
        self.script = given
        api = Api(given.is_unique, given.lag, given.ignores)
        self.machine = machine = Machine(api, Tables() if given.is_stored else Memory(given.expires), off)
        machine.chance, machine.watch = Random(given.seed * 7919 + 17).random, self._watch
        machine.same_boot, machine.disk, machine.fates = given.same_boot, given.disk, given.fates or ("429",)
        machine.log, machine.asks = [] if keep_log else None, branching is not None
        self.crashed: tuple[Crash, ...] = ()
        self.branching, self.asked_at = branching, 0
        self.goal = self.attempt = self.runs = self.effects = 0
        self.is_content = self.is_calm = False
        self.processes: list[Process] = []
        if given.jump[1]:
            machine.at(given.jump[0], _jump, None, given.jump[1])
        self._start()

    def twin(self, process: Process, crash: Crash) -> History | None:
        """The same history, but that `process` crashes now; None where another is at work that can't be copied."""
        at_work = [p for p in self.processes if p is not process and not (p.is_done or p.is_dead)]
        if at_work and (not crash.seed or not all(map(self.machine.only_waits, at_work))):
            return None
        twin = History.__new__(History)
        twin.machine = machine = self.machine.twin()
        machine.watch, machine.asks = twin._watch, True
        twin.script, twin.branching, twin.asked_at = self.script, self.branching, 0
        twin.crashed, twin.effects = self.crashed, self.effects + self.machine.effects
        twin.goal, twin.attempt, twin.runs = self.goal, self.attempt, self.runs
        crashing = process.twin(machine)
        twin.processes = [crashing]
        for old in self.processes:
            if old in at_work:
                new = old.twin(machine)
                twin.processes.append(new)
                machine.take_over(self.machine, old, new.begin_again(twin._conversation(new)))
            elif old is not process:
                twin.processes.append(old)
        twin._crash(crashing, crash)
        return twin

    def outcome(self) -> Outcome:
        """From where it stands to its end."""
        machine = self.machine
        if self.branching is not None and self._next_crash() is None:
            self.branching.sprout(self, self.processes[0])
        self._set_mark()
        machine.run()
        while self._goes_on():
            machine.run()
        try:
            self._conclude()
        except Refused as refused:
            machine.violation(f"the store is damaged: {refused}")
        for what in () if machine.had_stragglers or machine.excuses else machine.api.illegal:
            machine.violation(f"illegal: {what}")
        effects = self.effects + machine.effects
        told = machine.violations, machine.excuses
        machine.let_go()
        return Outcome(self.script, self.crashed, *told, self.runs, effects, machine.log or [])

    # What happens after which effect ------------------------------------------------------------------------------

    def _next_crash(self) -> Crash | None:
        given, done = self.script.crashes, len(self.crashed)
        return given[done] if done < len(given) else None

    def _set_mark(self) -> None:
        machine, crash = self.machine, self._next_crash()
        number, mark = machine.effects, self.asked_at if crash is None else crash.at
        if not self.crashed and number < self.script.freeze_at and not number < mark < self.script.freeze_at:
            mark = self.script.freeze_at
        machine.mark = mark if mark > number else ENDLESS

    def _watch(self, process: Process) -> None:
        machine, number = self.machine, self.machine.effects
        if number >= ENDLESS:
            raise AssertionError("a history without end")
        if number == self.script.freeze_at and not self.crashed:
            process.freezes_at = self.script.freezes_at
            if process.freezes_at == "lease":
                process.lose_touch()
            elif not process.freezes_at:
                process.freeze()
        crash = self._next_crash()
        if crash is not None and crash.at == number:
            self.effects += number
            self._crash(process, crash)
            if self.branching is not None and self._next_crash() is None:
                self.branching.sprout(self, process)
        elif self.branching is not None and number in (self.asked_at, machine.left):
            self.branching.sprout(self, process)
        self._set_mark()

    def _crash(self, process: Process, crash: Crash) -> None:
        machine = self.machine
        self.crashed = (*self.crashed, crash)
        self.is_calm, self.is_content = not crash.seed, False
        machine.chance = Random(crash.seed).random if crash.seed else calm
        machine.effects = machine.left = 0
        process.kill(crash.kept)

    # Runs ---------------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Another run; a rival joins the first of all."""
        self.machine.rate = self.script.rate if self.attempt < 4 else 0.0
        self.processes = [self._process()]
        if self.script.rival and not (self.goal or self.attempt):
            self.processes.append(self._process(self.script.rival))

    def _process(self, after: float = 0.0) -> Process:
        self.runs += 1
        process = Process(self.machine, f"run{self.runs}", self._step(self.runs))
        process.start(self._conversation(process), after)
        return process

    def _step(self, number: int) -> float:
        """What the wall clock of that run is moved by."""
        return self.script.step * (number % 2 if self.script.same_boot else number)

    def _conversation(self, process: Process) -> Any:
        patience = 0.0 if "patience" in self.machine.off else PATIENCE
        provider: Any = _small(patience) if self.script.is_short else _okta(patience)
        return run(process, self._configuration(), provider)

    def _configuration(self) -> Configuration:
        return goals()[self.script.goals[self.goal]]

    def _goes_on(self) -> bool:
        """Once nobody is at work any more: whether another run begins, for the same goal or for the next."""
        if self.is_calm:
            return False
        self.is_content = bool([True for process in self.processes if self._is_content(process)])
        if not self.is_content and self.attempt < _ATTEMPTS - 1:
            self.attempt += 1
        elif self.goal < len(self.script.goals) - 1:
            self.goal, self.attempt = self.goal + 1, 0
        else:
            return False
        self._start()
        return True

    def _is_content(self, process: Process) -> bool:
        if not process.is_done or process.failure is not None:
            return False
        report: Report = process.result
        if report.was_held or report.problems or report.unclear:
            return False
        if not self.machine.excuses and not self.script.rival:
            self._require_applied("a run says it succeeded", report)
        return True

    def _conclude(self) -> None:
        """The last run, after everything that is on its way has arrived; and one more, which finds nothing to do."""
        machine, given = self.machine, self.script
        machine.rate, machine.storm_until, machine.chance, machine.mark = 0.0, 0.0, calm, ENDLESS
        machine.disk = (0.003,)
        self.branching, machine.asks, seen = None, False, []
        for last in (False, True):
            if self.is_content and not last and not (machine.excuses or machine.had_stragglers or given.rival):
                continue
            machine.rest((machine.now + 400.0) // _EPOCH * _EPOCH + _EPOCH)
            here = situation(machine, machine.moment(self._step(self.runs + 1)))
            if here is not None:
                seen.append((last, given.is_short, given.is_stored, given.goals[self.goal], here))
                if seen[-1] in _known and machine.log is None and not machine.violations:
                    break
            process = self._process()
            machine.run()
            if process.failure is not None:
                machine.violation(f"the last run is refused: {process.failure.diagnostics[0].summary}")
                return
            self._check(process.result, last)
        if not machine.violations and len(_known) < 100_000:
            _known.update(seen)

    def _check(self, report: Report, last: bool) -> None:
        machine = self.machine
        if report.was_held:
            machine.violation("the lock is never free")
            return
        if report.unclear or any(d.code == "plan.already-exists" for d in report.problems):
            if not machine.excuses:
                told = sorted(report.unclear) or [d.summary for d in report.problems]
                machine.violation(f"the user is asked about {', '.join(told)}")
            elif not report.unclear and FROZE not in machine.excuses:
                machine.violation("what only the user can settle is forgotten, and then in the way")
            return
        if report.problems:
            machine.violation(f"the last run fails: {report.problems[0].code} {report.problems[0].summary}")
        elif last:
            if report.plan is not None and report.plan.steps:
                machine.violation(f"a second apply would still {report.plan.steps[0].id}")
            self._require_applied("the end", report)
            self._require_told(report)

    def _require_applied(self, when: str, report: Report) -> None:
        """What is there is what was wanted, and what is recorded, unless the plan says that these two differ."""
        machine = self.machine
        snapshot = machine.memory.snapshot
        records = {r.id: r for r in snapshot.records.values()} if snapshot else {}
        there = machine.api.things
        wanted = self._configuration().resources
        if lost := sorted(records.keys() - there.keys()):
            machine.violation(f"{when}: recorded, but not there: {', '.join(lost)}")
        if not machine.excuses and (extra := sorted(there.keys() - records.keys())):
            machine.violation(f"{when}: there, but not recorded: {', '.join(extra)}")
        if {r.address for r in records.values()} != set(wanted):
            machine.violation(f"{when}: not everything is made, or too much")
        for one, record in records.items():
            if record.kind != "mcp_server" or one not in there or record.address not in wanted:
                continue
            shown = there[one].item["metadata"].get("displayName")
            if shown != wanted[record.address].attributes["display_name"]:
                machine.violation(f"{when}: {record.address} is called {shown}, which isn't what was wanted")
            told = {change.address for change in report.plan.drift} if report.plan else set()
            if shown != record.attributes["display_name"] and record.address not in told:
                machine.violation(f"{when}: {record.address} is called {shown}, which isn't what is recorded")

    def _require_told(self, report: Report) -> None:
        """Whatever is there twice is told of."""
        api = self.machine.api
        snapshot = self.machine.memory.snapshot
        records = snapshot.records.values() if snapshot else ()
        told = " ".join(d.summary for d in report.duplicates)
        for record in records:
            for twin in api.alike(api.things[record.id]) if record.id in api.things else ():
                if twin.id != record.id and twin.id not in told:
                    self.machine.violation(f"{twin.id} is there beside {record.id}, and nobody is told")


_okta = cache(lambda patience: OktaProvider(quarantine=patience))
_small = cache(SmallProvider)


def _jump(machine: Machine, _: Any, seconds: float, __: Any) -> None:
    machine.step += seconds
    machine.said("the wall clock is moved by", seconds)


def play(given: Script, off: frozenset[str] = frozenset(), keep_log: bool = False) -> Outcome:
    """The history by itself, sharing nothing."""
    restore = switch_off(off)
    try:
        return History(given, off, keep_log).outcome()
    finally:
        restore()


def shrink(given: Script, off: frozenset[str] = frozenset()) -> Script:
    """As little as still goes wrong: without this or that crash, freeze, rival and sort of fate."""
    while True:
        for simpler in _simpler(given):
            if play(simpler, off).violations:
                given = simpler
                break
        else:
            return given


def _simpler(given: Script) -> Iterator[Script]:
    plain = {"rival": 0.0, "freeze_at": 0, "freezes_at": "", "lag": 0.0, "ignores": 0.0, "step": 0.0, "rate": 0.0}
    for name, least in {**plain, "jump": (0.0, 0.0)}.items():
        if getattr(given, name) != least:
            yield replace(given, **{name: least})
    for place in range(len(given.crashes)):
        yield replace(given, crashes=given.crashes[:place] + given.crashes[place + 1 :])
    # Effects are counted otherwise as soon as something else is simpler.
    for at in range(1, 100) if given.crashes and (len(given.crashes) > 1 or given.rate) else ():
        yield replace(given, crashes=(Crash(at),), rate=0.0)
    if len(given.goals) > 1:
        yield replace(given, goals=given.goals[:-1])
    for fate in given.fates if len(given.fates) > 1 else ():
        yield replace(given, fates=tuple(other for other in given.fates if other != fate))
