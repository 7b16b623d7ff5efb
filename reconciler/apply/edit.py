"""What one step changes of what we remember: data, so that it can be applied, journalled and replayed."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from reconciler.apply.record import decode_record, encode_record
from reconciler.model.address import Address
from reconciler.model.resource import Need, Record


@dataclass(frozen=True, slots=True)
class Put:
    """The resource is there, as the record says."""

    record: Record


@dataclass(frozen=True, slots=True)
class Drop:
    """The resource is gone, or no longer ours; and with it what the live system itself had nested in it."""

    address: Address


@dataclass(frozen=True, slots=True)
class Rename:
    """`source`, all that is nested in it, and every mention of them, are called `target` from now on."""

    source: Address
    target: Address


Edit: TypeAlias = Put | Drop | Rename
Records = MutableMapping[Address, Record]


def amend(records: Records, edit: Edit) -> None:
    """Apply `edit` to `records`. Applying the same edit again changes nothing more."""
    match edit:
        case Put(record):
            records[record.address] = record
        case Drop(address):
            inside = f"{address}/"
            records.pop(address, None)
            for nested in [a for a, r in records.items() if r.discovered and a.startswith(inside)]:
                del records[nested]
        case Rename(source, target):
            _rename(records, source, target)


def _rename(records: Records, source: Address, target: Address) -> None:
    inside = f"{source}/"

    def is_meant(address: Address) -> bool:
        return address == source or address.startswith(inside)

    def renamed(address: Address) -> Address:
        return Address(f"{target}{address[len(source) :]}") if is_meant(address) else address

    for address, record in list(records.items()) if source in records else ():
        mentioned = (address, *record.refs.values(), *(need.target for need in record.needs))
        if any(map(is_meant, mentioned)):
            del records[address]
            records[renamed(address)] = replace(
                record,
                address=renamed(address),
                needs=tuple(Need(renamed(need.target), need.sort, need.span) for need in record.needs),
                refs={role: renamed(to) for role, to in record.refs.items()},
            )


def encode_edit(edit: Edit) -> dict[str, Any]:
    match edit:
        case Put(record):
            return {"put": encode_record(record)}
        case Drop(address):
            return {"drop": str(address)}
        case Rename(source, target):
            return {"rename": str(source), "to": str(target)}


def decode_edit(encoded: Mapping[str, Any]) -> Edit:
    """The edit that `encode_edit` made that of; KeyError, TypeError or ValueError if it made no such thing."""
    if "put" in encoded:
        return Put(decode_record(encoded["put"]))
    if "drop" in encoded:
        return Drop(Address(encoded["drop"]))
    return Rename(Address(encoded["rename"]), Address(encoded["to"]))
