"""The plan: the one thing that passes from deciding to doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.resource import Resource
from reconciler.plan.change import Change
from reconciler.plan.step import Step

WAITING = "plan.waiting"
"""The code of the warning that something is left out until the user settles what became of it."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a plan was made against; apply refuses, naming the first that differs."""

    lineage: str
    serial: int
    configuration: str
    """Digest of the configuration with its variables."""
    workspace: str
    created: str
    expires: str
    tool: str
    operation: str = "apply"
    """apply, destroy or refresh-only."""
    provider: str = ""
    """Which live system it is about, as its settings name it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes for people and steps for the executor, in address order, and what they were made against.

    `desired` are the resources the steps make, by address. `drift` says how the observed world differs from the
    recorded one. `diagnostics` with an error among them (a guard) make a plan that can be shown but not applied.
    """

    basis: Basis
    changes: tuple[Change, ...]
    steps: tuple[Step, ...]
    desired: Mapping[Address, Resource]
    drift: tuple[Change, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    allowed: frozenset[str] = field(default_factory=frozenset)
    variables: Mapping[str, Any] = field(default_factory=dict)
    """The variables in force, none of them secret: for whoever reads the plan."""
    defaulted: frozenset[str] = field(default_factory=frozenset)
    """Those of them that had their default, which is the configuration's to give and not remembered."""
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    """Of the secrets that the steps send, as they are when the apply begins; by the shown form of their references.
    Not kept in a plan's file."""

    @property
    def is_applyable(self) -> bool:
        return bool(self.steps) and not any(diagnostic.is_error for diagnostic in self.diagnostics)

    @property
    def is_held_up(self) -> bool:
        """Whether it leaves out what only the user can settle: carried out whole, it is still not all of the work."""
        return any(diagnostic.code == WAITING for diagnostic in self.diagnostics)
