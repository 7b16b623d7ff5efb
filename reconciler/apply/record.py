"""A record as JSON, the same in the state document and in the journal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Record

_STATES = {str(state): state for state in State}
_SORTS = {str(sort): sort for sort in NeedSort}


def encode_record(record: Record) -> dict[str, Any]:
    """What is empty is left out. Places in the configuration (`Need.span`) are not kept: they don't outlive it."""
    encoded: dict[str, Any] = {
        "address": str(record.address),
        "kind": record.kind,
        "id": record.id,
        "status": str(record.status),
        "attributes": dict(record.attributes),
    }
    if record.handle is not None:
        encoded["handle"] = record.handle
    if record.needs:
        encoded["needs"] = [{"target": str(need.target), "sort": str(need.sort)} for need in record.needs]
    if record.refs:
        encoded["refs"] = {role: str(target) for role, target in record.refs.items()}
    if record.protect:
        encoded["protect"] = True
    if record.discovered:
        encoded["discovered"] = True
    if record.fingerprint is not None:
        encoded["fingerprint"] = record.fingerprint
    if record.secrets:
        encoded["secrets"] = dict(record.secrets)
    return encoded


def decode_record(encoded: Mapping[str, Any]) -> Record:
    """The record that `encode_record` made that of; KeyError, TypeError or ValueError if it made no such thing."""
    return Record(
        address=Address(encoded["address"]),
        kind=encoded["kind"],
        id=encoded["id"],
        attributes=encoded["attributes"],
        status=_STATES[encoded["status"]],
        needs=tuple([Need(Address(need["target"]), _SORTS[need["sort"]]) for need in encoded.get("needs", ())]),
        refs={role: Address(target) for role, target in encoded.get("refs", {}).items()},
        handle=encoded.get("handle"),
        protect=encoded.get("protect", False),
        discovered=encoded.get("discovered", False),
        fingerprint=encoded.get("fingerprint"),
        secrets=encoded.get("secrets", {}),
    )
