"""What was done, counted in resources as Terraform counts them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.apply.event import Outcome
from reconciler.model.address import Address
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.plan.step import Op, Step

_MAKING = (Op.CREATE, Op.AWAIT)
_UNMAKING = (Op.DELETE, Op.FORGET)
"""What the live system makes or removes on its own account is awaited or forgotten, and counts as well."""


class Tally(NamedTuple):
    added: int = 0
    changed: int = 0
    destroyed: int = 0
    imported: int = 0


def count_done(plan: Plan, outcomes: Mapping[str, Outcome]) -> Tally:
    """A replacement adds one and destroys one, each counted when it is done; a change counts once all of it is."""
    steps: defaultdict[Address, list[Step]] = defaultdict(list)
    for step in plan.steps:
        steps[step.address].append(step)
    added = changed = destroyed = imported = 0
    for change in plan.changes:
        own = steps.get(change.address, [])
        done = {step.op for step in own if _is_done(step, outcomes)}
        added += _adds(change) and any(op in done for op in _MAKING)
        destroyed += _destroys(change) and any(op in done for op in _UNMAKING)
        imported += change.importing is not None and Op.ADOPT in done
        rest = [step for step in own if step.op not in (Op.ADOPT, Op.MOVE)]
        changed += change.action is Action.UPDATE and bool(rest) and all(_is_done(step, outcomes) for step in rest)
    return Tally(added, changed, destroyed, imported)


def _is_done(step: Step, outcomes: Mapping[str, Outcome]) -> bool:
    return outcomes.get(step.id) is Outcome.DONE


def _adds(change: Change) -> bool:
    return change.action in (Action.CREATE, Action.REPLACE)


def _destroys(change: Change) -> bool:
    return change.action in (Action.DELETE, Action.REPLACE)
