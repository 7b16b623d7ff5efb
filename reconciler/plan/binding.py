"""A saved plan held against the live system as it is now: what was approved is performed, or less, but nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error, warning
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action
from reconciler.plan.document import Plan
from reconciler.plan.planner import Options
from reconciler.plan.step import Op, Step

_FEW = 5


def options_of(saved: Plan, targets: Iterable[Address] = ()) -> Options:
    """What has to be asked for to plan the same again. `targets` are for a plan that was about some resources only."""
    # What can't change in place is replaced for as long as that is so; only the rest was asked for, or follows.
    replaced = [c for c in saved.changes if c.action is Action.REPLACE and not any(d.replaces for d in c.differences)]
    return Options(
        operation=saved.basis.operation,
        targets=frozenset(targets),
        replaces=frozenset(change.address for change in replaced),
        allowed=saved.allowed,
    )


def leaves_out(saved: Plan, whole: Plan) -> bool:
    """Whether `saved` is about fewer resources than a plan of everything."""
    return bool({change.address for change in whole.changes} - {change.address for change in saved.changes})


def bind(saved: Plan, now: Plan, snapshot: Snapshot) -> Plan:
    """`saved`, without the steps that `now`, the plan as it would be made now, does without.

    Only resources that `saved` touches are compared. What is left out is said by warnings among the diagnostics.
    Raises Refused (`stale.observed`), naming the first difference, if another step would be needed.
    """
    touched = {step.address for step in saved.steps}
    approved = {step.id: step for step in saved.steps}
    problem = next((d for d in now.diagnostics if d.is_error and d.address in touched), None)
    if problem is not None:
        raise Refused([_changed(problem.summary, problem.address), problem])
    needed = [step for step in now.steps if step.address in touched]
    for step in needed:
        difference = _difference(step, approved.get(step.id), snapshot)
        if difference is not None:
            raise Refused([_changed(difference, step.address)])
    left_out = [step.id for step in saved.steps if step.id not in {step.id for step in needed}]
    if not left_out and all(_essence(step) == _essence(approved[step.id]) for step in needed if step.id in approved):
        return saved
    ids = {step.id for step in needed}
    changes = {change.address: change for change in now.changes}
    return replace(
        saved,
        steps=tuple(replace(step, waits=tuple(w for w in step.waits if w in ids)) for step in needed),
        desired={a: r for a, r in now.desired.items() if a in touched},
        changes=tuple(changes.get(c.address, c) if c.address in touched else c for c in saved.changes),
        diagnostics=(*saved.diagnostics, *([_unnecessary(left_out)] if left_out else [])),
    )


def _difference(step: Step, approved: Step | None, snapshot: Snapshot) -> str | None:
    """How the step is more than what was approved."""
    if approved is None:
        return None if _only_remembers(step, snapshot) else f"there would be one more step, {step.id}"
    extra = sorted(set(step.changed) - set(approved.changed))
    if extra:
        return f"{step.id} would change {', '.join(extra)} as well"
    if replace(_essence(step), changed=()) != replace(_essence(approved), changed=()):
        return f"{step.id} would be another step"
    return None


def _only_remembers(step: Step, snapshot: Snapshot) -> bool:
    record = snapshot.records.get(step.address)
    if step.op is Op.UPDATE:
        return not step.changed
    return step.op is Op.FORGET or (step.op is Op.ADOPT and record is not None and record.id == step.remote_id)


def _essence(step: Step) -> Step:
    """What it does; when its turn comes follows from the others."""
    return replace(step, waits=())


def _changed(what: str, address: Address | None) -> Diagnostic:
    told = f"The live system has changed since the plan was made: {what}"
    return error("stale.observed", told, "Nothing was applied. Run plan again.", address=address)


def _unnecessary(left_out: list[str]) -> Diagnostic:
    more = f" and {len(left_out) - _FEW} more" if len(left_out) > _FEW else ""
    number = "1 step has" if len(left_out) == 1 else f"{len(left_out)} steps have"
    return warning(
        "plan.unnecessary",
        f"{number} become unnecessary since the plan was made: {', '.join(left_out[:_FEW])}{more}",
        "Somebody else has brought that about. The rest of the plan is performed.",
    )
