"""Moving a workspace from one store to another, byte for byte: its state, the versions before it, and its journal."""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from reconciler.model.diagnostic import Refused, error
from reconciler.stores.document import VERSION, digest_of
from reconciler.stores.forwarding import forwarding, moved_from
from reconciler.stores.kept import KeptStore


class Migrated(NamedTuple):
    """What is in the other store now."""

    serial: int
    resources: int
    versions: int


def migrate(source: KeptStore, target: KeptStore) -> Migrated:
    """Copy what `source` keeps to `target`, and prove it by reading. Hold the locks of both.

    A migration that broke off is continued, and one that comes back takes the place that it left. Raises Refused, with
    nothing changed: `state.none` if there is nothing to move, `state.not-empty` if the target holds something else, and
    whatever reading the source raises.
    """
    snapshot, lines = source.read(), source.medium.lines()
    if snapshot is None and not lines:
        told = f"There is nothing to move in {source.describe()}"
        raise Refused([error("state.none", told, "Just name the other store in the configuration.")])
    source.history()
    source.tail()
    documents = source.documents()[-target.medium.kept :]
    mark, rest = _place_in(target, documents, lines)
    if lines != target.medium.lines():
        target.medium.restart(lines)
    for serial, data in rest:
        mark = target.medium.save(data, mark, serial)
    if target.read() != snapshot or target.medium.lines() != lines:
        told = f"What {target.describe()} answers is not what was written there"
        raise Refused([error("state.unwritable", told, f"Go on using {source.describe()}: it is unchanged.")])
    return Migrated(snapshot.serial if snapshot else 0, len(snapshot.records) if snapshot else 0, len(documents))


def leave(source: KeptStore, target: KeptStore) -> None:
    """Put in the place of the state in `source` that it is in `target` now, so that nobody goes on with it; what is
    kept there of the past stays. Hold the lock."""
    snapshot, kept = source.read(), source.medium.load()
    lineage, serial = (snapshot.lineage, snapshot.serial) if snapshot is not None else ("", 0)
    last = digest_of(kept.data) if kept is not None else ""
    note = forwarding(VERSION, lineage, serial + 1, target.describe(), last)
    mark = source.medium.save(note, kept.mark if kept is not None else None, serial + 1)
    there = target.medium.load()
    if kept is not None and there is not None and there.data == note:
        source.medium.save(kept.data, mark, serial)
        told = f"{target.describe()} is the same place as {source.describe()}"
        raise Refused([error("usage.same-store", told, "Nothing was moved. Name the store it shall move to.")])


def _place_in(
    target: KeptStore, documents: list[tuple[int, bytes]], lines: bytes
) -> tuple[str | None, list[tuple[int, bytes]]]:
    """The mark of what is there, and which documents are to follow it."""
    there = target.medium.load()
    digests = [digest_of(data) for _, data in documents]
    left = moved_from(there.data) if there is not None else None
    if there is None and target.medium.lines() in (b"", lines):
        return None, documents
    if there is not None and left is not None and left in ("", *digests):
        return there.mark, documents[digests.index(left) if left else 0 :]
    if there is not None and left is None and target.medium.lines() in (b"", lines):
        with suppress(ValueError):
            return there.mark, documents[digests.index(digest_of(there.data)) + 1 :]
    told = f"{target.describe()} holds another state already"
    raise Refused([error("state.not-empty", told, "Name an empty place, or another workspace.")])
