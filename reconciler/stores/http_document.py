"""The one document that a server of Terraform's HTTP protocol keeps of a workspace."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

from reconciler.stores.document import VERSION


@dataclass(frozen=True, slots=True)
class Document:
    """What the server keeps. `serial` counts its writes, `versions` are serials and documents of states.

    `fence` is the number of the lease under which it was last written, `run` the id of that lease: two that held the
    lock one after the other have the same number unless the first of them wrote.
    """

    serial: int = 0
    fence: int = 0
    run: str = ""
    state: str | None = None
    journal: str = ""
    versions: tuple[tuple[int, str], ...] = ()

    @property
    def mark(self) -> str | None:
        return None if self.state is None else hashlib.sha256(self.state.encode()).hexdigest()

    def encode(self) -> bytes:
        """With what Terraform's protocol looks for at the top, and a version that makes Terraform leave it alone."""
        ours = {
            "fence": self.fence,
            "run": self.run,
            "state": self.state,
            "journal": self.journal,
            "versions": self.versions,
        }
        head = {"version": VERSION, "serial": self.serial, "lineage": self._lineage}
        return json.dumps({**head, "reconciler": ours}).encode()

    @property
    def _lineage(self) -> str:
        try:
            return str(json.loads(self.state or "{}")["lineage"])
        except (ValueError, KeyError, TypeError, RecursionError):
            # None yet, or damaged; whoever repairs that has to be able to write.
            return ""

    @classmethod
    def decode(cls, data: bytes) -> Document:
        """Raises ValueError, KeyError or TypeError for anything else."""
        raw = json.loads(data)
        ours = raw["reconciler"]
        versions = tuple((serial, text) for serial, text in ours["versions"])
        found = cls(raw["serial"], ours["fence"], ours.get("run", ""), ours["state"], ours["journal"], versions)
        numbers = (found.serial, found.fence, *(serial for serial, _ in versions))
        texts = (found.run, found.journal, found.state or "", *(text for _, text in versions))
        if not all(isinstance(n, int) for n in numbers) or not all(isinstance(text, str) for text in texts):
            raise TypeError("a number or a text is something else")
        for state in (found.state or "", *(text for _, text in versions)):
            state.encode()
        return found
