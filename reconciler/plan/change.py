"""What will become of one resource, in words a reviewer can judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.diff import Difference
from reconciler.model.address import Address
from reconciler.model.diagnostic import Span
from reconciler.model.lifecycle import State, Transition
from reconciler.model.resource import Attributes


class Action(StrEnum):
    NONE = "none"
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    MOVE = "move"
    FORGET = "forget"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the action. `code` is Terraform's action_reason where one fits; nothing decides from either."""

    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """`before` is what is there now (observed), `after` what will be; None where there is or will be nothing.

    `path` holds the lifecycle transitions that will run, `waits_for` the resources whose readiness the activation
    waits for. A change may both update and be moved (`moved_from`) or adopted (`importing`, a remote id)."""

    address: Address
    kind: str
    action: Action
    before: Attributes | None = None
    after: Attributes | None = None
    differences: tuple[Difference, ...] = ()
    status_before: State | None = None
    status_after: State | None = None
    path: tuple[Transition, ...] = ()
    waits_for: tuple[Address, ...] = ()
    reason: Reason | None = None
    moved_from: Address | None = None
    importing: str | None = None
    span: Span | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
