"""Drift accepted: the configuration as it has to be written so that what is there is what is desired."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reconciler.config.configuration import Configuration
from reconciler.config.rewriting import REMOVED, Path, Unwritable, rewritten
from reconciler.diff import ABSENT, Difference
from reconciler.drift import DriftClass, Finding
from reconciler.kinds import sections
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, warning
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot
from reconciler.plan.moves import relocate
from reconciler.plan.situation import Known, Situation, ours, survey

Texts = Mapping[str, str]
"""The text of every file, by its name."""
_ROUNDS = 4
"""What follows from an accepted value (a scope that an access policy then grants) is accepted in the next round."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """The files as they have to be; `accepted` are the resources that then agree with what is there. The
    diagnostics are warnings: what can't be accepted, and why."""

    texts: Texts
    accepted: tuple[Address, ...]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """What is accepted, and how files become a configuration (Refused if they are none)."""

    snapshot: Snapshot
    observed: tuple[Observed, ...]
    load: Callable[[Texts], Configuration]


def accept(texts: Texts, findings: Iterable[Finding], case: Case) -> Acceptance:
    """One resource after the other; a file changes only if the whole resource could be accepted."""
    accepted: list[Address] = []
    problems = [_unacceptable(finding) for finding in findings if finding.sort not in _WRITTEN and finding.is_drift]
    wanted = {f.address: f for f in findings if f.sort in _WRITTEN and f.is_drift and f.address}
    for address in wanted:
        try:
            texts = _accepted(texts, address, case)
        except Unwritable as reason:
            problems.append(_left(address, str(reason)))
        except Refused as refused:
            problems.append(_left(address, f"the configuration would be none: {refused.diagnostics[0].summary}"))
        else:
            accepted.append(address)
    return Acceptance(texts, tuple(accepted), tuple(problems))


_WRITTEN = frozenset({DriftClass.ATTRIBUTE, DriftClass.LIFECYCLE})


def _accepted(texts: Texts, address: Address, case: Case) -> Texts:
    before = case.load(texts)
    for _ in range(_ROUNDS):
        situation = _situation(address, case.load(texts), case)
        edits = _edits(situation)
        if not edits:
            _require_nobody_else(before, case.load(texts), address)
            return texts
        for path, value in edits:
            texts = _edited(texts, path, value)
    raise Unwritable("its block can't say all of it")


def _situation(address: Address, configuration: Configuration, case: Case) -> Situation:
    records = relocate(case.snapshot.records, configuration.moved).records
    return survey(Known(configuration.resources, records, case.observed)).situations[address]


def _edits(situation: Situation) -> list[tuple[Path, Any]]:
    desired, seen = situation.desired, situation.seen
    if desired is None or seen is None:
        raise Unwritable("it is not in the configuration")
    last = situation.address.segments[-1]
    if last.key is not None or any(segment.key for segment in situation.address.segments):
        raise Unwritable("it is one of several that for_each makes")
    section = next(section for section, kind in sections().items() if kind.name == last.word)
    block = (section, last.name)
    edits = [((*block, *d.path), _value(d)) for d in ours(situation, desired.attributes)]
    if seen.status is not desired.status:
        if seen.status not in (State.ACTIVE, State.INACTIVE):
            raise Unwritable(f"nobody can want it to be {seen.status}")
        edits.append(((*block, "status"), seen.status.lower()))
    return edits


def _value(difference: Difference) -> Any:
    if difference.secret:
        raise Unwritable("a secret can't be read")
    return REMOVED if difference.before is ABSENT else difference.before


def _edited(texts: Texts, path: Path, value: Any) -> Texts:
    for name, text in texts.items():
        if (new := rewritten(text, path, value)) is not None:
            return {**texts, name: new}
    raise Unwritable("its block is not written in these files")


def _require_nobody_else(before: Configuration, after: Configuration, address: Address) -> None:
    """An external authorization server is written once, and is there once for every MCP server."""
    changed = [
        a
        for a in (*before.resources, *after.resources)
        if a != address and (a not in before.resources or a not in after.resources or _differs(before, after, a))
    ]
    if changed:
        raise Unwritable(f"the same lines describe {changed[0]}, which is as it was")


def _differs(before: Configuration, after: Configuration, address: Address) -> bool:
    one, other = before.resources[address], after.resources[address]
    return (one.attributes, one.status) != (other.attributes, other.status)


def _left(address: Address, reason: str) -> Diagnostic:
    return warning(
        "drift.not-accepted",
        f"{address} is not accepted: {reason}",
        "Edit the configuration by hand, or restore what is desired with apply.",
        address=address,
    )


def _unacceptable(finding: Finding) -> Diagnostic:
    subject = finding.address or f"{finding.kind} {finding.id}"
    told, advice = {
        DriftClass.MISSING: ("it is gone", "Remove its block to agree, or make it again with apply."),
        DriftClass.UNMANAGED: ("it is nobody's", "Take it over with adopt, or delete it."),
    }.get(finding.sort, ("a secret can't be read", "Raise client_secret_version to send yours again."))
    return warning("drift.not-accepted", f"{subject} is not accepted: {told}", advice, address=finding.address)
