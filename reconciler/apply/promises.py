"""What the live system itself says of creations that it accepted before a run broke off.

An answer may give the object's id, or a place where its making can be followed; both are in the journal. To ask there
is worth more than to look for the natural key: it tells the one that is still being made from the one that never will.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from reconciler.apply.journal import Entry, unsettled
from reconciler.apply.record import decode_record
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.resource import Promise, Record
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Conversation, Provider

Promises = Mapping[str, Promise]
"""By the place where each is followed."""
PATIENCE = 60.0
"""Seconds for which something is waited for that the live system says is still being made."""


def follow(entries: Sequence[Entry], provider: Provider, known: Promises) -> Conversation[Promises]:
    """What has become by now of every creation that is unsettled and can be followed; `known`: what had before."""
    found = dict(known)
    for _, told in _unsettled(entries):
        kind = str(_meant(told)["record"]["kind"])
        for location in (entry["location"] for entry in told if "location" in entry):
            if location not in found or found[location].is_open:
                found[location] = yield from _follow(kind, location, provider)
    return found


def _follow(kind: str, location: str, provider: Provider) -> Conversation[Promise]:
    try:
        return (yield from provider.follow(kind, location))
    except Refused:
        # There are other ways to find out, and if there is no way at all, those will say so.
        return Promise()


def with_named(snapshot: Snapshot, entries: Sequence[Entry], promises: Promises) -> Snapshot:
    """The snapshot with what an answer named, so that it is looked for by its id: lists lag behind."""
    records: dict[Address, Record] = {}
    for address, told in _unsettled(entries):
        if address not in snapshot.records and (ids := ids_of(told, promises)):
            records[address] = replace(decode_record(_meant(told)["record"]), id=min(ids))
    return replace(snapshot, records={**snapshot.records, **records}) if records else snapshot


def ids_of(told: Sequence[Entry], promises: Promises) -> set[str]:
    """What the answers to a creation call the object."""
    shown = {entry["id"] for entry in told if "id" in entry}
    return shown | {promise.id for _, promise in promised(told, promises) if promise.id is not None}


def promised(told: Sequence[Entry], promises: Promises) -> Iterator[tuple[Entry, Promise]]:
    """The answers that can be followed, with what became of each."""
    return ((entry, promises[entry["location"]]) for entry in told if entry.get("location") in promises)


def _unsettled(entries: Sequence[Entry]) -> Iterator[tuple[Address, Sequence[Entry]]]:
    if not any("location" in entry or "id" in entry for entry in entries):
        return
    for address, told in unsettled(entries).items():
        if told[0]["op"] == "create" and "record" in _meant(told):
            yield address, told


def _meant(told: Sequence[Entry]) -> Entry:
    return next(entry for entry in told if entry["kind"] == "intent")
