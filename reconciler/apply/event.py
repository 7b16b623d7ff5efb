"""What happens during an apply, told to whoever watches; renderers turn these into lines."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.lifecycle import State
from reconciler.plan.step import Step
from reconciler.readiness.gate import CheckResult


@dataclass(frozen=True, slots=True)
class Started:
    step: Step


@dataclass(frozen=True, slots=True)
class Progressed:
    """Sent every few seconds while a step goes on. `doing` says what it waits for; `state` is the last seen."""

    step: Step
    elapsed: float
    state: State | None = None
    doing: str = ""


@dataclass(frozen=True, slots=True)
class Finished:
    step: Step
    elapsed: float
    remote_id: str | None = None
    note: str = ""
    """Something to know of how it went: already so, adopted after a lost answer."""
    checks: tuple[CheckResult, ...] = ()
    """Of a gate: what it was judged by."""


@dataclass(frozen=True, slots=True)
class Failed:
    step: Step
    elapsed: float
    diagnostics: tuple[Diagnostic, ...]
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Skipped:
    """Not started, because `because` (the address whose step failed, at the root of it) or an interrupt (None)."""

    step: Step
    because: Address | None


Event = Started | Progressed | Finished | Failed | Skipped


class Outcome(StrEnum):
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
