"""What others were told last of each workspace, in a store of its own: it outlives a workspace that can't be read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from hashlib import sha256

from reconciler.stores.medium import Kept
from reconciler.stores.opening import Shelf

Told = dict[str, str]
"""By channel, the digest of the state it was told of. A channel that is missing knows of none."""
_PATIENCE = 10.0
"""Seconds to wait for another run that tells of the same workspace."""


@dataclass(frozen=True, slots=True)
class Memory:
    shelf: Shelf

    def recall(self, workspace: str) -> Told:
        with closing(self.shelf.open(_slot(workspace))) as store:
            return _decode(store.medium.load())

    def change(self, workspace: str, change: Callable[[Told], Told]) -> None:
        """Puts what `change` makes of it in its place. No other run is in between: what `change` tells, it tells alone.

        Raises Refused as stores do.
        """
        with closing(self.shelf.open(_slot(workspace))) as store, store.lock("notify", _PATIENCE):
            kept = store.medium.load()
            before = _decode(kept)
            after = change(dict(before))
            if after != before:
                serial = max(store.medium.versions(), default=0) + 1
                document = {"version": 1, "lineage": "notices", "serial": serial, "workspace": workspace, "told": after}
                store.medium.save(json.dumps(document).encode(), kept.mark if kept else None, serial)


def _slot(workspace: str) -> str:
    """A name that every store permits; no two workspaces have the same."""
    readable = re.sub(r"[^A-Za-z0-9_-]+", "-", workspace).strip("-")[:30] or "w"
    return f"{readable}-{sha256(workspace.encode()).hexdigest()[:16]}"


def _decode(kept: Kept | None) -> Told:
    """Nothing where there is nothing that can be read: to tell again is better than to be silent."""
    try:
        told = json.loads(kept.data)["told"] if kept else {}
        return {str(channel): str(digest) for channel, digest in told.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
