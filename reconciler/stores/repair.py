"""What can be saved of a damaged workspace: the newest version that is sound, and the journal up to the damage."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from reconciler.apply.journal import read_lines
from reconciler.model.diagnostic import Refused, error
from reconciler.stores.document import is_damage, read_version, require_plain
from reconciler.stores.kept import KeptStore
from reconciler.stores.sealed import SealedMedium


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
        _require_damage(refused)
        found += [diagnostic.summary for diagnostic in refused.diagnostics]
        serial, document = _newest_sound(store)
    return Damage(found, serial, document, _sound_journal(store, found))


def _sound_journal(store: KeptStore, found: list[str]) -> bytes | None:
    """What is to be put in the place of the journal, if it is damaged; `found` is told how."""
    name, damage = store.describe(), None
    if isinstance(store.medium, SealedMedium):
        lines, damage = store.medium.sound_lines()
    else:
        lines = store.medium.lines()
        require_plain(lines, name)
    if damage is not None:
        found += [diagnostic.summary for diagnostic in damage.diagnostics]
    if _is_sound(lines, name):
        return None if damage is None else lines
    whole = [line + b"\n" for line in lines.split(b"\n")[:-1]]
    sound = bisect_left(range(len(whole)), True, key=lambda n: not _is_sound(b"".join(whole[: n + 1]), name))
    found.append(f"Line {sound + 1} of the journal of {name} isn't what was written there")
    return b"".join(whole[:sound])


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


def _require_damage(refused: Refused) -> None:
    """Raises it if it is about something else."""
    if not is_damage(refused):
        raise refused


def _is_sound(lines: bytes, name: str) -> bool:
    try:
        read_lines(lines, name)
    except Refused as refused:
        _require_damage(refused)
        return False
    return True
