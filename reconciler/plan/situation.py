"""One resource three times - desired, recorded, observed - brought together under its address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from reconciler.config.configuration import Import
from reconciler.diff import Difference, differences, is_alike
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.kind import Kind
from reconciler.model.lifecycle import State
from reconciler.model.resource import Attributes, Observed, Record, Resource

Spot: TypeAlias = tuple[str, str | None, str]
"""Where an object is found in the live system: its kind, the id of what it is nested in, its own id."""


@dataclass(frozen=True, slots=True)
class Situation:
    """`seen` is None if there is no such object. `before` is what there is, in the terms in which it is compared:
    observed, but for what the live system never shows, and for what it merely spells differently than we did."""

    address: Address
    kind: Kind
    desired: Resource | None = None
    record: Record | None = None
    seen: Observed | None = None
    before: Attributes = field(default_factory=dict)
    moved_from: Address | None = None
    adopts: str | None = None

    @property
    def status(self) -> State | None:
        return self.seen.status if self.seen else None

    @property
    def is_discovered(self) -> bool:
        """Whether what is there now was made by the live system."""
        return self.record.discovered if self.record else bool(self.desired and self.desired.discovered)


@dataclass(frozen=True, slots=True)
class Known:
    """What situations are made of; `records` are relocated (from `origins`) already. `observed` is None if nobody
    looked: then what is recorded is taken to be there."""

    desired: Mapping[Address, Resource]
    records: Mapping[Address, Record]
    observed: tuple[Observed, ...] | None
    imports: tuple[Import, ...] = ()
    origins: Mapping[Address, Address] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Survey:
    """Situations in address order; `live` is every object there is, `claims` whose it is."""

    situations: Mapping[Address, Situation]
    live: Mapping[Spot, Observed]
    claims: Mapping[Spot, Address]
    diagnostics: tuple[Diagnostic, ...] = ()

    def remote_id(self, address: Address | None) -> str | None:
        situation = self.situations.get(address) if address else None
        return situation.seen.id if situation and situation.seen else None


def survey(known: Known) -> Survey:
    """Find for every address what is desired, recorded and observed; discovered objects and imports included."""
    looked = known.observed is not None
    observed = known.observed if known.observed is not None else _remembered(known.records)
    live = {(one.kind, one.parent_id, one.id): one for one in observed}
    situations: dict[Address, Situation] = {}
    claims: dict[Spot, Address] = {}
    by_name = kinds()
    for address in sorted({*known.desired, *known.records}):
        desired, record = known.desired.get(address), known.records.get(address)
        held = desired or record
        assert held is not None
        kind = by_name[held.kind]
        origin = known.origins.get(address)
        if record is None:
            situations[address] = Situation(address, kind, desired, moved_from=origin)
            continue
        parent = address.parent
        spot = (record.kind, _id_of(parent, situations), record.id)
        seen = live.get(spot) if parent is None or spot[1] is not None else None
        if seen is not None and (seen.status is State.DELETED or not _is_expected(seen, record, desired)):
            seen = None
        if seen is not None:
            claims[spot] = address
        before = _before(record, seen, kind) if seen else record.attributes
        situations[address] = Situation(address, kind, desired, record, seen, before, origin)
    recognised = _Recognised(situations, claims, live, looked)
    recognised.adopt_discovered(known.desired)
    recognised.adopt_imports(known.imports)
    return Survey(situations, live, claims, tuple(recognised.diagnostics))


def ours(situation: Situation, wanted: Attributes) -> tuple[Difference, ...]:
    """What has to change so that there is what is `wanted`, but for what the configuration leaves to others."""
    found = differences(situation.before, wanted, situation.kind)
    ignores = situation.desired.ignores if situation.desired else {}
    return tuple(d for d in found if d.path[0] not in ignores) if ignores else found


def natural_key(situation: Situation, situations: Mapping[Address, Situation]) -> tuple[Any, ...] | None:
    """By what the live system would recognise the desired resource; None as long as that refers to what isn't there."""
    desired = situation.desired
    if desired is None:
        return None
    links = {}
    for role, target in desired.refs.items():
        seen = situations[target].seen if target in situations else None
        if seen is not None:
            links[role] = seen.handle or seen.id
    return situation.kind.key_of(desired.attributes, links)


def keyed(live: Mapping[Spot, Observed]) -> dict[tuple[Any, ...], Spot]:
    """Natural key (with kind and parent) -> where that object is; of several alike the one with the least id."""
    by_name = kinds()
    found: dict[tuple[Any, ...], Spot] = {}
    for spot in sorted(live, key=lambda spot: (spot[0], spot[1] or "", spot[2])):
        seen = live[spot]
        if seen.kind in by_name and seen.status is not State.DELETED:
            key = by_name[seen.kind].key_of(seen.attributes, seen.links)
            if key is not None:
                found.setdefault((seen.kind, seen.parent_id, *key), spot)
    return found


