"""From results to a ruling: waivers take effect, strictness is applied, and it is said what was waived."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error, warning
from reconciler.readiness.catalogue import CHECKS
from reconciler.readiness.gate import CheckResult, Verdict


@dataclass(frozen=True, slots=True)
class Waiver:
    """Lets the gate of `address` (of any resource, if None) open in spite of `check`, until the day `expires` ends.
    `only_unknown` waives what could not be found out, and no proven failure."""

    check: str
    reason: str
    expires: str
    address: Address | None = None
    only_unknown: bool = False

    def covers(self, result: CheckResult) -> bool:
        return (
            self.check == result.check
            and self.address in (None, result.address)
            and (result.verdict is Verdict.UNKNOWN or not self.only_unknown)
        )


@dataclass(frozen=True, slots=True)
class Ruling:
    """`notes` tell of every waiver in force, used or not, and of those that are over."""

    results: tuple[CheckResult, ...]
    notes: tuple[Diagnostic, ...]

    @property
    def is_ready(self) -> bool:
        return not any(result.is_shut for result in self.results)

    @property
    def is_refuted(self) -> bool:
        """Not ready, and proven so; a ruling neither ready nor refuted is undecided."""
        return any(result.is_shut and result.verdict is Verdict.FAIL for result in self.results)


def rule(results: Iterable[CheckResult], waivers: Iterable[Waiver] = (), *, today: str, strict: bool = False) -> Ruling:
    """`today` and a waiver's `expires` are ISO dates. `strict` turns the warnings of blocking checks into failures."""
    waivers = tuple(waivers)
    in_force = [waiver for waiver in waivers if waiver.expires[:10] >= today[:10] and waiver.check in CHECKS]
    ruled = tuple(_rule_one(result, in_force, strict) for result in results)
    return Ruling(ruled, tuple(_note(waiver, today) for waiver in waivers))


def _rule_one(result: CheckResult, waivers: Iterable[Waiver], strict: bool) -> CheckResult:
    if strict and result.verdict is Verdict.WARN and result.blocking:
        result = replace(result, verdict=Verdict.FAIL, code=result.code or "strict")
    waiver = next((waiver for waiver in waivers if waiver.covers(result)), None)
    if waiver is None or not result.is_shut:
        return result
    return replace(result, blocking=False, because=f"waived until {waiver.expires}: {waiver.reason}")


def _note(waiver: Waiver, today: str) -> Diagnostic:
    of = f" of {waiver.address}" if waiver.address else ""
    if waiver.check not in CHECKS:
        summary = f"There is no check {waiver.check} to waive"
        near = get_close_matches(waiver.check, CHECKS, n=1)
        detail = f"Did you mean {near[0]}?" if near else "`reconciler explain` lists the checks."
        return error("config.unknown-check", summary, detail, address=waiver.address)
    if waiver.expires[:10] < today[:10]:
        summary = f"The waiver of {waiver.check}{of} ended on {waiver.expires}, and has no effect"
        return warning("gate.waiver-over", summary, f"It was given because {waiver.reason}", address=waiver.address)
    summary = f"{waiver.check}{of} is waived until {waiver.expires}"
    return warning("gate.waived", summary, waiver.reason, address=waiver.address)


RESULT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["id", "address", "verdict", "blocking", "message"],
    "properties": {
        "id": {"type": "string", "description": "Of the check: mcp.prm; `reconciler explain` tells more."},
        "address": {"type": "string"},
        "verdict": {"enum": [str(verdict) for verdict in Verdict]},
        "blocking": {"type": "boolean", "description": "Whether a fail or unknown keeps the gate shut."},
        "code": {"type": "string"},
        "message": {"type": "string"},
        "remedy": {"type": "string"},
        "evidence": {"type": "object"},
        "spec": {"type": "array", "items": {"type": "string"}},
        "because": {"type": "string", "description": "The check for which it was skipped, or how it is waived."},
        "cause": {"type": "string", "description": "What it follows from; the same for all that follow from it."},
    },
}
"""JSON Schema of what `encode_result` returns."""


def encode_result(result: CheckResult) -> dict[str, Any]:
    """The result as JSON, for evidence files and machine-readable output; facts are redacted already."""
    facts: Mapping[str, Any] = result.facts
    return {
        "id": result.check,
        "address": str(result.address),
        "verdict": str(result.verdict),
        "blocking": result.blocking,
        "code": result.code,
        "message": result.evidence,
        "remedy": result.remedy,
        "evidence": dict(facts),
        "spec": list(result.spec),
        "because": result.because,
        "cause": result.cause,
    }
