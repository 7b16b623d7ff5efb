"""After a crash: what the journal says was done, and what the live system says of the rest."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, repeat
from types import MappingProxyType

from reconciler.apply.amends import settle_update
from reconciler.apply.edit import amend, decode_edit
from reconciler.apply.journal import Entry, edits_of, unheard, unsettled
from reconciler.apply.observing import observe
from reconciler.apply.promises import PATIENCE, Promises, follow, ids_of, promised, with_named
from reconciler.apply.quarantine import Moment, seconds_left
from reconciler.apply.record import decode_record
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Cause, Diagnostic, warning
from reconciler.model.resource import Observed, Record
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Conversation, Now, Provider, Sleep

NONE: Promises = MappingProxyType({})
_WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds between looks at what is waited for, the last of them again and again."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """The snapshot with all that is known to have been done, and what is to be said about it.

    `unclear` holds, by address, the entries of creations that only the user can settle: no plan may touch them, and
    they must be journalled again before the journal they come from is forgotten. `wait` is the number of seconds after
    which to look again, because something that isn't there may still come. `is_awaited`: the live system says that it
    is still at something."""

    snapshot: Snapshot
    notes: tuple[Diagnostic, ...] = ()
    unclear: Mapping[Address, tuple[Entry, ...]] = field(default_factory=dict)
    wait: float = 0.0
    is_awaited: bool = False

    @property
    def kept(self) -> tuple[Entry, ...]:
        return tuple(chain.from_iterable(self.unclear.values()))


def recover(
    snapshot: Snapshot,
    entries: Iterable[Entry],
    observed: Iterable[Observed],
    now: Moment | None = None,
    promises: Promises = NONE,
) -> Recovered:
    """Fold the journal's `entries` (those since the snapshot was written, oldest first) into `snapshot`.

    A creation whose outcome isn't in the journal is looked for in `observed`: by the id that its answer gave, or what
    `promises` says became of it, else by its natural key. Found once, it is adopted; not found, it didn't happen,
    unless at `now` it still may; found several times, it is left to the user. One that the live system is still at is
    left alone. Of changes to what exists, what shows is recorded, and the next plan compares.
    """
    entries = list(entries)
    return _Recovery(_amended(snapshot, entries), list(observed), now, promises).settled(snapshot, entries)


def _amended(snapshot: Snapshot, entries: Iterable[Entry]) -> dict[Address, Record]:
    records = dict(snapshot.records)
    for entry in entries:
        for edit in edits_of(entry):
            amend(records, decode_edit(edit))
    return records


def find_out(
    snapshot: Snapshot, entries: Sequence[Entry], provider: Provider, now: Moment
) -> Conversation[tuple[Recovered, tuple[Observed, ...]]]:
    """What became of an earlier run, and the live system as it is by then: looks again until nothing that run sent can
    take effect any more. `now` is the moment at which this begins."""
    recorded, promises = replace(snapshot, records=_amended(snapshot, entries)), NONE
    given_up = now.count + PATIENCE
    for pause in chain(_WAITS, repeat(_WAITS[-1])):
        # By when the look began: what it saw first may be much older than what it saw last.
        now = now.later((yield Now()))
        promises = yield from follow(entries, provider, promises)
        observed = yield from observe(with_named(recorded, entries, promises), provider)
        found = recover(snapshot, entries, observed, now, promises)
        left = max(found.wait, given_up - now.count if found.is_awaited else 0.0)
        if left <= 0:
            return found, observed
        yield Sleep(min(left, pause), "an earlier run was interrupted; what it sent last may still come")
    raise AssertionError("the waits never end")


def glance(
    snapshot: Snapshot, entries: Sequence[Entry], provider: Provider, now: Moment
) -> Conversation[tuple[Recovered, tuple[Observed, ...]]]:
    """As `find_out`, for one who doesn't hold the workspace: that run may be at work. One look, no word of an end."""
    observed = yield from observe(replace(snapshot, records=_amended(snapshot, entries)), provider)
    found = recover(snapshot, entries, observed, now)
    asked = [note for note in found.notes if note.address in found.unclear]
    return replace(found, notes=(_under_way(unsettled(entries)), *asked)), observed


