"""What has become of the recorded resources since they were recorded, and the snapshot that says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from reconciler.diff import Difference, differences
from reconciler.model.lifecycle import Sort
from reconciler.model.resource import Attributes, Observed, Record
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.situation import Known, Situation, ours, survey


def find_drift(situations: Iterable[Situation]) -> tuple[Change, ...]:
    """Where observed no longer agrees with recorded; `before` is what was recorded, `after` what is there."""
    return tuple(change for situation in situations if (change := _drifted(situation)) is not None)


def outside_changes(situations: Iterable[Situation]) -> tuple[Change, ...]:
    """The drift that somebody made: without states that the live system itself was on its way to."""
    told = ((situation, change) for situation in situations for change in find_drift([situation]))
    return tuple(change for situation, change in told if change.differences or not has_arrived(situation))


def has_arrived(situation: Situation) -> bool:
    """Whether the live system itself brings what was recorded to the state that it is in."""
    record, seen = situation.record, situation.seen
    return (
        record is not None
        and seen is not None
        and any(
            t.source is record.status and t.target is seen.status and t.sort is Sort.AWAITED
            for t in situation.kind.lifecycle(record.attributes).transitions
        )
    )


def refreshed(snapshot: Snapshot, observed: Iterable[Observed]) -> Snapshot:
    """The snapshot as the live system has it: what is gone is left out, what differs is taken over.

    The serial stays; whoever writes the snapshot counts it on.
    """
    known = survey(Known({}, snapshot.records, tuple(observed)))
    seen = {a: s for a, s in known.situations.items() if s.seen is not None}
    records = {
        address: _retaken(record, seen[address]) if address in seen else record
        for address, record in snapshot.records.items()
        if address in seen or known.situations[address].kind.outlives(record.attributes)
    }
    while dangling := [a for a, r in records.items() if any(target not in records for target in r.refs.values())]:
        # Its target is gone, so it can't be used as it is; the next plan meets it as one that exists already.
        for address in dangling:
            del records[address]
    return snapshot if records == snapshot.records else replace(snapshot, records=records)


def _drifted(situation: Situation) -> Change | None:
    record, seen = situation.record, situation.seen
    if record is None or (situation.adopts is not None and not record.discovered):
        return None
    if seen is None:
        return Change(
            situation.address,
            record.kind,
            Action.DELETE,
            before=record.attributes,
            status_before=record.status,
            reason=Reason("", "It was deleted outside of reconciler"),
            moved_from=situation.moved_from,
        )
    found = turned(ours(situation, record.attributes))
    if not found and seen.status is record.status:
        return None
    return Change(
        situation.address,
        record.kind,
        Action.UPDATE,
        before=record.attributes,
        after=_managed(record, situation),
        differences=found,
        status_before=record.status,
        status_after=seen.status,
        moved_from=situation.moved_from,
        notes={"invalid": f"the live system says why: {seen.reason}"} if seen.reason else {},
    )


def turned(found: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Compared from observed to recorded, since only what is recorded is managed; told the way it happened."""
    return tuple(Difference(d.path, d.after, d.before, d.replaces, d.secret) for d in found)


def _managed(record: Record, situation: Situation) -> Attributes:
    return {name: situation.before[name] for name in record.attributes if name in situation.before}


def _retaken(record: Record, situation: Situation) -> Record:
    seen = situation.seen
    assert seen is not None
    differing = {d.path[0] for d in differences(situation.before, record.attributes, situation.kind)}
    attributes = {
        name: situation.before[name] if name in differing else value
        for name, value in record.attributes.items()
        if name not in differing or name in situation.before
    }
    handle = seen.handle or record.handle
    return replace(
        record, attributes=attributes, status=seen.status, handle=handle, fingerprint=seen.fingerprint, id=seen.id
    )
