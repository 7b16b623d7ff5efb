"""A medium whose content is encrypted before it gets there: the state, each kept version, each line of the journal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Holder
from reconciler.stores.crypt import Place, Seal, envelope_in
from reconciler.stores.document import FORMAT, VERSION, is_damage
from reconciler.stores.medium import Kept, Medium
from reconciler.stores.pins import Pins

_UNSOUND = ("state.sealed", "state.plain")


class SealedMedium:
    """Medium, around another one. `accept_plain`: what was written before there was a key is read as well."""

    def __init__(self, inner: Medium, seal: Seal, pins: Pins, accept_plain: bool = False) -> None:
        self.inner = inner
        """What is kept there can't be read by anybody."""
        self._seal, self._pins, self._accept_plain = seal, pins, accept_plain
        self.name, self.expires = inner.name, inner.expires
        self._head: tuple[str, int] | None = None
        """Lineage and serial of what is there."""
        self._unsound: str | None = None
        """The mark of what is there, if it is not what should be: only a repair puts something in its place."""
        self._sizes: dict[int, int] = {0: 0}
        """Length of the journal as it is read -> as it is kept, after each line."""

    @property
    def kept(self) -> int:
        return self.inner.kept

    @kept.setter
    def kept(self, count: int) -> None:
        self.inner.kept = count

    def load(self) -> Kept | None:
        kept = self.inner.load()
        if kept is None:
            self._pins.require_none(self.name)
            # Whoever can't write the first state must not begin to make what it would be about.
            self._seal.require_key()
            self._head = ("", 0)
            return None
        try:
            data, (lineage, serial) = self._opened(kept.data)
        except Refused:
            self._unsound = kept.mark
            raise
        newest = max(self.inner.versions(), default=serial)
        try:
            # A version that is one ahead was about to be the state when the run that wrote it was killed.
            self._pins.require(self.name, lineage, serial, newest - 1)
        except Refused:
            self._unsound = kept.mark
            raise
        self._head, self._unsound = (lineage, serial), None
        return Kept(data, kept.mark)

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        mark = self.inner.save(self._closed_state(data), over or self._unsound, serial)
        self._head, self._unsound = (str(json.loads(data)["lineage"]), serial), None
        self._pins.put(self.name, *self._head)
        return mark

    def versions(self) -> Sequence[int]:
        return self.inner.versions()

    def version(self, serial: int) -> bytes | None:
        data = self.inner.version(serial)
        if data is None:
            return None
        try:
            opened, (_, found) = self._opened(data)
        except Refused as refused:
            if _is_unsound(refused):
                return b""
            raise
        return opened if found == serial else b""

    def revise(self, serial: int, data: bytes) -> None:
        self.inner.revise(serial, self._closed_state(data))

    def lines(self) -> bytes:
        lines, damage = self.sound_lines()
        if damage is not None:
            raise damage
        return lines

    def sound_lines(self) -> tuple[bytes, Refused | None]:
        """The journal up to the first line that isn't what was written there, and what is said of that."""
        place_of_state = self._place_if_sound()
        kept = self.inner.lines()
        whole = kept[: kept.rfind(b"\n") + 1]
        lines = whole.split(b"\n")[:-1]
        if envelope_in(kept[len(whole) : -1]) is not None:
            # It was written whole, so another byte has come to stand in the place of its end: that is no line.
            lines.append(b"")
        opened: list[bytes] = []
        self._sizes, read, size = {0: 0}, 0, 0
        for number, line in enumerate(lines):
            try:
                text = self._opened_line(number, line, place_of_state)
            except Refused as refused:
                if not _is_unsound(refused):
                    raise
                return b"".join(opened), refused
            opened.append(text)
            read, size = read + len(text), size + len(line) + 1
            self._sizes[read] = size
        return b"".join(opened), None

    def _opened_line(self, number: int, line: bytes, place_of_state: tuple[str, int] | None) -> bytes:
        envelope = envelope_in(line)
        if envelope is None and self._accept_plain:
            return line + b"\n"
        text, place = self._seal.open(_as_written(envelope, line + b"\n"), f"journal {number}")
        if not _is_in_place(place, place_of_state):
            raise self._out_of_place(number)
        return text

    def add(self, data: bytes, seq: int, size: int) -> None:
        if size not in self._sizes:
            self.lines()
        kept = self._closed(data, seq)
        self.inner.add(b"".join(line for _, line in kept), seq, self._sizes[size])
        read, written = size, self._sizes[size]
        for text, line in kept:
            read, written = read + len(text), written + len(line)
            self._sizes[read] = written

    def restart(self, data: bytes) -> None:
        kept = self._closed(data, 0)
        self.inner.restart(b"".join(line for _, line in kept))
        self._sizes = {0: 0}

    def workspaces(self) -> Sequence[str]:
        return self.inner.workspaces()

    def acquire(self, holder: Holder, ttl: float) -> int:
        return self.inner.acquire(holder, ttl)

    def renew(self, ttl: float) -> None:
        self.inner.renew(ttl)

    def release(self) -> None:
        self.inner.release()

    def unlock(self, lock_id: str) -> None:
        self.inner.unlock(lock_id)

    def close(self) -> None:
        self.inner.close()

    def rewrap(self) -> int:
        """Wrap the keys of the state and of all versions with the current one, encrypt those that are not encrypted (if
        they are accepted), and write the journal anew; how many states that changed. Hold the lock."""
        lines, kept = self.lines(), self.inner.load()
        if lines:
            self.restart(lines)
        newest = self._place()[1]
        past = {serial: self.inner.version(serial) for serial in self.inner.versions() if serial != newest}
        anew = {serial: text for serial, data in past.items() if (text := self._rewrapped(data)) is not None}
        for serial, text in anew.items():
            self.inner.revise(serial, text)
        text = self._rewrapped(kept.data) if kept is not None else None
        if kept is None or text is None:
            return len(anew)
        # Twice, so that what a store keeps as the backup of the state is of the current key too.
        self.inner.save(text, self.inner.save(text, kept.mark, newest), newest)
        return len(anew) + 1

    def _rewrapped(self, data: bytes | None) -> bytes | None:
        """The state under the current key; None if it is, or if it isn't what was written there."""
        envelope = envelope_in(data or b"")
        try:
            if envelope is None:
                return self._closed_state(self._opened(data or b"")[0])
            return None if self._seal.is_current(envelope) else _line(self._seal.rewrap(envelope, "state"))
        except Refused as refused:
            if _is_unsound(refused):
                return None
            raise
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _closed_state(self, data: bytes) -> bytes:
        document = json.loads(data)
        place = Place("state", str(document["lineage"]), int(document["serial"]))
        return _line({"version": VERSION, "format": FORMAT, **self._seal.close(data, place)})

    def _place(self) -> tuple[str, int]:
        if self._head is None:
            self.load()
        return self._head or ("", 0)

    def _place_if_sound(self) -> tuple[str, int] | None:
        """None if what is there can't be opened: then whoever repairs it wants to see the journal all the same."""
        try:
            return self._place()
        except Refused as refused:
            if not is_damage(refused):
                raise
            return None

    def _closed(self, data: bytes, seq: int) -> list[tuple[bytes, bytes]]:
        """Each line as it is read and as it is kept."""
        lineage, serial = self._place()
        texts = data.splitlines(keepends=True)
        places = [Place(f"journal {seq + number}", lineage, serial) for number in range(len(texts))]
        return [(text, _line(self._seal.close(text, place))) for text, place in zip(texts, places, strict=True)]

    def _opened(self, data: bytes) -> tuple[bytes, tuple[str, int]]:
        envelope = envelope_in(data)
        if envelope is not None:
            opened, place = self._seal.open(_as_written(envelope, data), "state")
            return opened, (place.lineage, place.serial)
        if not self._accept_plain:
            raise self._plain()
        try:
            document = json.loads(data)
            return data, (str(document["lineage"]), int(document["serial"]))
        except (ValueError, KeyError, TypeError, RecursionError):
            return data, ("", 0)

    def _plain(self) -> Refused:
        told = f"{self.name} is not encrypted, though the configuration says it is"
        detail = (
            "Nothing was changed. If it was written before state.encryption was set, set accept_plain: true there "
            "until the next apply has encrypted it. Otherwise somebody has put it there."
        )
        return Refused([error("state.plain", told, detail)])

    def _out_of_place(self, number: int) -> Refused:
        told = f"Line {number + 1} of the journal of {self.name} was written for another version of the state"
        return Refused([error("state.sealed", told, "One of the two was replaced. Nothing was changed.")])


def _as_written(envelope: dict[str, Any] | None, data: bytes) -> dict[str, Any]:
    """The envelope; an empty one, which nothing opens, if the bytes aren't those in which it was written."""
    if envelope is None or _line(envelope) != data or envelope.get("version", VERSION) != VERSION:
        return {}
    return envelope


def _is_unsound(refused: Refused) -> bool:
    return all(diagnostic.code in _UNSOUND for diagnostic in refused.diagnostics)


def _is_in_place(line: Place, state: tuple[str, int] | None) -> bool:
    """Whether a line of the journal may follow that state: it was written at it or before it, in the same world."""
    return state is None or (line.lineage in ("", state[0]) and line.serial <= state[1])


def _line(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope, separators=(",", ":")).encode() + b"\n"
