"""The fingerprint of what a configuration means, by which a plan knows the configuration it was made from."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import sha256

from reconciler.config.configuration import Import, Moved, Removed
from reconciler.config.settings import Settings
from reconciler.model.address import Address
from reconciler.model.resource import Resource


def digest(
    resources: Mapping[Address, Resource],
    instructions: tuple[Iterable[Moved], Iterable[Removed], Iterable[Import]],
    settings: Settings,
) -> str:
    """SHA-256, in hexadecimal, over canonical JSON: places, comments, order and style leave it unchanged."""
    moved, removed, imports = instructions
    meaning = {
        "resources": {address: _meaning(resource) for address, resource in resources.items()},
        "moved": sorted([move.source, move.target] for move in moved),
        "removed": sorted([removal.source, removal.destroy] for removal in removed),
        "imports": sorted([imported.target, imported.id] for imported in imports),
        "settings": settings.model_dump(mode="json"),
    }
    text = json.dumps(meaning, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return sha256(text.encode("ascii")).hexdigest()


def _meaning(resource: Resource) -> list[object]:
    return [
        resource.kind,
        resource.attributes,
        resource.status,
        sorted([need.target, need.sort] for need in resource.needs),
        resource.refs,
        resource.protect,
        resource.discovered,
        *([resource.ignores] if resource.ignores else []),
    ]
