"""One instruction to the executor, and the steps it must wait for."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.address import Address
from reconciler.model.lifecycle import State


class Op(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    TRANSITION = "transition"
    """Command a lifecycle event and wait for the state it leads to."""
    AWAIT = "await"
    """Wait for a state the live system brings about; for a discovered resource, first for its row to appear."""
    VERIFY = "verify"
    """Evaluate the gate before an activation: all it needs is there and ready, by the live system's word."""
    DELETE = "delete"
    ADOPT = "adopt"
    """Bind an address to an existing remote object. Like move and forget it changes only what we remember."""
    MOVE = "move"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Step:
    """`id` is unique in its plan and readable: `activate mcp_server.github`.

    What a step needs beyond this it finds in its plan's desired resource of that address, or in the snapshot record.
    """

    id: str
    op: Op
    address: Address
    kind: str
    event: str | None = None
    target: State | None = None
    changed: tuple[str, ...] = ()
    needs: tuple[Address, ...] = ()
    source: Address | None = None
    remote_id: str | None = None
    waits: tuple[str, ...] = ()
