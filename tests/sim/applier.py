"""One run of the program as a conversation: what `reconciler.pipeline` does, over the simulator's store and clock."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

from reconciler.apply.event import Outcome
from reconciler.apply.observing import observe
from reconciler.apply.recovery import find_out
from reconciler.apply.sweep import find_duplicates
from reconciler.apply.walker import Walk
from reconciler.apply.worker import perform_step
from reconciler.config.configuration import Configuration
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.planner import Facts, Options, make_plan
from reconciler.ports import Provider, Sleep
from tests.sim.machine import Do, Fiber, Park, Process

ALLOWED = frozenset({"mass-deletion", "replace-active"})
_plans: dict[Any, Plan] = {}
FINAL = {"lock.lost", "state.unwritable", "stale.journal"}


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
    session, off = process.session, process.machine.off
    for _ in range(8):
        if (yield Do("lock", lambda: session.acquire(process, process.machine.now))):
            break
        yield Sleep(40.0, "the lock is held")
    else:
        return Report(was_held=True)
    snapshot: Snapshot = yield Do("read", session.read)
    entries = yield Do("tail", session.tail)
    report = Report()
    if entries:
        found, observed = yield from find_out(snapshot, entries, provider, process.moment())
        report.unclear = frozenset(found.unclear)
        if "kept" not in off:
            yield Do("keep", lambda: session.append(found.kept))
        snapshot = yield from _written(process, found.snapshot)
    else:
        observed = yield from observe(snapshot, provider)
    report.duplicates = () if "sweep" in off else find_duplicates(snapshot, observed)
    report.plan = _plan(configuration, snapshot, observed, report.unclear)
    report.problems = tuple(d for d in report.plan.diagnostics if d.is_error)
    if report.plan.steps and not report.problems:
        process.serial = snapshot.serial
        walk = Walk(report.plan.steps, snapshot)
        report.problems += yield from _walked(process, report.plan, walk, provider)
        yield Do("flush", process.flush)
        yield from _written(process, walk.snapshot())
    yield Do("unlock", lambda: session.release(process))
    return report


def _written(process: Process, snapshot: Snapshot) -> Generator[Any, Any, Snapshot]:
    session = process.session
    if "order" in process.machine.off:
        yield Do("settle", session.settle)
        written: Snapshot = yield Do("write", lambda: session.write(snapshot))
        return written
    written = yield Do("write", lambda: session.write(snapshot))
    yield Do("settle", session.settle)
    return written


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
        excluded = unclear & {*configuration.resources, *snapshot.records}
        facts = Facts(configuration, snapshot, tuple(observed), "default", "2026-01-01T00:00:00Z", "sim", "sim")
        found = _plans[key] = make_plan(facts, Options(allowed=ALLOWED, excludes=excluded))
    return found


def _walked(process: Process, plan: Plan, walk: Walk, provider: Provider) -> Generator[Any, Any, Any]:
    """At most three steps at once, as `apply.session` walks them."""
    problems: list[Diagnostic] = []
    running: set[str] = set()
    is_stopped = False
    over = Park()

    def start() -> None:
        while len(running) < 3 and not is_stopped:
            step = walk.take()
            if step is None:
                break
            running.add(step.id)
            Fiber(process, perform_step(step, plan, walk.view, provider), lambda r, f, s=step: ended(s, r, f)).resume()
        if not running:
            over.open()

    def ended(step: Any, result: Any, failure: Any) -> None:
        nonlocal is_stopped
        if failure is not None:
            raise AssertionError(f"{step.id} raised {failure}")
        running.discard(step.id)
        problems.extend(result.diagnostics)
        if result.diagnostics:
            walk.finish(step, Outcome.FAILED, result.edits)
            is_stopped |= any(d.code in FINAL for d in result.diagnostics)
            walk.skip_after(step, step.address)
        else:
            walk.finish(step, Outcome.DONE, result.edits)
        start()

    yield Do("walk", start)
    yield over
    return tuple(problems)
