"""What there is to report of a run, whatever the format: its plan or drift, if it came to one, and what was to be
said."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from reconciler.drift import Report as DriftReport
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Span
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.render.drift_words import remarks, sentence, subject

LEVELS = ("error", "warning", "note")


@dataclass(frozen=True, slots=True)
class Report:
    """`diagnostics` are those beside the plan's own; without a plan they say why there is none. `folder` is where the
    configuration is in its repository: `examples/catalog`, empty for the top. `drift` is what was seen where nothing
    was planned, `spans` where its resources are declared."""

    plan: Plan | None = None
    diagnostics: tuple[Diagnostic, ...] = ()
    folder: str = ""
    drift: DriftReport | None = None
    spans: Mapping[Address, Span] = field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        """Whether the run came to its end."""
        return self.plan is not None or self.drift is not None

    @property
    def told(self) -> tuple[Diagnostic, ...]:
        """Every diagnostic once, errors first."""
        found = dict.fromkeys((*self.diagnostics, *(self.plan.diagnostics if self.plan else ())))
        return tuple(sorted(found, key=lambda diagnostic: not diagnostic.is_error))

    @property
    def errors(self) -> tuple[Diagnostic, ...]:
        return tuple(diagnostic for diagnostic in self.told if diagnostic.is_error)

    @property
    def changes(self) -> tuple[Change, ...]:
        """Those worth a reviewer's time."""
        return tuple(c for c in self.plan.changes if is_shown(c)) if self.plan else ()

    def path(self, span: Span) -> str:
        """Where the file is in the repository."""
        return f"{self.folder}/{span.file}" if self.folder else span.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. `level` is error, warning or note; `rule` is stable, for machines."""

    level: str
    rule: str
    summary: str
    detail: str = ""
    span: Span | None = None
    address: Address | None = None


def is_shown(change: Change) -> bool:
    return change.action is not Action.NONE or change.moved_from is not None or change.importing is not None


def findings(report: Report) -> list[Finding]:
    """Diagnostics, what will be destroyed, and drift; the worst first."""
    found = [
        Finding("error" if d.is_error else "warning", d.code, d.summary, d.detail, d.span, d.address)
        for d in report.told
    ]
    found += _destroyed(report)
    found += _drifted(report)
    found += _seen(report)
    return sorted(found, key=lambda finding: LEVELS.index(finding.level))


def _destroyed(report: Report) -> Iterator[Finding]:
    words = {Action.DELETE: ("plan.delete", "will be destroyed"), Action.REPLACE: ("plan.replace", "must be replaced")}
    for change in report.changes:
        if change.action in words:
            rule, told = words[change.action]
            why = change.reason.text if change.reason else ""
            yield Finding("warning", rule, f"{change.address} {told}", why, change.span, change.address)


def _drifted(report: Report) -> Iterator[Finding]:
    for change in report.plan.drift if report.plan else ():
        told = "has been deleted" if change.action is Action.DELETE else "has changed"
        detail = ", ".join(".".join(difference.path) for difference in change.differences)
        yield Finding(
            "note", "plan.drift", f"{change.address} {told} outside of reconciler", detail, change.span, change.address
        )


def _seen(report: Report) -> Iterator[Finding]:
    for finding in report.drift.drift if report.drift else ():
        about = finding.address or finding.parent
        span = report.spans.get(about.parent or about) or report.spans.get(about) if about else None
        names = ", ".join(".".join(difference.path) for difference in finding.differences)
        detail = "\n".join(filter(None, (names, *remarks(finding))))
        told = f"{subject(finding)} {sentence([finding])}"
        yield Finding("warning", f"drift.{finding.sort}", told, detail, span, finding.address)
