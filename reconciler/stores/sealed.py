"""A medium whose content is encrypted before it gets there: the state, each kept version, each line of the journal."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Holder
from reconciler.stores.crypt import Place, Seal, envelope_in
from reconciler.stores.document import FORMAT, VERSION
from reconciler.stores.medium import Kept, Medium
from reconciler.stores.pins import Pins

_UNSOUND = ("state.sealed", "state.plain")


class SealedMedium:
    """Medium, around another one. `accept_plain`: what was written before there was a key is read as well."""

    def __init__(self, inner: Medium, seal: Seal, pins: Pins, accept_plain: bool = False) -> None:
        self._inner, self._seal, self._pins, self._accept_plain = inner, seal, pins, accept_plain
        self.name, self.expires = inner.name, inner.expires
        self._head: tuple[str, int] | None = None
        """Lineage and serial of what is there."""
        self._unsound: str | None = None
        """The mark of what is there, if it could not be opened: only a repair puts something in its place."""
        self._sizes: dict[int, int] = {0: 0}
        """Length of the journal as it is read -> as it is kept, after each line."""

    @property
    def kept(self) -> int:
        return self._inner.kept

    @kept.setter
    def kept(self, count: int) -> None:
        self._inner.kept = count

    def load(self) -> Kept | None:
        kept = self._inner.load()
        if kept is None:
            self._pins.require_none(self.name)
            self._head = ("", 0)
            return None
        try:
            data, (lineage, serial) = self._opened(kept.data)
        except Refused:
            self._unsound = kept.mark
            raise
        newest = max(self._inner.versions(), default=serial)
        # A version that is one ahead was about to be the state when the run that wrote it was killed.
        self._pins.require(self.name, lineage, serial, newest - 1)
        self._head, self._unsound = (lineage, serial), None
        return Kept(data, kept.mark)

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        lineage = str(json.loads(data)["lineage"])
        envelope = {"version": VERSION, "format": FORMAT, **self._seal.close(data, Place("state", lineage, serial))}
        mark = self._inner.save(_line(envelope), over or self._unsound, serial)
        self._head, self._unsound = (lineage, serial), None
        self._pins.put(self.name, lineage, serial)
        return mark

    def versions(self) -> Sequence[int]:
        return self._inner.versions()

    def version(self, serial: int) -> bytes | None:
        data = self._inner.version(serial)
        if data is None:
            return None
        try:
            opened, (_, found) = self._opened(data)
        except Refused as refused:
            if all(diagnostic.code in _UNSOUND for diagnostic in refused.diagnostics):
                return b""
            raise
        return opened if found == serial else b""

    def lines(self) -> bytes:
        place_of_state = self._place_if_sound()
        kept = self._inner.lines()
        whole = kept[: kept.rfind(b"\n") + 1]
        opened, self._sizes, read, size = [], {0: 0}, 0, 0
        for number, line in enumerate(whole.split(b"\n")[:-1]):
            envelope = envelope_in(line)
            if envelope is None and self._accept_plain:
                text = line + b"\n"
            else:
                text, place = self._seal.open(envelope or {}, f"journal {number}")
                if not _is_in_place(place, place_of_state):
                    raise self._out_of_place(number)
            opened.append(text)
            read, size = read + len(text), size + len(line) + 1
            self._sizes[read] = size
        return b"".join(opened)

    def add(self, data: bytes, seq: int, size: int) -> None:
        if size not in self._sizes:
            self.lines()
        kept = self._closed(data, seq)
        self._inner.add(b"".join(line for _, line in kept), seq, self._sizes[size])
        read, written = size, self._sizes[size]
        for text, line in kept:
            read, written = read + len(text), written + len(line)
            self._sizes[read] = written

    def restart(self, data: bytes) -> None:
        kept = self._closed(data, 0)
        self._inner.restart(b"".join(line for _, line in kept))
        self._sizes = {0: 0}

    def workspaces(self) -> Sequence[str]:
        return self._inner.workspaces()

    def acquire(self, holder: Holder, ttl: float) -> int:
        return self._inner.acquire(holder, ttl)

    def renew(self, ttl: float) -> None:
        self._inner.renew(ttl)

    def release(self) -> None:
        self._inner.release()

    def unlock(self, lock_id: str) -> None:
        self._inner.unlock(lock_id)

    def close(self) -> None:
        self._inner.close()

    def rewrap(self) -> bool:
        """Wrap the state's key with the current one, and write the journal anew; False if that is so already. Hold the
        lock. Versions that are kept from before stay as they are."""
        lines, kept = self.lines(), self._inner.load()
        if lines:
            self.restart(lines)
        envelope = envelope_in(kept.data) if kept else None
        if kept is None or envelope is None or self._seal.is_current(envelope):
            return False
        self._inner.save(_line(self._seal.rewrap(envelope, "state")), kept.mark, self._place()[1])
        return True

    def _place(self) -> tuple[str, int]:
        if self._head is None:
            self.load()
        return self._head or ("", 0)

    def _place_if_sound(self) -> tuple[str, int] | None:
        """None if what is there can't be opened: then whoever repairs it wants to see the journal all the same."""
        try:
            return self._place()
        except Refused:
            if self._unsound is None:
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
            opened, place = self._seal.open(envelope, "state")
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


def _is_in_place(line: Place, state: tuple[str, int] | None) -> bool:
    """Whether a line of the journal may follow that state: it was written at it or before it, in the same world."""
    return state is None or (line.lineage in ("", state[0]) and line.serial <= state[1])


def _line(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope, separators=(",", ":")).encode() + b"\n"
