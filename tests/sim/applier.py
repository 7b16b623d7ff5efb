"""One run of the program as a conversation: what `reconciler.pipeline` does, over the simulator's store and clock."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from reconciler.apply import bookkeeping as books
from reconciler.apply.observing import observe
from reconciler.apply.sweep import find_duplicates
from reconciler.apply.task import StepResult
from reconciler.apply.undertaking import Applied, Means, Undertaking
from reconciler.config.configuration import Configuration
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.planner import Facts, Options, make_plan
from reconciler.plan.step import Step
from reconciler.ports import Provider, Sleep
from tests.sim.machine import Do, Fiber, Park, Process

ALLOWED = frozenset({"mass-deletion", "replace-active"})
_plans: dict[Any, Plan] = {}


@dataclass
class Report:
    """What a run says at its end."""

    plan: Plan | None = None
    problems: tuple[Diagnostic, ...] = ()
    """Of the plan, then of the steps."""
    unclear: frozenset[Address] = frozenset()
    duplicates: tuple[Diagnostic, ...] = ()
    was_held: bool = False


def run(process: Process, configuration: Configuration, provider: Provider) -> Generator[Any, Any, Report]:
    session = process.session
    for _ in range(8):
        if (yield Do("lock", lambda: session.acquire(process, process.machine.now))):
            break
        yield Sleep(40.0, "the lock is held")
    else:
        return Report(was_held=True)
    snapshot: Snapshot = yield Do("read", session.read)
    found, observed = yield from _kept(process, books.recovering(snapshot, provider, process.moment()))
    if observed is None:
        observed = yield from observe(snapshot, provider)
    report = Report(unclear=frozenset(found.unclear), duplicates=find_duplicates(found.snapshot, observed))
    report.plan = _plan(configuration, found.snapshot, observed, report.unclear)
    report.problems = tuple(d for d in report.plan.diagnostics if d.is_error)
    if report.plan.steps and not report.problems:
        means = Means(provider, parallelism=3)
        applied = yield from _kept(process, books.applying(report.plan, found.snapshot, means))
        report.problems = applied.diagnostics
        report.duplicates += yield from _kept(process, books.sweeping(applied, provider))
    yield Do("unlock", lambda: session.release(process))
    return report


def _kept(process: Process, account: books.Account[Any]) -> Generator[Any, Any, Any]:
    """The account's result, kept over the model of a store."""
    result: Any = None
    failure: Refused | None = None
    while True:
        try:
            effect = account.send(result) if failure is None else account.throw(failure)
        except StopIteration as end:
            return end.value
        failure = None
        try:
            sort = effect.__class__
            if sort is books.Ask:
                result = yield from effect.conversation
            elif sort is books.Undertake:
                result = yield from _undertaken(process, effect.undertaking)
            elif sort is books.NewId:
                result = process.name
            else:
                result = yield Do(sort.__name__, partial(books.enter, effect, process.session))
        except Refused as refused:
            failure = refused


def _undertaken(process: Process, undertaking: Undertaking) -> Generator[Any, Any, Applied]:
    """Its steps as fibers."""
    process.undertaking = undertaking
    under_way = 0
    over = Park()

    def begin() -> None:
        nonlocal under_way
        while begun := undertaking.begin():
            under_way += 1
            step, conversation = begun
            Fiber(process, conversation, lambda result, failure, step=step: end(step, result, failure)).resume()
        if not under_way:
            over.open()

    def end(step: Step, result: StepResult, failure: Refused | None) -> None:
        nonlocal under_way
        if failure is not None:
            raise AssertionError(f"{step.id} raised {failure}")
        under_way -= 1
        undertaking.end(step, result)
        begin()

    yield Do("begin", begin)
    yield over
    undertaking.give_up_rest()
    with suppress(Refused):
        yield Do("flush", process.flush)
    return undertaking.applied()


def _plan(configuration: Configuration, snapshot: Snapshot, observed: Any, unclear: frozenset[Address]) -> Plan:
    """Planning is pure, and most histories come by the same few situations."""
    key = (
        id(configuration),
        tuple([(r.address, r.id, r.status, r.attributes.get("display_name")) for r in snapshot.records.values()]),
        tuple([(o.kind, o.id, o.status, o.parent_id, o.attributes.get("display_name")) for o in observed]),
        unclear,
    )
    found = _plans.get(key)
    if found is None:
        if len(_plans) > 100_000:
            _plans.clear()
        facts = Facts(configuration, snapshot, tuple(observed), "default", "2026-01-01T00:00:00Z", "sim", "sim")
        found = _plans[key] = make_plan(replace(facts, unclear=unclear), Options(allowed=ALLOWED))
    return found