def _is_expected(seen: Observed, record: Record, desired: Resource | None) -> bool:
    """A discovered object is what the live system makes of it: with another natural key it is another one."""
    if desired is None or not (desired.discovered and record.discovered):
        return True
    kind = kinds()[seen.kind]
    wanted = kind.key_of(desired.attributes, {})
    return wanted is None or wanted == kind.key_of(seen.attributes, seen.links)


def _id_of(parent: Address | None, situations: Mapping[Address, Situation]) -> str | None:
    above = situations.get(parent) if parent else None
    return above.seen.id if above and above.seen else None


def _before(record: Record, seen: Observed, kind: Kind) -> Attributes:
    shown, recorded = seen.attributes, record.attributes
    ours = {
        name: value
        for name, value in recorded.items()
        if name in kind.write_only or (name in shown and shown[name] != value and is_alike(value, shown[name]))
    }
    return {**shown, **ours} if ours else shown


def _remembered(records: Mapping[Address, Record]) -> tuple[Observed, ...]:
    """What is recorded, as if it had been observed."""
    found = []
    for address, record in records.items():
        parent = records.get(address.parent) if address.parent else None
        links = {role: records[to].handle or records[to].id for role, to in record.refs.items() if to in records}
        one = Observed(record.kind, record.id, record.attributes, record.status, parent.id if parent else None)
        found.append(replace(one, handle=record.handle, fingerprint=record.fingerprint, links=links))
    return tuple(found)


class _Recognised:
    """Finds objects for addresses that have none: by natural key for discovered ones, by id for imports."""

    def __init__(
        self,
        situations: dict[Address, Situation],
        claims: dict[Spot, Address],
        live: Mapping[Spot, Observed],
        looked: bool,
    ) -> None:
        self.situations = situations
        self.claims = claims
        self.live = live
        self.looked = looked
        self.diagnostics: list[Diagnostic] = []

    def adopt_discovered(self, desired: Mapping[Address, Resource]) -> None:
        waiting = [a for a, r in desired.items() if r.discovered and self.situations[a].seen is None]
        by_key = keyed(self.live) if waiting and self.looked else {}
        for address in sorted(waiting):
            situation = self.situations[address]
            parent_id = _id_of(address.parent, self.situations)
            key = natural_key(situation, self.situations)
            spot = by_key.get((situation.kind.name, parent_id, *key)) if parent_id and key else None
            if spot is not None and spot not in self.claims:
                self._claim(situation, spot)

    def adopt_imports(self, imports: Iterable[Import]) -> None:
        for wanted in sorted(imports, key=lambda wanted: wanted.target):
            situation = self.situations.get(wanted.target)
            if situation is None or situation.desired is None:
                continue
            if situation.seen is not None and situation.seen.id == wanted.id:
                continue
            spot = (situation.kind.name, _id_of(wanted.target.parent, self.situations), wanted.id)
            problem = self._objection(wanted, situation, spot)
            if problem is None:
                self._claim(situation, spot)
            else:
                self.diagnostics.append(problem)

    def _claim(self, situation: Situation, spot: Spot) -> None:
        seen = self.live[spot]
        self.claims[spot] = situation.address
        before = _before(situation.record, seen, situation.kind) if situation.record else seen.attributes
        self.situations[situation.address] = replace(situation, seen=seen, before=before, adopts=seen.id)

    def _objection(self, wanted: Import, situation: Situation, spot: Spot) -> Diagnostic | None:
        def refuse(code: str, summary: str, detail: str) -> Diagnostic:
            return error(code, summary, detail, span=wanted.span, address=wanted.target)

        if situation.seen is not None:
            return refuse(
                "plan.import-conflict",
                f"{wanted.target} can't become {wanted.id}: it is {situation.seen.id} already",
                "Remove the import block, or import the object under another address.",
            )
        if not self.looked:
            return refuse(
                "plan.import-unseen",
                f"{wanted.id} can't be imported without looking at the live system",
                "Plan again without -refresh=false.",
            )
        if spot in self.claims:
            return refuse(
                "plan.import-claimed",
                f"{wanted.id} can't be imported as {wanted.target}: it is {self.claims[spot]} already",
                f"To rename it, use a moved block from {self.claims[spot]} instead.",
            )
        if spot not in self.live or self.live[spot].status is State.DELETED:
            return refuse(
                "plan.import-missing",
                f"There is no {situation.kind.name} {wanted.id} to import as {wanted.target}",
                "Check the id" + (f", and that it belongs to {wanted.target.parent}." if spot[1] else "."),
            )
        return None
