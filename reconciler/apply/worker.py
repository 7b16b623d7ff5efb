"""One step of a plan as a conversation: what to ask of the live system, and what to remember of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reconciler.apply.edit import Drop, Put, Rename, encode_edit
from reconciler.apply.gates import Gates
from reconciler.apply.journal import Entry, journalled
from reconciler.apply.record import encode_record
from reconciler.apply.task import StepResult, Task
from reconciler.apply.transit import await_state, transition, verify
from reconciler.apply.waiting import INTERRUPTED
from reconciler.diff import differences, is_alike
from reconciler.keeping import Leftover
from reconciler.kinds import kinds
from reconciler.model.diagnostic import Diagnostic, Refused, warning
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, Observed, Record
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.step import Op, Step
from reconciler.ports import Conversation, Foreign, Incomplete, Journal, Provider, Remote, Target


def perform_step(
    step: Step, plan: Plan, snapshot: Snapshot, provider: Provider, gates: Gates | None = None
) -> Conversation[StepResult]:
    """Perform `step` against the live system; `snapshot` is what is recorded as it starts.

    Never raises Refused: what went wrong is in the result. Every write is journalled before it is sent and after, and
    what the step changes of the snapshot at its end.
    """
    task = Task(step, plan, snapshot, provider, gates)
    about = {"address": str(step.address), "op": str(step.op)}
    try:
        remembered = _REMEMBERED.get(step.op)
        result = remembered(task) if remembered else (yield from _TALKED[step.op](task, about))
    except Refused as refused:
        result = StepResult(diagnostics=_located(step, refused), was_interrupted=_is_interrupt(refused))
    if not result.edits:
        return result
    kind = "adopted" if step.op is Op.ADOPT else "done"
    try:
        yield Journal({"kind": kind, **about, "edits": [encode_edit(edit) for edit in result.edits]})
    except Refused as refused:
        return replace(result, diagnostics=(*result.diagnostics, *_located(step, refused)))
    return result


def _located(step: Step, refused: Refused) -> tuple[Diagnostic, ...]:
    return tuple(d if d.address else replace(d, address=step.address) for d in refused.diagnostics)


def _is_interrupt(refused: Refused) -> bool:
    """Whether only the user's wish to stop kept it from going on."""
    return any(diagnostic.code == INTERRUPTED for diagnostic in refused.diagnostics)


def _create(task: Task, about: Entry) -> Conversation[StepResult]:
    target = task.desired_target()
    answers: list[str] = []
    making = journalled(task.provider.create(target), {**about, **_recognition(task, target)}, answers)
    try:
        observed = yield from making
    except Refused as refused:
        if isinstance(refused, Foreign):
            # Or whoever reads of the lost answers would find it by its natural key, and take it for ours.
            yield Journal({"kind": "abandoned", **about})
        left = yield from _left_behind(task, target, refused, "done" in answers)
        edits = (Put(task.recorded_as(left)),) if left else ()
        return StepResult(edits, left.id if left else None, "", _located(task.step, refused), _is_interrupt(refused))
    note = "found after a lost answer" if "lost" in answers else ""
    return StepResult((Put(task.recorded_as(observed)),), observed.id, note)


def _left_behind(task: Task, target: Target, refused: Refused, was_taken: bool) -> Conversation[Observed | None]:
    """What a failed creation left: if the live system took our request, the object is ours to remember."""
    if isinstance(refused, Incomplete):
        return refused.observed
    try:
        return (yield from task.provider.look(target)) if was_taken else None
    except Refused:
        return None


def _recognition(task: Task, target: Target) -> dict[str, Any]:
    """What a creation is recognised by, should its outcome never be recorded."""
    links = {role: remote.handle or remote.id for role, remote in target.refs.items()}
    key = kinds()[target.kind].key_of(target.attributes, links)
    parent = task.snapshot.records.get(target.address.parent) if target.address.parent else None
    desired = task.desired
    needs = tuple(Need(need.target, need.sort) for need in desired.needs)
    unborn = Record(desired.address, desired.kind, "", desired.attributes, State.PENDING, needs, desired.refs)
    unborn = replace(unborn, protect=desired.protect, discovered=desired.discovered, secrets=task.sent_fingerprints())
    return {
        "natural_key": key,
        "parent_id": parent.id if parent else None,
        "record": encode_record(unborn),
    }