@dataclass(slots=True)
class _Recovery:
    records: dict[Address, Record]
    live: Sequence[Observed]
    now: Moment | None
    promises: Promises
    unclear: dict[Address, tuple[Entry, ...]] = field(default_factory=dict)
    wait: float = 0.0
    is_awaited: bool = False

    def settled(self, snapshot: Snapshot, entries: Sequence[Entry]) -> Recovered:
        notes = [
            note for address, told in unsettled(entries).items() if (note := self._settle(address, told)) is not None
        ]
        found = replace(snapshot, records=self.records) if entries else snapshot
        return Recovered(found, tuple(notes), self.unclear, self.wait, self.is_awaited)

    def _settle(self, address: Address, told: Sequence[Entry]) -> Diagnostic | None:
        intent = next(entry for entry in told if entry["kind"] == "intent")
        if intent["op"] != "create":
            record = self.records.get(address)
            return self._settle_change(record, told, intent) if record is not None else None
        if address in self.records or "record" not in intent:
            return None
        meant = decode_record(intent["record"])
        claimed = {(r.kind, _parent_id(self.records, r.address), r.id) for r in self.records.values()}
        free = [o for o in self.live if (o.kind, o.parent_id, o.id) not in claimed]
        answered = {(meant.kind, intent.get("parent_id"), name) for name in ids_of(told, self.promises)}
        # What the answer named is ours, whatever the live system made of it.
        found = [o for o in free if (o.kind, o.parent_id, o.id) in answered]
        found = found or [o for o in free if _is_it(o, meant, intent)]
        self.is_awaited |= any(promise.is_open for _, promise in promised(told, self.promises))
        if not found:
            return self._absent(address, told)
        if len(found) > 1:
            self.unclear[address] = tuple(told)
            return _ambiguous(address, found)
        match = found[0]
        self.records[address] = replace(
            meant, id=match.id, handle=match.handle, status=match.status, fingerprint=match.fingerprint
        )
        return _made(address, match.id)

    def _settle_change(self, record: Record, told: Sequence[Entry], intent: Entry) -> Diagnostic | None:
        """Of what is recorded. Were the change to come after this look, it would undo what the next plan is made of: it
        is waited for unless it shows."""
        spot = (record.kind, _parent_id(self.records, record.address), record.id)
        seen = next((o for o in self.live if (o.kind, o.parent_id, o.id) == spot), None)
        if seen is None:
            # What remains elsewhere may be there still: the next plan deletes again, which is none the worse for it.
            if intent["op"] != "delete" or kinds()[record.kind].outlives(record.attributes):
                return None
            del self.records[record.address]
            return _deleted(record.address)
        note, shows = None, False
        if intent["op"] == "update" and "record" in intent:
            meant = decode_record(intent["record"])
            kept, note = settle_update(record, meant, seen)
            self.records[record.address] = kept
            shows = (kept.attributes, kept.secrets) == (meant.attributes, meant.secrets)
        elif intent["op"] == "transition":
            self.records[record.address] = replace(record, status=seen.status)
            shows = seen.status is not record.status
        if not shows and self.now is not None:
            self.wait = max([self.wait, *(seconds_left(entry, self.now) for entry in unheard(told))])
        return note

    def _absent(self, address: Address, told: Sequence[Entry]) -> Diagnostic:
        followed = list(promised(told, self.promises))
        if any(promise.is_open for _, promise in followed):
            self.unclear[address] = tuple(told)
            return _unfinished(address)
        failures = {(entry["run_id"], entry["attempt"]): p.failure for entry, p in followed if p.failure is not None}
        if self.now is not None:
            intents = [entry for entry in told if entry["kind"] == "intent"]
            may_come = [entry for entry in intents if (entry["run_id"], entry["attempt"]) not in failures]
            self.wait = max(self.wait, *(seconds_left(entry, self.now) for entry in may_come), 0.0)
        if failures:
            return _failed(address, ", ".join(sorted(set(failures.values()))))
        return _not_made(address)


def longest_wait(entries: Iterable[Entry], now: Moment) -> float:
    """Seconds after which nothing that the entries announce may still come, if nobody says before what became of it."""
    return max((seconds_left(e, now) for told in unsettled(entries).values() for e in unheard(told)), default=0.0)


def _made(address: Address, identity: str) -> Diagnostic:
    told = f"An earlier run was interrupted while creating {address}; it was made, as {identity}, and is recorded now"
    every = "An earlier run was interrupted; what it was creating was made, and is recorded now"
    cause = Cause(every, f"{address}, as {identity}", head="")
    return warning("recovery.adopted", told, address=address, cause=cause)


def _not_made(address: Address) -> Diagnostic:
    told = f"An earlier run was interrupted while creating {address}; that did not happen"
    every = "An earlier run was interrupted; some of what it was creating was not made"
    cause = Cause(every, address, "The next apply creates them.", head="")
    return warning("recovery.not-made", told, "The next apply creates it.", address=address, cause=cause)


def _unfinished(address: Address) -> Diagnostic:
    return warning(
        "recovery.unfinished",
        f"An earlier run was interrupted while creating {address}; the live system accepted that, and is still at it",
        f"Nothing is done about {address}, nor about what needs it, until it has come to an end: run the command again "
        f"in a while. If it never does:\n    {way_out(address, '--abandon')}",
        address=address,
    )


def _failed(address: Address, why: str) -> Diagnostic:
    return warning(
        "recovery.failed",
        f"The live system had accepted to create {address} for an earlier run, and could not: {why}",
        "The next apply tries it again.",
        address=address,
    )


def _deleted(address: Address) -> Diagnostic:
    told = f"An earlier run was interrupted while deleting {address}; it is gone, and is no longer recorded"
    every = "An earlier run was interrupted; what it was deleting is gone, and is no longer recorded"
    return warning("recovery.deleted", told, address=address, cause=Cause(every, address, head=""))


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


def _under_way(unsettled: Iterable[Address]) -> Diagnostic:
    names = ", ".join(sorted(unsettled))
    return warning(
        "recovery.under-way",
        "Another run is at work, or was interrupted: this is how things look meanwhile",
        (f"What it is doing, or was, of which the outcome isn't known: {names}. " if names else "")
        + "Run the command again once it has ended. `plan` takes the lock, waits for it with -lock-timeout, and finds "
        "out what became of a run that was interrupted.",
    )


def _ambiguous(address: Address, found: Sequence[Observed]) -> Diagnostic:
    ids = ", ".join(candidate.id for candidate in found)
    lines = [f"Nothing is done about {address}, nor about what needs it, until you say which it is:"]
    for candidate in found:
        created = candidate.computed.get("created")
        lines += [f"    {way_out(address, '--adopt', candidate.id)}", *([f"  (created {created})"] if created else [])]
    lines += ["or, if it is none of them:", f"    {way_out(address, '--abandon')}", "Delete those that nobody needs."]
    return warning(
        "recovery.ambiguous",
        f"An earlier run was interrupted while creating {address}, and {len(found)} objects could be it: {ids}",
        "\n".join(lines),
        address=address,
    )


def way_out(address: Address, *choice: str) -> str:
    """The command by which the user settles what became of `address`, as a shell takes it."""
    return shlex.join(["reconciler", "resolve", address, *choice])
