"""What the user says became of a creation that no evidence settles, as a journal entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from reconciler.apply.edit import Put, encode_edit
from reconciler.apply.record import decode_record
from reconciler.apply.recovery import Recovered
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.model.resource import Observed, Record


@dataclass(frozen=True, slots=True)
class Choice:
    """`adopt` is the id of the object that it is; None if it is none: then `is_retried` says whether it was not made
    at all, or whether what looks like it is somebody else's."""

    adopt: str | None = None
    is_retried: bool = False


def resolve(address: Address, choice: Choice, found: Recovered, observed: Iterable[Observed]) -> dict[str, Any]:
    """The entry that settles it: `adopted` with the edit that records it, or `abandoned`.

    Raises Refused: nothing is unclear about the address (`resolve.nothing`), there is no such object
    (`resolve.no-object`), or what is to be made anew is there (`resolve.still-there`).
    """
    told = found.unclear.get(address)
    about = {"address": str(address), "op": "create", "run_id": "resolve", "attempt": 0}
    if choice.adopt is not None:
        meant = decode_record(told[0]["record"]) if told else found.snapshot.records.get(address)
        if meant is None:
            raise _nothing(address)
        return {**about, "kind": "adopted", "edits": [encode_edit(Put(_adopted(meant, choice.adopt, found, observed)))]}
    if told is None:
        raise _nothing(address)
    if choice.is_retried:
        told_ids = (
            "There are objects that could be it. Delete them first, or say --abandon if they are somebody else's."
        )
        raise Refused([error("resolve.still-there", f"{address} may have been made already", told_ids)])
    return {**about, "kind": "abandoned"}


def _adopted(meant: Record, wanted: str, found: Recovered, observed: Iterable[Observed]) -> Record:
    parent = found.snapshot.records.get(meant.address.parent) if meant.address.parent else None
    spot = (meant.kind, parent.id if parent else None, wanted)
    seen = next((one for one in observed if (one.kind, one.parent_id, one.id) == spot), None)
    owner = next((r for r in found.snapshot.records.values() if (r.kind, r.id) == (meant.kind, wanted)), None)
    if seen is None:
        told = f"There is no {meant.kind} {wanted} to be {meant.address}"
        raise Refused([error("resolve.no-object", told, "The warning of plan lists those that could be it.")])
    if owner is not None:
        told = f"{wanted} is {owner.address} already"
        raise Refused([error("resolve.no-object", told, "One object can't be two resources.")])
    return replace(meant, id=seen.id, handle=seen.handle, status=seen.status, fingerprint=seen.fingerprint)


def _nothing(address: Address) -> Refused:
    told = f"Nothing is unclear about {address}"
    return Refused([error("resolve.nothing", told, "Run plan: it says what is there, and what is left to be done.")])
