"""After a crash: what the journal says was done, and what the live system says of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from reconciler.apply.edit import amend, decode_edit
from reconciler.apply.journal import Entry, edits_of, unsettled
from reconciler.apply.record import decode_record
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, warning
from reconciler.model.resource import Observed, Record
from reconciler.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Recovered:
    """The snapshot with all that is known to have been done, and what is to be said about it."""

    snapshot: Snapshot
    notes: tuple[Diagnostic, ...] = ()


def recover(snapshot: Snapshot, entries: Iterable[Entry], observed: Iterable[Observed]) -> Recovered:
    """Fold the journal's `entries` (those since the snapshot was written, oldest first) into `snapshot`.

    A creation whose outcome isn't in the journal is looked for in `observed`, by its natural key: found once, it is
    adopted; not found, it didn't happen; found several times, it is left to the user (a plan refuses to make what is
    there already). Changes to what exists need none of that: the next plan compares.
    """
    entries = list(entries)
    records = dict(snapshot.records)
    for entry in entries:
        for edit in edits_of(entry):
            amend(records, decode_edit(edit))
    live = list(observed)
    notes = [
        note
        for address, told in unsettled(entries).items()
        if (note := _settle(records, address, told[0], live)) is not None
    ]
    return Recovered(replace(snapshot, records=records) if entries else snapshot, tuple(notes))


def _settle(
    records: dict[Address, Record], address: Address, intent: Entry, live: Sequence[Observed]
) -> Diagnostic | None:
    if intent["op"] == "delete":
        return _settle_delete(records, address, live)
    if address in records or "record" not in intent:
        return None
    meant = decode_record(intent["record"])
    claimed = {(r.kind, _parent_id(records, r.address), r.id) for r in records.values()}
    found = [o for o in live if _is_it(o, meant, intent) and (o.kind, o.parent_id, o.id) not in claimed]
    if not found:
        return warning(
            "recovery.not-made",
            f"An earlier run was interrupted while creating {address}; that did not happen",
            "The next apply creates it.",
            address=address,
        )
    if len(found) > 1:
        return _ambiguous(address, found)
    match = found[0]
    records[address] = replace(
        meant, id=match.id, handle=match.handle, status=match.status, fingerprint=match.fingerprint
    )
    return warning(
        "recovery.adopted",
        f"An earlier run was interrupted while creating {address}; it was made, as {match.id}, and is recorded now",
        address=address,
    )


def _settle_delete(records: dict[Address, Record], address: Address, live: Sequence[Observed]) -> Diagnostic | None:
    record = records.get(address)
    if record is None:
        return None
    name = (record.kind, _parent_id(records, address), record.id)
    if any((o.kind, o.parent_id, o.id) == name for o in live):
        return None
    del records[address]
    return warning(
        "recovery.deleted",
        f"An earlier run was interrupted while deleting {address}; it is gone, and is no longer recorded",
        address=address,
    )


def _parent_id(records: Mapping[Address, Record], address: Address) -> str | None:
    parent = address.parent
    return records[parent].id if parent is not None and parent in records else None


def _is_it(candidate: Observed, meant: Record, intent: Entry) -> bool:
    """The same natural key under the same parent, and nothing different that can't change in place."""
    kind = kinds()[meant.kind]
    key = intent.get("natural_key")
    if candidate.kind != meant.kind or candidate.parent_id != intent.get("parent_id") or key is None:
        return False
    if kind.key_of(candidate.attributes, candidate.links) != tuple(key):
        return False
    shown = kind.immutable & candidate.attributes.keys() & meant.attributes.keys()
    return all(candidate.attributes[name] == meant.attributes[name] for name in shown)


def _ambiguous(address: Address, found: Sequence[Observed]) -> Diagnostic:
    ids = ", ".join(candidate.id for candidate in found)
    return warning(
        "recovery.ambiguous",
        f"An earlier run was interrupted while creating {address}, and {len(found)} objects could be it: {ids}",
        f"Delete all but one of them, or name the right one in an import block: {{to: {address}, id: {found[0].id}}}.",
        address=address,
    )
