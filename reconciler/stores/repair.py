"""What can be saved of a damaged workspace: the newest version that is sound, and the journal up to the damage."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from reconciler.apply.journal import read_lines
from reconciler.model.diagnostic import Refused, error
from reconciler.stores.document import read_version
from reconciler.stores.kept import KeptStore

_WHOLE = frozenset({"state.newer", "state.unreadable", "state.unwritable", "state.symlink", "state.key"})
"""Refusals that say nothing against what is kept: with another tool, key or right it is as it was."""


class Damage(NamedTuple):
    """What is wrong (in a sentence each), and what would be put in its place; None where nothing is to be put."""

    found: Sequence[str]
    serial: int | None
    document: bytes | None
    journal: bytes | None


def examine(store: KeptStore) -> Damage:
    """What is wrong with the workspace.

    Raises Refused if that can't be known here, and (`state.beyond-repair`) if no version of it is sound.
    """
    found: list[str] = []
    serial, document = None, None
    try:
        store.read()
    except Refused as refused:
        if any(diagnostic.code in _WHOLE for diagnostic in refused.diagnostics):
            raise
        found += [diagnostic.summary for diagnostic in refused.diagnostics]
        serial, document = _newest_sound(store)
    lines, journal = store.medium.lines(), None
    if not _is_sound(lines, store.describe()):
        whole = [line + b"\n" for line in lines.split(b"\n")[:-1]]
        sound = bisect_left(
            range(len(whole)), True, key=lambda n: not _is_sound(b"".join(whole[: n + 1]), store.describe())
        )
        journal = b"".join(whole[:sound])
        found.append(f"Line {sound + 1} of the journal of {store.describe()} isn't what was written there")
    return Damage(found, serial, document, journal)


def repair(store: KeptStore, damage: Damage) -> None:
    """Put in place what `damage` says. Hold the lock, and keep what was there first."""
    if damage.document is not None and damage.serial is not None:
        try:
            kept = store.medium.load()
        except Refused:
            kept = None
        store.medium.save(damage.document, kept.mark if kept else None, damage.serial)
    if damage.journal is not None:
        store.medium.restart(damage.journal)


def _newest_sound(store: KeptStore) -> tuple[int, bytes]:
    for serial in reversed(store.medium.versions()):
        data = store.medium.version(serial)
        if data is not None and read_version(data) is not None:
            return serial, data
    told = f"No version of {store.describe()} is sound"
    way = (
        "Put back a copy of your own. Without one: move what is left away, and adopt what is there with import blocks."
    )
    raise Refused([error("state.beyond-repair", told, way)])


def _is_sound(lines: bytes, name: str) -> bool:
    try:
        read_lines(lines, name)
    except Refused as refused:
        if any(diagnostic.code in _WHOLE for diagnostic in refused.diagnostics):
            raise
        return False
    return True
