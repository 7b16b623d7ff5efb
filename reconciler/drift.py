"""Where the live system no longer agrees with what was recorded, sorted by what it means for whoever has to act.

Only a difference that somebody made is drift. What the live system decides alone (`Observed.computed`, rows that it
discovered), what it merely spells differently, and what the configuration leaves to others is none.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from reconciler.config.configuration import Configuration
from reconciler.diff import Difference, differences, is_same
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action
from reconciler.plan.moves import relocate
from reconciler.plan.refresh import find_drift, has_arrived, turned
from reconciler.plan.situation import Known, Situation, Spot, Survey, survey


class DriftClass(StrEnum):
    LIFECYCLE = "lifecycle"
    """It is in another state: somebody activated or deactivated it, or the live system finds it INVALID."""
    ATTRIBUTE = "attribute"
    SECRET = "secret"
    """A secret was changed, where the live system shows that much."""
    MISSING = "missing"
    UNMANAGED = "unmanaged"
    """An object that nobody here made."""
    NORMALISED = "normalised"
    """The live system spells what we wrote in another way. Never drift."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who did it, by the live system's own log. `client` is what they did it with, `at` is ISO 8601, UTC.

    `confidence` is high (the log shows this very change), medium (it shows a change of this object), or unknown: then
    the rest is empty."""

    who: str = ""
    client: str = ""
    at: str = ""
    event: str = ""
    confidence: str = "unknown"


UNKNOWN = Attribution()


@dataclass(frozen=True, slots=True)
class Finding:
    """One disagreement about one object. `differences` lead from what was recorded to what is there.

    `address` is None for an unmanaged object; `parent` is then the resource of ours that it stands in, if any, and
    `name` is what people know it by. `reason` is the live system's own. `excused` says why it doesn't count as drift;
    empty if it does.
    """

    sort: DriftClass
    kind: str
    id: str
    address: Address | None = None
    parent: Address | None = None
    name: str = ""
    differences: tuple[Difference, ...] = ()
    status_before: State | None = None
    status_after: State | None = None
    reason: str = ""
    excused: str = ""
    attribution: Attribution = UNKNOWN

    @property
    def is_drift(self) -> bool:
        return not self.excused


@dataclass(frozen=True, slots=True)
class Report:
    """`checked` resources of one workspace were compared with what is there, at `at` (ISO 8601, UTC)."""

    workspace: str
    provider: str
    at: str
    checked: int
    findings: tuple[Finding, ...] = ()

    @property
    def drift(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.is_drift)

    @property
    def counts(self) -> Mapping[DriftClass, int]:
        """How many of each sort count as drift."""
        found = Counter(finding.sort for finding in self.drift)
        return {sort: found[sort] for sort in DriftClass}


def compare(
    snapshot: Snapshot, observed: tuple[Observed, ...], configuration: Configuration, unmanaged: bool = False
) -> tuple[Finding, ...]:
    """Every disagreement, in address order, unmanaged objects last.

    `unmanaged`: an object that nobody here made is drift wherever it is, and not only inside a resource of ours.
    Raises Refused where `moved` blocks contradict each other.
    """
    relocated = relocate(snapshot.records, configuration.moved)
    if relocated.diagnostics:
        raise Refused(relocated.diagnostics)
    desired = {a: r for a, r in configuration.resources.items() if a in relocated.records}
    surveyed = survey(Known(desired, relocated.records, observed))
    found = [f for situation in surveyed.situations.values() for f in _findings(situation)]
    return (*found, *sorted(_strangers(surveyed, unmanaged), key=lambda f: (f.kind, f.name, f.id)))


def _findings(situation: Situation) -> Iterator[Finding]:
    record, seen = situation.record, situation.seen
    if record is None or record.discovered:
        return
    about = Finding(DriftClass.MISSING, record.kind, record.id, situation.address)
    for change in find_drift([situation]):
        about = replace(about, status_before=change.status_before, status_after=change.status_after)
        if change.action is Action.DELETE:
            yield about
            continue
        if change.status_before is not change.status_after:
            reason, arrived = seen.reason or "" if seen else "", has_arrived(situation)
            excused = "the live system was on its way there when it was recorded" if arrived else ""
            yield replace(about, sort=DriftClass.LIFECYCLE, reason=reason, excused=excused)
        if change.differences:
            yield replace(about, sort=DriftClass.ATTRIBUTE, differences=change.differences)
    if seen is not None:
        if record.fingerprint and seen.fingerprint and record.fingerprint != seen.fingerprint:
            yield replace(about, sort=DriftClass.SECRET)
        yield from _harmless(situation, about)


def _harmless(situation: Situation, about: Finding) -> Iterator[Finding]:
    """What differs and is no drift: spelling, and what is left to others."""
    record, seen = situation.record, situation.seen
    assert record is not None and seen is not None
    spelled = tuple(
        Difference((name,), record.attributes[name], shown)
        for name, shown in sorted(seen.attributes.items())
        if name in record.attributes
        and name not in situation.kind.write_only
        and not is_same(record.attributes[name], shown)
        and is_same(situation.before[name], record.attributes[name])
    )
    if spelled:
        told = "the live system spells it its own way"
        yield replace(about, sort=DriftClass.NORMALISED, differences=spelled, excused=told)
    ignores = situation.desired.ignores if situation.desired else {}
    found = turned(differences(situation.before, record.attributes, situation.kind)) if ignores else ()
    for name in sorted({difference.path[0] for difference in found} & ignores.keys()):
        named = tuple(difference for difference in found if difference.path[0] == name)
        yield replace(about, sort=DriftClass.ATTRIBUTE, differences=named, excused=ignores[name])


def _strangers(surveyed: Survey, everywhere: bool) -> Iterator[Finding]:
    for spot, seen in surveyed.live.items():
        above: Spot = ("mcp_server", None, seen.parent_id or "")
        holder = surveyed.live.get(above)
        if spot in surveyed.claims or seen.status is State.DELETED:
            continue
        if seen.kind == "association" and holder and holder.attributes.get("registration") == "discovered":
            continue
        parent = surveyed.claims.get(above) if seen.parent_id else None
        counts = everywhere or parent is not None
        yield Finding(
            DriftClass.UNMANAGED,
            seen.kind,
            seen.id,
            parent=parent,
            name=name_of(seen),
            status_after=seen.status,
            excused="" if counts else "it stands apart from everything recorded here",
        )


def name_of(seen: Observed) -> str:
    """What people know the object by."""
    names = ("display_name", "name", "resource_url", "issuer")
    shown = next((seen.attributes[name] for name in names if seen.attributes.get(name)), None)
    return str(shown or seen.links.get("authorization_server") or seen.id)
