"""One seed, one history: a configuration is applied by runs that crash, freeze and are cut off; then all must be well.

What must hold, at every step and at the end
1. No send without a durable intent of its own.
2. Nothing is made twice, unless a proxy delivered a request twice or a process slept between its last look at the lease
   and its send (an *excuse*): then every surplus object is told of, and the recorded one is one of them.
3. No lifecycle command that the state doesn't allow.
4. No write to the store by a run that lost its lease.
5. At the end what is recorded is what is there, and a second apply has nothing to do.
6. Nobody is asked anything, unless there was an excuse.
7. A run that says it succeeded leaves what it was asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from random import Random
from typing import Any

from reconciler.apply.bookkeeping import NewId, Settle, Write
from reconciler.config.configuration import Configuration
from reconciler.okta.family import Family
from reconciler.okta.provider import OktaProvider
from tests.sim.api import Api
from tests.sim.applier import Report, run
from tests.sim.machine import FATES, Machine, Process
from tests.sim.memory import Memory
from tests.sim.small import SmallProvider
from tests.unit.plan.stage import client, configured, external, server

RULES = {
    "intent": "an intent is journalled before every send",
    "durable": "the intent is durable before the send",
    "rejournal": "a new intent before every further send",
    "quarantine": "after a crash, what isn't there is not made again before it can't come any more",
    "patience": "within a run, a lost creation is not sent again before it can't come any more",
    "adopt": "what an interrupted creation made is looked for",
    "keep": "an intent of which nobody knows what came outlives the snapshot",
    "kept": "what only the user can settle is journalled again",
    "order": "the journal is forgotten after the snapshot is written",
    "fence": "the store refuses a run that lost its lease",
    "lease": "no send when the lease is lost or nearly",
    "expiry": "a lease is taken over only after it expired",
    "read-back": "what was written is read back",
    "sweep": "objects that are there twice are told of",
}
"""The rules that can be switched off, one at a time, to see that a history notices."""


@dataclass(frozen=True)
class Script:
    """What chance decides before a history begins; shrinking takes away from it."""

    seed: int
    goals: tuple[int, ...]
    is_short: bool = False
    """Of MCP servers alone, with the small provider."""
    crashes: tuple[int, ...] = ()
    """Effects of the successive runs at which each crashes; 0 for none."""
    rate: float = 0.0
    fates: tuple[str, ...] = FATES
    rival: float = 0.0
    """When a second run of the same configuration starts; 0 for never."""
    freeze_at: int = 0
    gap: bool = False
    is_unique: bool = False
    lag: float = 0.0
    ignores: float = 0.0
    expires: bool = False
    step: float = 0.0
    same_boot: bool = True


@dataclass
class Outcome:
    script: Script
    violations: list[str]
    excuses: list[str]
    runs: int
    effects: int
    log: list[str] = field(default_factory=list)


@cache
def goals() -> tuple[Configuration, ...]:
    """The configurations that are applied: alone, renamed, two, a whole one with all its kinds, none."""
    bare = {"status": "inactive", "display_name": "One"}
    issuing = {"authorization_servers": {"e": external()}}
    one = {"a": server("e", url="https://a.example", **bare)}
    two = {**one, "b": server("e", url="https://b.example", **bare)}
    whole = {
        **issuing,
        "client_registrations": {"c": client("e")},
        "mcp_servers": {"a": server("e", url="https://a.example", display_name="One")},
    }
    renamed = {"a": {**one["a"], "display_name": "Two"}}
    shells = [_alone(configured({**issuing, "mcp_servers": servers})) for servers in (one, renamed, two)]
    return (*shells, configured(whole), configured({}))


def _alone(configuration: Configuration) -> Configuration:
    """Its MCP servers without what is nested in them, which makes for short histories."""
    kept = {a: replace(r, needs=()) for a, r in configuration.resources.items() if r.kind == "mcp_server"}
    return replace(configuration, resources=kept)


_SHORT = ((0,), (0,), (0,), (0,), (0,), (0, 1), (0, 4), (2,))
_WHOLE = ((0,), (0, 1), (0, 4), (2,), (3,), (3,), (3, 4))


def script(seed: int, is_short: bool) -> Script:
    random = Random(seed)
    chance = random.random
    path = random.choice(_SHORT if is_short else _WHOLE)
    longest = 150 if 3 in path else 40 if path == (2,) else 22
    crashes = tuple(random.randrange(1, longest) for _ in range(random.choice((0, 1, 1, 2, 3))))
    two = chance() < 0.2
    freezes = two or chance() < 0.05
    same_boot = chance() < 0.8
    doubles = chance() < 0.05
    return Script(
        seed=seed,
        goals=path,
        is_short=is_short,
        crashes=crashes,
        rate=0.5 if doubles else random.choice((0.0, 0.1, 0.2, 0.4)),
        fates=("twice",) if doubles else tuple(fate for fate in FATES if fate != "twice"),
        rival=random.uniform(0.01, random.choice((0.2, 5.0))) if two else 0.0,
        freeze_at=random.randrange(1, longest) if freezes else 0,
        gap=freezes and chance() < 0.05,
        is_unique=chance() < 0.3,
        lag=random.choice((0.0, 0.0, 1.0, 6.0)),
        ignores=0.1 if chance() < 0.1 else 0.0,
        expires=chance() < 0.7,
        step=random.choice((0.0, 0.0, -7200.0, 259_200.0 if same_boot else -60.0)),
        same_boot=same_boot,
    )


class History:
    def __init__(self, given: Script, off: frozenset[str] = frozenset(), keep_log: bool = False) -> None:
        self.script = given
        self.off = off
        self.random = Random(given.seed * 7919 + 17)
        self.calm = False
        random = self.random.random
        lag, ignores = given.lag, given.ignores
        api = Api(
            given.is_unique,
            lag=(lambda: lag * random()) if lag else (lambda: 0.0),
            ignores=lambda: not self.calm and ignores > 0 and random() < ignores,
        )
        self.machine = Machine(self.random, api, Memory(given.expires, off), off)
        self.machine.same_boot = given.same_boot
        self.machine.fates = given.fates or ("429",)
        self.machine.log = [] if keep_log else None
        patience = 0.0 if "patience" in off else 60.0
        self.provider: Any = _small(patience, "read-back" not in off) if given.is_short else _okta(patience)
        self.crashes = list(given.crashes)
        self.runs = self.effects = 0
        self.is_content = False
        self.configuration: Any = None

    def outcome(self) -> Outcome:
        restore = switch_off(self.off)
        try:
            for number, goal in enumerate(self.script.goals):
                self.configuration = goals()[goal]
                self._reach(is_first=number == 0)
            self._conclude()
        finally:
            restore()
        machine = self.machine
        for what in () if machine.had_stragglers or machine.excuses else machine.api.illegal:
            machine.violation(f"illegal: {what}")
        if machine.memory.stale_writes:
            machine.violation("a run without its lease wrote to the store")
        return Outcome(self.script, machine.violations, machine.excuses, self.runs, self.effects, machine.log or [])

    def _process(self, **more: Any) -> Process:
        self.runs += 1
        process = Process(self.machine, f"run{self.runs}", **more)
        # On one boot the wall clock may jump as it likes; between machines, ours are taken not to run ahead.
        process.step = self.script.step * (self.runs % 2 if self.script.same_boot else self.runs)
        process.start(run(process, self.configuration, self.provider))
        return process

    def _reach(self, is_first: bool) -> None:
        """Runs until one gets to its end; the rival joins the first of them."""
        machine, given = self.machine, self.script
        machine.rate = given.rate
        for attempt in range(6):
            if attempt >= 4:
                machine.rate = 0.0
            crash = self.crashes.pop(0) if self.crashes else 0
            freeze = given.freeze_at if is_first and attempt == 0 else 0
            processes = [self._process(crash_at=crash, freeze_at=freeze, gap=given.gap)]
            if is_first and attempt == 0 and given.rival:
                machine.run(machine.now + given.rival)
                processes.append(self._process())
            machine.run()
            self.effects += sum(p.effects for p in processes)
            content = [process for process in processes if self._is_content(process)]
            self.is_content = bool(content)
            if self.is_content:
                return

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
        machine.rate, self.calm = 0.0, True
        self.crashes.clear()
        for last in (False, True):
            if self.is_content and not last and not (machine.excuses or machine.had_stragglers or given.rival):
                continue
            machine.rest(machine.now + 400.0)
            process = self._process()
            machine.run()
            self.effects += process.effects
            if process.failure is not None:
                machine.violation(f"the last run is refused: {process.failure.diagnostics[0].summary}")
                return
            self._check(process.result, last)

    def _check(self, report: Report, last: bool) -> None:
        machine = self.machine
        if report.was_held:
            machine.violation("the lock is never free")
            return
        if report.unclear or any(d.code == "plan.already-exists" for d in report.problems):
            if not machine.excuses:
                told = sorted(report.unclear) or [d.summary for d in report.problems]
                machine.violation(f"the user is asked about {', '.join(told)}")
            elif not report.unclear:
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
        records = {r.id: r for r in machine.memory.snapshot.records.values()} if machine.memory.snapshot else {}
        there = machine.api.things
        wanted = self.configuration.resources
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
        records = self.machine.memory.snapshot.records.values() if self.machine.memory.snapshot else ()
        told = " ".join(d.summary for d in report.duplicates)
        for record in records:
            for twin in api.alike(api.things[record.id]) if record.id in api.things else ():
                if twin.id != record.id and twin.id not in told:
                    self.machine.violation(f"{twin.id} is there beside {record.id}, and nobody is told")


_okta = cache(lambda patience: OktaProvider(quarantine=patience))
_small = cache(SmallProvider)


def switch_off(off: frozenset[str]) -> Callable[[], None]:
    """Replace what makes a rule of the engine itself; the way back."""
    from reconciler.apply import bookkeeping, recovery, sweep

    kept = (recovery.seconds_left, recovery._is_it, Family.prove)
    others = (bookkeeping.writing, recovery.Recovered.kept, sweep._warnings)
    if "quarantine" in off:
        recovery.seconds_left = lambda entry, now: 0.0
    if "adopt" in off:
        recovery._is_it = lambda *given: False
    if "read-back" in off:
        Family.prove = _unproven  # type: ignore[method-assign, assignment]

    if "order" in off:
        bookkeeping.writing = _forgotten_first
    if "kept" in off:
        recovery.Recovered.kept = ()  # type: ignore[method-assign, assignment]
    if "sweep" in off:
        sweep._warnings = lambda *given: iter(())

    def restore() -> None:
        bookkeeping.writing, recovery.Recovered.kept, sweep._warnings = others  # type: ignore[method-assign]
        recovery.seconds_left, recovery._is_it, Family.prove = kept  # type: ignore[method-assign]

    return restore


def _forgotten_first(snapshot: Any, plan: str = "") -> Any:
    """The journal is forgotten before the snapshot is written."""
    yield Settle()
    lineage = snapshot.lineage or (yield NewId())
    newer = replace(snapshot, lineage=lineage, serial=snapshot.serial + 1)
    yield Write(newer, plan)
    return newer


def _unproven(family: Family, target: Any, wanted: Any) -> Any:
    """Takes the live system's word for it."""
    seen = yield from family.look(target)
    assert seen is not None
    return replace(seen, attributes={**seen.attributes, **wanted})


def play(seed: int, is_short: bool = False, off: frozenset[str] = frozenset()) -> Outcome:
    return History(script(seed, is_short), off).outcome()


def shrink(given: Script, off: frozenset[str] = frozenset()) -> Script:
    """As little as still goes wrong: without this or that crash, freeze, rival and sort of fate."""
    while True:
        for simpler in _simpler(given):
            if History(simpler, off).outcome().violations:
                given = simpler
                break
        else:
            return given


def _simpler(given: Script) -> Iterator[Script]:
    plain = {"rival": 0.0, "freeze_at": 0, "gap": False, "lag": 0.0, "ignores": 0.0, "step": 0.0, "rate": 0.0}
    for name, least in plain.items():
        if getattr(given, name) != least:
            yield replace(given, **{name: least})
    for place, crash in enumerate(given.crashes):
        yield replace(given, crashes=given.crashes[:place] + given.crashes[place + 1 :])
        if crash:
            yield replace(given, crashes=(*given.crashes[:place], 0, *given.crashes[place + 1 :]))
    if len(given.goals) > 1:
        yield replace(given, goals=given.goals[:-1])
    for fate in given.fates if len(given.fates) > 1 else ():
        yield replace(given, fates=tuple(other for other in given.fates if other != fate))
