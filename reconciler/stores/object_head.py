"""The one object of a workspace in a bucket that is ever changed: it says which of the others count."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Head:
    """What counts. `renewed` differs after every renewal."""

    fence: int = 0
    holder: dict[str, Any] | None = None
    ttl: float = 0.0
    renewed: str = ""
    state: str | None = None
    journal: str = "0"
    versions: tuple[tuple[int, str], ...] = ()

    def encode(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Head:
        """Raises ValueError, TypeError or KeyError for anything else."""
        raw = json.loads(data)
        head = cls(**{**raw, "versions": tuple((serial, name) for serial, name in raw["versions"])})
        texts = (head.renewed, head.journal, head.state or "", *(name for _, name in head.versions))
        numbers = (head.fence, *(serial for serial, _ in head.versions))
        others = ((head.ttl, int | float), (head.holder, dict | None), (raw["versions"], list))
        typed = (*((text, str) for text in texts), *((number, int) for number in numbers), *others)
        if not all(isinstance(value, kind) for value, kind in typed):
            raise TypeError("a number or a text is something else")
        return head
