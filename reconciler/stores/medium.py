"""What a place must be able to do to keep a workspace, in bytes: the part in which stores differ.

Everything else about a store (what is in the bytes, who may write when) is the same for all, in kept.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from reconciler.model.secret import Reference, Secret
from reconciler.ports import Holder

Resolve = Callable[[Reference], Secret]
"""Reads the secret that a reference points to."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What is there. `mark` is another after every change."""

    data: bytes
    mark: str


class Overtaken(Exception):
    """What is there is not what the writer believed to be there."""


class Lost(Exception):
    """The lease is no longer ours."""


class Held(Exception):
    """Somebody else has the lease, for `left` more seconds unless it is renewed; None if that isn't limited.
    `note` says more about who (for holders that are not of our kind)."""

    def __init__(self, holder: Holder | None, left: float | None = None, note: str = "") -> None:
        super().__init__()
        self.holder, self.left, self.note = holder, left, note


class Medium(Protocol):
    """One workspace's place. Raises Refused for what the place itself objects to (`state.unreadable`,
    `state.unwritable`). Under a lease, `save`, `add`, `restart` and `revise` raise Lost once another has been granted,
    and then change nothing that anybody reads."""

    name: str
    """What the place is called in messages."""
    kept: int
    """How many versions of the state it keeps."""
    expires: bool
    """Whether a lease ends by itself unless it is renewed."""

    def load(self) -> Kept | None: ...

    def save(self, data: bytes, over: str | None, serial: int) -> str:
        """Put `data` in the place of what has the mark `over` (None: of nothing) or raise Overtaken; keep it as the
        version `serial` too. Gives the new mark, once it is durable."""
        ...

    def lines(self) -> bytes:
        """The journal."""
        ...

    def add(self, data: bytes, seq: int, size: int) -> None:
        """Make `data` the journal's lines from number `seq` on, after its first `size` bytes. Overtaken if there
        are such lines already."""
        ...

    def restart(self, data: bytes) -> None:
        """Put `data` in the place of the whole journal."""
        ...

    def versions(self) -> Sequence[int]:
        """The serials of the versions that are kept, ascending."""
        ...

    def version(self, serial: int) -> bytes | None: ...

    def revise(self, serial: int, data: bytes) -> None:
        """Put `data` in the place of that version, which is there and isn't the newest."""

    def workspaces(self) -> Sequence[str]:
        """All that are kept in the same place, as far as it can tell."""
        ...

    def acquire(self, holder: Holder, ttl: float) -> int:
        """The fence of a new lease for `ttl` seconds, or Held."""
        ...

    def renew(self, ttl: float) -> None:
        """Have it for `ttl` seconds from now, or Lost."""
        ...

    def release(self) -> None: ...

    def unlock(self, lock_id: str) -> None:
        """Take the lease from its holder, whose writes are refused from now on; otherwise Refused."""
        ...

    def close(self) -> None: ...
