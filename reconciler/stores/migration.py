"""Moving a workspace from one store to another, byte for byte: its state, the versions before it, and its journal."""

from __future__ import annotations

from typing import NamedTuple

from reconciler.model.diagnostic import Refused, error
from reconciler.stores.kept import KeptStore


class Migrated(NamedTuple):
    """What is in the other store now."""

    serial: int
    resources: int
    versions: int


def migrate(source: KeptStore, target: KeptStore) -> Migrated:
    """Copy what `source` keeps to `target`, and prove it by reading. Hold the locks of both.

    A migration that broke off is continued. Raises Refused, with nothing changed: `state.none` if there is nothing to
    move, `state.not-empty` if the target holds something else, and whatever reading the source raises.
    """
    snapshot, lines = source.read(), source.medium.lines()
    if snapshot is None and not lines:
        told = f"There is nothing to move in {source.describe()}"
        raise Refused([error("state.none", told, "Just name the other store in the configuration.")])
    source.history()
    source.tail()
    documents = source.documents()[-target.medium.kept :]
    there = target.medium.load()
    known = [data for _, data in documents]
    if (there is not None and there.data not in known) or target.medium.lines() not in (b"", lines):
        told = f"{target.describe()} holds another state already"
        raise Refused([error("state.not-empty", told, "Name an empty place, or another workspace.")])
    mark = there.mark if there is not None else None
    for serial, data in documents[known.index(there.data) + 1 if there is not None else 0 :]:
        mark = target.medium.save(data, mark, serial)
    if lines:
        target.medium.restart(lines)
    if target.read() != snapshot or target.medium.lines() != lines:
        told = f"What {target.describe()} answers is not what was written there"
        raise Refused([error("state.unwritable", told, f"Go on using {source.describe()}: it is unchanged.")])
    return Migrated(snapshot.serial if snapshot else 0, len(snapshot.records) if snapshot else 0, len(documents))
