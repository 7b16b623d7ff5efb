"""Who did it: drift matched with the live system's own log. What the log doesn't show stays unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from reconciler.drift import UNKNOWN, Attribution, DriftClass, Finding
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot

HIGH, MEDIUM = "high", "medium"
_PREFIX = re.compile(r"^(mcp_server|auth_server)_")
_VERBS = {
    DriftClass.MISSING: ("delete", "deleted"),
    DriftClass.UNMANAGED: ("register", "create", "created", "add"),
    DriftClass.LIFECYCLE: ("activate", "activated", "deactivate", "deactivated"),
}
_MADE = frozenset(_VERBS[DriftClass.UNMANAGED])
_SPELLINGS = {
    "registration": {"type"},
    "method": {"registration_type"},
    "grant_types": {"grant_types_supported"},
    "scopes": {"scopes"},
}
_NESTED = {"scopes": "app.oauth2.as.scope.", "access_policy": "policy."}
"""What an authorization server holds has events of its own."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One entry that succeeded. `targets` are remote ids; `changed` maps fields, as the log names them, to what they
    became. `at` is ISO 8601, UTC."""

    kind: str
    at: str
    who: str
    client: str
    targets: tuple[str, ...]
    changed: tuple[tuple[str, object], ...] = ()

    @property
    def verb(self) -> str:
        return self.kind.rpartition(".")[2]


def attributed(
    findings: Iterable[Finding], events: Sequence[LogEvent], observed: Iterable[Observed]
) -> tuple[Finding, ...]:
    """The findings with who did it: the last event that shows this very change, else the last that could be it."""
    parts = {one.id: frozenset(one.computed.get("parts", ())) for one in observed}
    by_target: dict[str, list[LogEvent]] = {}
    for event in sorted(events, key=lambda event: event.at):
        for target in event.targets:
            by_target.setdefault(target, []).append(event)
    return tuple(
        replace(finding, attribution=_attribution(finding, list(_candidates(finding, by_target, parts))))
        for finding in findings
    )


def sent_secrets(snapshot: Snapshot, events: Iterable[LogEvent]) -> Iterator[Finding]:
    """Secrets that others have changed: the log is the one place that shows it, without the secret."""
    records = {record.id: record for record in snapshot.records.values() if record.kind == "client_registration"}
    rotated = {t: e for e in events for t in e.targets if t in records and "client_secret" in dict(_fields(e))}
    for identity in rotated:
        record = records[identity]
        yield Finding(DriftClass.SECRET, record.kind, record.id, record.address)


def _candidates(
    finding: Finding, by_target: dict[str, list[LogEvent]], parts: dict[str, frozenset[str]]
) -> Iterator[LogEvent]:
    """Events of the object in question, oldest first."""
    nested = {_NESTED.get(difference.path[0], "") for difference in finding.differences} - {""}
    for identity in (finding.id, *sorted(parts.get(finding.id, ()))):
        for event in by_target.get(identity, ()):
            if identity == finding.id or any(event.kind.startswith(prefix) for prefix in nested):
                yield event


def _attribution(finding: Finding, events: list[LogEvent]) -> Attribution:
    sure = [event for event in events if _shows(finding, event)]
    likely = [event for event in events if _could_be(finding, event)]
    chosen, confidence = (sure, HIGH) if sure else (likely, MEDIUM)
    if not chosen or finding.sort is DriftClass.NORMALISED:
        return UNKNOWN
    last = max(chosen, key=lambda event: event.at)
    return Attribution(last.who, last.client, last.at, last.kind, confidence)


def _shows(finding: Finding, event: LogEvent) -> bool:
    fields = dict(_fields(event))
    match finding.sort:
        case DriftClass.LIFECYCLE:
            became = fields.get("status", event.verb)
            turned = {"ACTIVE": ("activate", "activated"), "INACTIVE": ("deactivate", "deactivated")}
            return became == finding.status_after or became in turned.get(str(finding.status_after), ())
        case DriftClass.ATTRIBUTE:
            names = {difference.path[0] for difference in finding.differences}
            wanted = {name for n in names for name in (n, *_SPELLINGS.get(n, ()))}
            nested = any(event.kind.startswith(_NESTED[name]) for name in names & _NESTED.keys())
            return bool(wanted & fields.keys()) or nested
        case DriftClass.SECRET:
            return "client_secret" in fields
        case sort:
            return event.verb in _VERBS.get(sort, ())


def _could_be(finding: Finding, event: LogEvent) -> bool:
    if finding.sort in (DriftClass.MISSING, DriftClass.UNMANAGED, DriftClass.SECRET):
        return False
    # A log entry that names its changes, and not this one, is about something else.
    return not event.changed and event.verb not in _MADE and event.verb.startswith("update")


def _fields(event: LogEvent) -> Iterator[tuple[str, object]]:
    for name, value in event.changed:
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        yield _PREFIX.sub("", snake), value
