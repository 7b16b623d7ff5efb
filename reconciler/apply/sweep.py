"""Objects that are there twice: the one that is recorded, and one that looks as if the same creation had made it.

A proxy that delivers a request twice makes such a thing, or a machine that slept while its request was on the way.
They are told of and never deleted: that they are ours can't be proven.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.apply.recovery import way_out
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, warning
from reconciler.model.resource import Observed, Record
from reconciler.model.snapshot import Snapshot


def find_duplicates(snapshot: Snapshot, observed: Iterable[Observed]) -> tuple[Diagnostic, ...]:
    """A warning (`recovery.duplicate`) for every recorded resource of which there are several, in address order."""
    spots = {_spot(snapshot, record): record for record in snapshot.records.values()}
    alike: dict[tuple[object, ...], list[Observed]] = {}
    by_name = kinds()
    for one in observed:
        if one.kind in by_name and (key := by_name[one.kind].key_of(one.attributes, one.links)) is not None:
            alike.setdefault((one.kind, one.parent_id, *key), []).append(one)
    return tuple(_warnings(spots, [found for found in alike.values() if len(found) > 1]))


def not_looked(refused: Refused) -> Diagnostic:
    """What is said (`recovery.not-swept`) where that could not be found out."""
    told = "Whether anything was made twice, after an answer was lost, is not known: the live system could not be read"
    return warning("recovery.not-swept", told, f"{refused.diagnostics[0].summary}. The next plan looks again.")


def _warnings(
    spots: Mapping[tuple[str, str | None, str], Record], groups: Iterable[list[Observed]]
) -> Iterator[Diagnostic]:
    found: list[tuple[Address, Record, list[str]]] = []
    for group in groups:
        recorded = [(r, o) for o in group if (r := spots.get((o.kind, o.parent_id, o.id))) is not None]
        if len(recorded) != 1 or recorded[0][0].discovered:
            continue
        record, mine = recorded[0]
        others = [one.id for one in group if one is not mine and _is_twin(mine, one)]
        if others:
            found.append((record.address, record, sorted(others)))
    for address, record, others in sorted(found, key=lambda each: each[0]):
        yield warning(
            "recovery.duplicate",
            f"{address} is there {len(others) + 1} times: {record.id} is recorded, and {', '.join(others)} looks alike",
            "A request that was delivered twice makes such a thing. If nobody else made it, deactivate and delete "
            f"{', '.join(others)} in Okta. To keep it instead:\n    {way_out(address, '--adopt', others[0])}",
            address=address,
        )


def _is_twin(mine: Observed, other: Observed) -> bool:
    """Equal in all that can't have been changed since both were made."""
    shown = kinds()[mine.kind].immutable & mine.attributes.keys() & other.attributes.keys()
    return all(mine.attributes[name] == other.attributes[name] for name in shown)


def _spot(snapshot: Snapshot, record: Record) -> tuple[str, str | None, str]:
    parent = snapshot.records.get(record.address.parent) if record.address.parent else None
    return record.kind, parent.id if parent else None, record.id