def _update(task: Task, about: Entry) -> Conversation[StepResult]:
    record, desired = task.record, task.desired
    if record is None:
        raise task.refusal("apply.missing-reference", f"{task.step.address} is not recorded", "Run plan again.")
    if not task.step.changed:
        needs = tuple(Need(need.target, need.sort) for need in desired.needs)
        renewed = replace(
            record, attributes=desired.attributes, needs=needs, refs=desired.refs, protect=desired.protect
        )
        return StepResult((Put(renewed),), record.id)
    target = task.desired_target(Remote(record.id, record.handle))
    meant = replace(record, attributes=desired.attributes, refs=desired.refs, protect=desired.protect)
    meant = replace(meant, secrets={**record.secrets, **task.sent_fingerprints()})
    about = {**about, "record": encode_record(meant)}
    observed = yield from journalled(task.provider.update(target, frozenset(task.step.changed)), about)
    return StepResult((Put(task.recorded_as(observed)),), observed.id, "", _meddled(task, observed))


def _meddled(task: Task, observed: Observed) -> tuple[Diagnostic, ...]:
    """What others changed of the object since it was planned: nothing keeps them from it, but it is told."""
    desired, kind = task.desired, kinds()[task.step.kind]
    left = desired.attributes.keys() - {*task.step.changed, *desired.ignores} - kind.write_only
    wanted = {name: desired.attributes[name] for name in left if name in observed.attributes}
    found = differences(observed.attributes, wanted, kind)
    names = sorted({d.path[0] for d in found if not is_alike(d.before, d.after)})
    if not names:
        return ()
    told = f"{desired.address} was changed by somebody else since it was planned: {', '.join(names)}"
    return (warning("apply.changed-meanwhile", told, "The next plan tells what is there.", address=desired.address),)


def _delete(task: Task, about: Entry) -> Conversation[StepResult]:
    record = task.record
    if record is None:
        return StepResult(note="already gone")
    about = {**about, "record": encode_record(record)}
    told: tuple[Diagnostic, ...] = ()
    try:
        yield from journalled(task.provider.delete(task.target_of(record)), about)
    except Leftover as left:
        told = left.diagnostics
    return StepResult((Drop(record.address),), record.id, diagnostics=told)


def _adopt(task: Task, about: Entry) -> Conversation[StepResult]:
    remote_id = task.step.remote_id or ""
    observed = yield from task.provider.look(task.desired_target(Remote(remote_id)))
    if observed is None:
        raise task.refusal(
            "apply.gone", f"There is no object {remote_id} to import as {task.step.address}", "Run plan again."
        )
    # What a later step still changes is recorded as it was found, lest a failure there passes for drift.
    changed = {n for s in task.plan.steps if (s.address, s.op) == (task.step.address, Op.UPDATE) for n in s.changed}
    kept = {name: value for name, value in task.desired.attributes.items() if name not in changed}
    found = {name: value for name, value in observed.attributes.items() if name in changed}
    return StepResult((Put(task.recorded_as(observed, {**kept, **found})),), observed.id)


def _move(task: Task) -> StepResult:
    source = task.step.source
    if source is None or source not in task.snapshot.records:
        return StepResult(note="already moved")
    return StepResult((Rename(source, task.step.address),), task.snapshot.records[source].id)


def _forget(task: Task) -> StepResult:
    record = task.record
    return StepResult((Drop(task.step.address),), record.id if record else None)


_REMEMBERED: dict[Op, Callable[[Task], StepResult]] = {Op.MOVE: _move, Op.FORGET: _forget}
_TALKED: dict[Op, Callable[[Task, Entry], Conversation[StepResult]]] = {
    Op.CREATE: _create,
    Op.UPDATE: _update,
    Op.TRANSITION: transition,
    Op.AWAIT: await_state,
    Op.VERIFY: verify,
    Op.DELETE: _delete,
    Op.ADOPT: _adopt,
}
