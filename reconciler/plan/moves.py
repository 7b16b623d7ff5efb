"""What is recorded, under the addresses it goes by from now on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from reconciler.config.configuration import Moved
from reconciler.model.address import Address, instance
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.resource import Need, Record


@dataclass(frozen=True, slots=True)
class Relocated:
    """`records` under their new addresses; `origins` leads from a new address back to the recorded one."""

    records: Mapping[Address, Record]
    origins: Mapping[Address, Address] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()


def relocate(records: Mapping[Address, Record], moved: Iterable[Moved]) -> Relocated:
    """Apply the `moved` blocks, in any order and through any chain of them.

    What is nested in a moved resource moves with it; so does what is nested elsewhere and named after it (the
    associations of a renamed authorization server).
    """
    moves = {move.source: move for move in moved}
    if not moves:
        return Relocated(records)
    cycles = [_turning(move) for move in moves.values() if _leads_back(move, moves)]
    if cycles:
        return Relocated(records, diagnostics=tuple(cycles))
    places = {address: _moved(address, moves) for address in records}
    conflicts = _conflicts(places, moves)
    if conflicts:
        return Relocated(records, diagnostics=tuple(conflicts))
    return Relocated(
        {places[address]: _readdressed(record, places) for address, record in records.items()},
        {new: old for old, new in places.items() if new != old},
    )


def moved_to(address: Address, moved: Iterable[Moved]) -> Address:
    """What `address` is called once it has moved; only for moves that `relocate` has nothing against."""
    return _moved(address, {move.source: move for move in moved})


def _moved(address: Address, moves: Mapping[Address, Moved]) -> Address:
    place: Address | None = None
    for segment in address.segments:
        name = instance(segment.name, segment.key)
        word = Address(f"{segment.word}.{name}")
        if place is None:
            place = _followed(word, moves)
        else:
            own = _followed(word, moves)
            place = _followed(Address(f"{place}/{own if own.segments[0].word == segment.word else word}"), moves)
    return place or address


def _followed(address: Address, moves: Mapping[Address, Moved]) -> Address:
    """Where the chain of moves ends that begins at `address`. A move without an instance key moves every instance."""
    while True:
        last = address.segments[-1]
        bare = Address(address[: len(address) - len(instance(last.name, last.key))] + last.name)
        if address in moves:
            address = moves[address].target
        elif bare in moves and moves[bare].target.key is None:
            target = moves[bare].target
            address = Address(target[: len(target) - len(target.name)] + instance(target.name, last.key))
        else:
            return address


def _leads_back(move: Moved, moves: Mapping[Address, Moved]) -> bool:
    seen, at = {move.source}, move.target
    while at in moves and at not in seen:
        seen.add(at)
        at = moves[at].target
    return at in seen


def _turning(move: Moved) -> Diagnostic:
    return error(
        "plan.move-cycle",
        f"The move of {move.source} leads back to where it began",
        "Remove one of the moved blocks in the circle.",
        span=move.span,
        address=move.source,
    )


def _conflicts(places: Mapping[Address, Address], moves: Mapping[Address, Moved]) -> list[Diagnostic]:
    taken: dict[Address, Address] = {}
    found = []
    for old, new in sorted(places.items()):
        other = taken.setdefault(new, old)
        if other == old:
            continue
        source = old if old != new else other
        span = moves[source].span if source in moves else None
        detail = f"Both {other} and {old} are recorded. Remove the moved block, or remove one from the state first."
        found.append(
            error("plan.move-conflict", f"{source} can't move to {new}, which is taken", detail, span=span, address=new)
        )
    return found


def _readdressed(record: Record, places: Mapping[Address, Address]) -> Record:
    return replace(
        record,
        address=places.get(record.address, record.address),
        needs=tuple(Need(places.get(need.target, need.target), need.sort, need.span) for need in record.needs),
        refs={role: places.get(target, target) for role, target in record.refs.items()},
    )
