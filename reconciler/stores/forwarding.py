"""What is left in a place that a state was moved away from: where it went, so that nobody goes on with the old one.

It stands where the state stood, under its version number and one serial later, so whatever reads states refuses it.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from reconciler.model.diagnostic import Refused, error

_KEY = "moved"


def forwarding(version: int, lineage: str, serial: int, to: str, sha256: str) -> bytes:
    """The document that says so. `sha256` is of the state that was there last; empty if there was only a journal."""
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    head = {"version": version, "format": 1, "min_reader": 1, "lineage": lineage, "serial": serial}
    return json.dumps({**head, _KEY: {"to": to, "at": at, "sha256": sha256}}, indent=2).encode() + b"\n"


def moved_from(data: bytes) -> str | None:
    """The SHA-256 of the state that was moved away from where this is; None if it is no such document."""
    try:
        said = json.loads(data)[_KEY] if b'"moved"' in data else None
        return str(said["sha256"]) if isinstance(said, dict) else None
    except (ValueError, RecursionError, KeyError, TypeError):
        return None


def require_here(raw: dict[str, Any], name: str) -> None:
    """Refused (`state.moved`) if the document says that the state is elsewhere."""
    said = raw.get(_KEY)
    if isinstance(said, dict) and "sha256" not in raw:
        told = f"The state {name} was moved to {said.get('to')}, on {said.get('at')}"
        way = (
            "Nothing was changed. Name that store in the configuration. If it is lost, `reconciler state repair` puts "
            "back what was here before it was moved."
        )
        raise Refused([error("state.moved", told, way)])
