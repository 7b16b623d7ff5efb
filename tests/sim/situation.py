"""What the runs at the end of a history depend on, so that no end is played twice.

Those runs are calm: nothing happens by chance, every message takes its time, and nobody else is at work. They begin
once all has arrived that was on its way, at a time of the same remainder, after every lease and every doubt about an
intent has expired; then what they do follows from the objects that are there, what is recorded (by the snapshot, and by
what the journal says was done since), what the journal says besides (without its times), the configuration, and how the
live system is. Two histories that come to the same go on alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.apply.edit import amend, decode_edit
from reconciler.apply.journal import edits_of
from reconciler.apply.quarantine import Moment, seconds_left
from reconciler.model.address import Address
from reconciler.model.resource import Record
from reconciler.stores.journal_log import relevant
from tests.sim.machine import Machine

_IRRELEVANT = {"at", "count", "origin", "quarantine", "seq", "serial", "body_digest", "run_id", "prev", "sha"}


def situation(machine: Machine, now: Moment) -> tuple[Any, ...] | None:
    """Equal for equal situations; None if what follows may depend on the time or on somebody else."""
    api, memory = machine.api, machine.memory
    held = memory.holder is not None and (not memory.expires or memory.until > machine.now)
    if held or machine.awaited or machine.queue:
        return None
    snapshot = memory.snapshot
    journal = memory.journal
    entries = relevant(journal, snapshot.serial if snapshot else 0) if journal else []
    records = dict(snapshot.records) if snapshot else {}
    open_ones = _fold(entries, records) if entries else []
    if any(seconds_left(entry, now) > 0 for entry in open_ones if entry["kind"] == "intent"):
        return None
    return (
        machine.off,
        api.is_unique,
        api.lag,
        tuple(api.made.items()),
        frozenset(machine.excuses),
        machine.now % 10_000,
        tuple([_thing(thing) for thing in api.things.values()]),
        snapshot is None,
        tuple([_record(record) for record in records.values()]),
        bool(entries),
        tuple(_told(open_ones)) if open_ones else (),
    )


def _fold(entries: list[dict[str, Any]], records: dict[Address, Record]) -> list[dict[str, Any]]:
    """Amends the records by what the entries say of them; what is said of an address after that is left."""
    left: list[dict[str, Any]] = []
    for entry in entries:
        for edit in edits_of(entry):
            amend(records, decode_edit(edit))
        if edits_of(entry) or entry["kind"] == "abandoned":
            left = [other for other in left if other["address"] != entry["address"]]
        else:
            left.append(entry)
    return left


def _thing(thing: Any) -> tuple[Any, ...]:
    return thing.id, thing.parent, str(thing.item)


def _record(record: Any) -> tuple[Any, ...]:
    shape = tuple(record.refs.items()), record.needs, record.protect, record.discovered, tuple(record.secrets.items())
    return record.address, record.id, record.status, record.handle, record.fingerprint, shape, str(record.attributes)


def _told(entries: list[dict[str, Any]]) -> Iterator[tuple[int, str]]:
    """Of which run an entry is only matters by which others are of the same."""
    runs: dict[str, int] = {}
    for entry in entries:
        run = runs.setdefault(entry["run_id"], len(runs))
        yield run, str([(name, value) for name, value in entry.items() if name not in _IRRELEVANT])
