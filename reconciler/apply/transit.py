"""Lifecycle steps: command an event, await a state, pass a gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from reconciler.apply.edit import Drop, Edit, Put
from reconciler.apply.gates import PROBED
from reconciler.apply.journal import Entry, journalled
from reconciler.apply.task import StepResult, Task
from reconciler.apply.waiting import Judgement, Waited, wait_until
from reconciler.model.address import Address
from reconciler.model.diagnostic import Cause, Diagnostic, Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.plan.step import Op
from reconciler.ports import Conversation, Now, Target, Together
from reconciler.readiness.gate import CheckResult, Evidence, Verdict, check_active, is_open, tally
from reconciler.readiness.trouble import findings


def transition(task: Task, about: Entry) -> Conversation[StepResult]:
    """Look first: what is already so needs no command."""
    step, target = task.step, task.target()
    event = step.event or ""
    seen = yield from task.provider.look(target)
    if seen is None:
        return _failure(task, Waited(Judgement.HOPELESS, seen, 0.0))
    if seen.status is step.target:
        return _success(task, seen, f"already {seen.status}")
    if task.lifecycle.find(seen.status, event) is None:
        return StepResult((Put(task.seen_again(seen)),), seen.id, diagnostics=(_no_way(task, seen),))
    shut = yield from _shut_again(task)
    if shut is not None:
        return shut
    yield from journalled(task.provider.transition(target, event), about)
    return (yield from _arrival(task, target))


def await_state(task: Task, about: Entry) -> Conversation[StepResult]:
    return (yield from _arrival(task, task.target()))


def _arrival(task: Task, target: Target) -> Conversation[StepResult]:
    why = f"waiting for {task.step.target}"
    waited = yield from wait_until(partial(task.provider.look, target), partial(_judge, task), why)
    if waited.end is not Judgement.REACHED:
        return _failure(task, waited)
    seen = waited.seen
    note = f"already {seen.status}" if seen is not None and seen.status is not task.step.target else ""
    return _success(task, seen, note)


def _judge(task: Task, seen: Observed | None) -> Judgement:
    step, event = task.step, task.step.event or ""
    if seen is None:
        if step.target is State.DELETED:
            return Judgement.REACHED
        is_expected = task.record is None and task.desired.discovered
        return Judgement.NOT_YET if is_expected else Judgement.DOUBTFUL
    if seen.status is step.target:
        return Judgement.REACHED
    can_follow = task.lifecycle.find(seen.status, event) is not None
    if seen.status is State.INVALID:
        return Judgement.DOUBTFUL if can_follow else Judgement.HOPELESS
    is_past = step.op is Op.AWAIT and bool(event) and not can_follow
    return Judgement.REACHED if is_past else Judgement.NOT_YET


def _success(task: Task, seen: Observed | None, note: str) -> StepResult:
    return StepResult(_edits(task, seen), seen.id if seen else None, note)


def _edits(task: Task, seen: Observed | None) -> tuple[Edit, ...]:
    if seen is not None:
        return (Put(task.seen_again(seen)),)
    return (Drop(task.step.address),) if task.step.target is State.DELETED else ()


def _failure(task: Task, waited: Waited[Observed | None]) -> StepResult:
    step, seen = task.step, waited.seen
    edits = _edits(task, seen) if seen is not None else ()
    interrupted = waited.end is Judgement.INTERRUPTED
    if interrupted:
        found = seen.status if seen else "not there yet"
        summary = f"Stopped waiting for {step.address} to become {step.target}; it is {found}"
        way_on = "Run apply again to go on from here."
        every = Cause(
            "Stopped waiting for the live system", f"{step.address} becomes {step.target}", way_on, "What isn't over:"
        )
        problem = error("apply.interrupted", summary, way_on, address=step.address, cause=every)
    elif seen is not None and seen.status is State.INVALID:
        problem = _invalid(task, seen)
    elif waited.end is Judgement.TOO_LATE:
        found = seen.status if seen else "not there"
        problem = error(
            "gate.not-ready",
            f"{step.address} is still {found} after {waited.seconds:.0f} s, and should be {step.target}",
            "Nothing is lost: run apply again to wait further.",
            address=step.address,
        )
    else:
        problem = error(
            "apply.gone",
            f"{step.address} is no longer there",
            "It was deleted by someone else meanwhile. Run plan again to make it anew.",
            address=step.address,
        )
    return StepResult(edits, seen.id if seen else None, "", (problem,), interrupted)


def _no_way(task: Task, seen: Observed) -> Diagnostic:
    step = task.step
    if seen.status is State.INVALID:
        return _invalid(task, seen)
    return error(
        "apply.unexpected-state",
        f"{step.address} is {seen.status} now, and can't {step.event} from there",
        "It was changed by someone else since the plan was made. Run plan again.",
        address=step.address,
    )


def _invalid(task: Task, seen: Observed) -> Diagnostic:
    reason = f": {seen.reason}" if seen.reason else ", and doesn't say why"
    return error(
        "apply.invalid",
        f"{task.step.address} should become {task.step.target}, but the live system finds it INVALID{reason}",
        "Correct what it objects to, then run plan: it shows the way back.",
        address=task.step.address,
    )


def verify(task: Task, about: Entry) -> Conversation[StepResult]:
    """Look at everything the step needs, then make the checks of its gate. What the live system says gets the grace in
    which answers may be old; what foreign hosts answer is asked with a patience of its own."""

    def look() -> Conversation[tuple[Evidence, ...]]:
        found: tuple[Evidence, ...] = yield Together([_evidence(task, address) for address in task.step.needs])
        return found

    def judge(found: tuple[Evidence, ...]) -> Judgement:
        return Judgement.REACHED if is_open(map(check_active, found)) else Judgement.DOUBTFUL

    waited = yield from wait_until(look, judge, "waiting for what it needs to be ready")
    checks = tuple(map(check_active, waited.seen))
    if waited.end is Judgement.REACHED:
        checks += yield from _probe(task, waited.seen)
    # What is proven first: what could not be found out is often so because of it.
    ranked = sorted(checks, key=lambda check: check.verdict is not Verdict.FAIL)
    shut = findings(task.step.address, ranked)
    if shut:
        interrupted = waited.end is Judgement.INTERRUPTED
        return StepResult(diagnostics=shut, was_interrupted=interrupted, checks=checks)
    return StepResult(note=tally(checks) if checks else "", checks=checks)


def _probe(task: Task, evidence: Sequence[Evidence]) -> Conversation[tuple[CheckResult, ...]]:
    gates, step = task.gates, task.step
    if gates is None or step.kind not in PROBED:
        return ()
    now: float = yield Now()
    gates.seen.update({each.address: (now, each.observed) for each in evidence if not each.unknown})
    related = gates.related(step.address, step.needs)
    observed = gates.recent((*step.needs, *related), now)
    found: tuple[Evidence, ...] = yield Together([_evidence(task, a) for a in sorted(related - observed.keys())])
    gates.seen.update({each.address: (now, each.observed) for each in found if not each.unknown})
    observed |= {each.address: each.observed for each in found if not each.unknown}
    return (yield from gates.judge(step.address, step.needs, observed))


def _shut_again(task: Task) -> Conversation[StepResult | None]:
    """An activation that had to wait for its turn passes its gate again, if the evidence has become too old."""
    step, gates = task.step, task.gates
    passage = gates.found.get(step.address) if gates is not None and step.target is State.ACTIVE else None
    if gates is None or passage is None:
        return None
    now: float = yield Now()
    gate = next((s for s in task.plan.steps if s.op is Op.VERIFY and s.address == step.address), None)
    if gate is None or now - passage.at <= gates.max_age:
        return None
    result = yield from verify(replace(task, step=gate), {})
    return result if result.diagnostics else None


def _evidence(task: Task, address: Address) -> Conversation[Evidence]:
    record = task.snapshot.records.get(address)
    if record is None:
        return Evidence(address)
    try:
        seen = yield from task.provider.look(task.target_of(record))
    except Refused as refused:
        return Evidence(address, unknown="; ".join(diagnostic.summary for diagnostic in refused.diagnostics))
    return Evidence(address, seen)
