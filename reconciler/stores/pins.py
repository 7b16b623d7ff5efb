"""What this machine has seen of each state, so that an older or another one in its place is noticed.

Encryption proves that a state is one of ours, not that it is the last one. Pins are kept apart from the state, where
whoever restores or replaces that doesn't come: in the user's own directory (XDG Base Directory Specification).
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from reconciler.model.diagnostic import Refused, error
from reconciler.stores.durable import replace_file


def pins_home() -> Path:
    """`$XDG_STATE_HOME/reconciler/pins`"""
    chosen = os.environ.get("XDG_STATE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".local" / "state") / "reconciler" / "pins"


@dataclass(frozen=True, slots=True)
class Pins:
    """In files of `directory`; where they can't be written there are none, and nothing is refused. `key` tells a place
    from all others on this machine, if its name doesn't: that may be relative to wherever the user is."""

    directory: Path
    key: str = ""

    def require(self, name: str, lineage: str, serial: int, newest: int) -> None:
        """Refused (`state.rollback`, `state.swapped`) unless the state called `name` is at least what was seen, and at
        least as new as the version `newest` beside it; then it is what was seen."""
        seen = self._read(name)
        if seen is not None and seen[0] not in ("", lineage):
            told = f"{name} is the state of another world (lineage {lineage}) than the one last seen here ({seen[0]})"
            raise Refused([error("state.swapped", told, self._way_out(name))])
        known = max(seen[1] if seen else 0, newest)
        if serial < known:
            told = f"{name} is older than it was: its serial is {serial}, and {known} was there already"
            raise Refused([error("state.rollback", told, self._way_out(name))])
        if seen != (lineage, serial):
            self.put(name, lineage, serial)

    def require_none(self, name: str) -> None:
        """Refused (`state.missing`) if there was a state."""
        seen = self._read(name)
        if seen is not None:
            told = f"{name} is missing, though there was one, with serial {seen[1]}"
            raise Refused([error("state.missing", told, self._way_out(name))])

    def put(self, name: str, lineage: str, serial: int) -> None:
        path = self._path(name)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            replace_file(path, json.dumps({"state": name, "lineage": lineage, "serial": serial}).encode())

    def _read(self, name: str) -> tuple[str, int] | None:
        try:
            found = json.loads(self._path(name).read_bytes())
            return str(found["lineage"]), int(found["serial"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _path(self, name: str) -> Path:
        key = (self.key or name).encode("utf-8", "surrogateescape")
        return self.directory / f"{hashlib.sha256(key).hexdigest()[:32]}.json"

    def _way_out(self, name: str) -> str:
        return (
            "Nothing was changed. Put back the newest state. If this one is there on purpose, delete "
            f"{self._path(name)}, and remove the newer versions beside it."
        )
