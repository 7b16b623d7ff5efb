"""Secrets that have changed behind the same reference, told by fingerprints that others have taken.

The live system never shows a secret, so what it holds is known only by what was sent: the fingerprint that was recorded
then, against that of the secret as it is now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.diff import Difference
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, warning
from reconciler.model.resource import Resource
from reconciler.model.secret import Reference, describe, is_reference, secrets_sent
from reconciler.plan.document import Plan
from reconciler.plan.situation import Situation
from reconciler.plan.step import Op, Step

Fingerprints = Mapping[str, str]
"""By the shown form of a reference (`env:NAME`)."""


def references_in(resources: Iterable[Resource]) -> list[Reference]:
    """Every secret that the resources refer to."""
    return [value for resource in resources for value in resource.attributes.values() if is_reference(value)]


def rotated(situation: Situation, now: Fingerprints) -> tuple[Difference, ...]:
    """The attributes whose secret isn't the one that was sent, though the reference is the same."""
    return tuple(Difference((name,), ref, ref, secret=True) for name, ref, _, _ in _rotations(situation, now))


def notes_on(situation: Situation, now: Fingerprints) -> dict[str, str]:
    """By attribute, what is to be said of its secret."""
    return {
        name: f"secret changed: {describe(reference)} has the fingerprint {new}, and had {old} when it was sent"
        for name, reference, old, new in _rotations(situation, now)
    }


def _rotations(situation: Situation, now: Fingerprints) -> Iterable[tuple[str, Reference, str, str]]:
    desired, record = situation.desired, situation.record
    if desired is None or record is None or situation.seen is None:
        return
    for name, old in record.secrets.items():
        reference = desired.attributes.get(name)
        if reference is not None and is_reference(reference) and reference == record.attributes.get(name):
            new = now.get(describe(reference), old)
            if new != old:
                yield name, reference, old, new


def sent_by(step: Step, desired: Resource | None) -> dict[str, Reference]:
    """The attributes whose secret goes out with the step."""
    if desired is None or step.op not in (Op.CREATE, Op.UPDATE):
        return {}
    return secrets_sent(desired.attributes, desired.attributes if step.op is Op.CREATE else step.changed)


def secrets_of(plan: Plan) -> dict[str, tuple[Reference, Address]]:
    """The secrets that the plan's steps send, by the shown form of their references, each with the first resource that
    it is sent for."""
    found: dict[str, tuple[Reference, Address]] = {}
    for step in plan.steps:
        for reference in sent_by(step, plan.desired.get(step.address)).values():
            found.setdefault(describe(reference), (reference, step.address))
    return found


def unread(
    plan: Plan, resources: Iterable[Resource], problems: Mapping[str, tuple[Diagnostic, ...]]
) -> list[Diagnostic]:
    """What to warn of where a secret could not be read: only an apply that has to send it needs it."""
    needed = secrets_of(plan)
    told: dict[str, Diagnostic] = {}
    for resource in resources:
        for reference in references_in([resource]):
            shown = describe(reference)
            if shown in problems and shown not in told:
                why = " ".join(f"{d.summary}. {d.detail}".strip() for d in problems[shown])
                then = "Apply has to send it, and won't begin without it." if shown in needed else _UNCOMPARED
                told[shown] = warning("secret.unreadable", why, then, span=resource.span, address=resource.address)
    return list(told.values())


_UNCOMPARED = "Whether it has changed since it was sent can't be said; it is taken to be the same."
