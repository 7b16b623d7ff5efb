"""The org that is played: its memory, its clock, its world, and the one way in which an object changes state."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import time
from datetime import UTC, datetime

from reconciler.sandbox import errors
from reconciler.sandbox.database import Database, Item
from reconciler.sandbox.exchange import Actor
from reconciler.sandbox.hosts import Hosts
from reconciler.sandbox.lifecycle import Event, next_state
from reconciler.sandbox.logs import Changes, EventType, describe_event
from reconciler.sandbox.options import SandboxOptions

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Org:
    """What every handler is given."""

    def __init__(self, options: SandboxOptions) -> None:
        self.options = options
        self._clock = options.clock or time.time
        self.hosts = None if options.world is None else Hosts(options.world)
        self.db = Database(options.db)
        with self.db.transaction():
            if self.db.fact("seed") is None:
                self.db.set_fact("seed", options.seed or secrets.token_hex(16))
                self.db.set_fact("sequence", "0")
        self._seed = self.db.fact("seed") or ""
        self.id = self._identity("00o", 0)

    def now(self) -> float:
        return self._clock()

    def stamp(self) -> str:
        """The time as the API writes it: ISO 8601, UTC, milliseconds."""
        return format_time(self.now())

    def new_id(self, prefix: str) -> str:
        """An id that this database has never given away, not even before a reset."""
        sequence = int(self.db.fact("sequence") or 0) + 1
        self.db.set_fact("sequence", str(sequence))
        return self._identity(prefix, sequence)

    def orn(self, service: str, *path: str) -> str:
        return ":".join(("orn", "okta", service, self.id, *path))

    def new(self, item: Item, unique: str = "") -> Item:
        """Store a new object; refused as a duplicate of the field `unique` if its key is taken."""
        now = self.now()
        item.changed = now
        item.body = {**item.body, "created": format_time(now), "lastUpdated": format_time(now)}
        try:
            self.db.add(item)
        except sqlite3.IntegrityError:
            raise errors.duplicate(unique) from None
        return item

    def save(self, item: Item) -> None:
        """Keep a change of what the API shows."""
        item.changed = self.now()
        item.body["lastUpdated"] = format_time(item.changed)
        self.db.save(item)

    def move(self, item: Item, table: str, event: Event, reason: str | None = None) -> None:
        """Bring `item` to the state that `event` leads to; E0000107 if its lifecycle has no such edge."""
        target = next_state(table, item.status, event)
        if target is None:
            raise errors.wrong_state()
        item.due = None
        item.body["status"] = target
        item.body.pop("statusReason", None)
        if reason is not None:
            item.body["statusReason"] = reason
        if target == "DELETED":
            self.db.remove(item)
        else:
            self.save(item)

    def require(self, kind: str, identity: str, subject: str, parent: str | None = None) -> Item:
        item = self.db.get(kind, identity, parent)
        if item is None:
            raise errors.not_found(identity, subject)
        return item

    def log(
        self,
        actor: Actor,
        event: EventType,
        *targets: Item,
        changes: Changes | None = None,
        failure: str | None = None,
    ) -> None:
        """Add to the System Log."""
        published = self.stamp()
        described = describe_event(actor, event, targets, changes=changes, failure=failure)
        self.db.log(published, {"uuid": self.new_id("evt"), "published": published, **described})

    def _identity(self, prefix: str, sequence: int) -> str:
        number = int.from_bytes(hashlib.sha256(f"{self._seed}:{sequence}".encode()).digest()[:14], "big")
        digits = []
        for _ in range(17):
            number, digit = divmod(number, 62)
            digits.append(_DIGITS[digit])
        return prefix + "".join(digits)


def format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
