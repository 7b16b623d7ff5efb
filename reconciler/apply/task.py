"""One step with all it needs to know, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.apply.edit import Edit
from reconciler.apply.gates import Gates
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.lifecycle import Lifecycle
from reconciler.model.resource import Need, Observed, Record, Resource
from reconciler.model.secret import describe
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.rotation import sent_by
from reconciler.plan.step import Step
from reconciler.ports import Provider, Remote, Target
from reconciler.readiness.gate import CheckResult


@dataclass(frozen=True, slots=True)
class StepResult:
    """What became of a step. `edits` hold even if it failed; `diagnostics` say why it did (none: it is done).

    `was_interrupted` tells a failure that is only the user's wish to stop. `checks` are what a gate was judged by."""

    edits: tuple[Edit, ...] = ()
    remote_id: str | None = None
    note: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()
    was_interrupted: bool = False
    checks: tuple[CheckResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Task:
    """A step, the plan it belongs to, and what is recorded as it starts (`snapshot` may grow while it goes on).
    Without `gates` an activation is judged by the live system's word alone."""

    step: Step
    plan: Plan
    snapshot: Snapshot
    provider: Provider
    gates: Gates | None = None

    @property
    def desired(self) -> Resource:
        """What the step makes; Refused if the plan doesn't say."""
        found = self.plan.desired.get(self.step.address)
        if found is None:
            raise self.refusal("plan.incomplete", f"The plan doesn't say what {self.step.address} should be")
        return found

    @property
    def record(self) -> Record | None:
        return self.snapshot.records.get(self.step.address)

    @property
    def lifecycle(self) -> Lifecycle:
        held = self.record or self.desired
        return kinds()[self.step.kind].lifecycle(held.attributes)

    def target(self) -> Target:
        """The object as it is recorded; as it is desired, where nothing is recorded yet (a discovered one)."""
        record = self.record
        return self.desired_target() if record is None else self.target_of(record)

    def target_of(self, record: Record) -> Target:
        remote = Remote(record.id, record.handle)
        refs = self._remotes(record.refs)
        return Target(record.address, record.kind, record.attributes, remote, refs, record.discovered)

    def desired_target(self, remote: Remote | None = None) -> Target:
        desired = self.desired
        refs = self._remotes(desired.refs)
        return Target(desired.address, desired.kind, desired.attributes, remote, refs, desired.discovered)

    def _remotes(self, refs: Mapping[str, Address]) -> dict[str, Remote]:
        missing = sorted({address for address in refs.values() if address not in self.snapshot.records})
        if missing:
            raise self.refusal(
                "apply.missing-reference",
                f"{self.step.address} refers to {', '.join(missing)}, which is not recorded",
                "Run plan again.",
            )
        records = self.snapshot.records
        return {role: Remote(records[address].id, records[address].handle) for role, address in refs.items()}

    def refusal(self, code: str, summary: str, detail: str = "") -> Refused:
        return Refused([error(code, summary, detail, address=self.step.address)])

    def recorded_as(self, observed: Observed, attributes: Mapping[str, Any] | None = None) -> Record:
        """The desired resource, which turned out to be that object."""
        desired, before = self.desired, self.record
        secrets = {**(before.secrets if before else {}), **self.sent_fingerprints()}
        return Record(
            address=desired.address,
            kind=desired.kind,
            id=observed.id,
            attributes=desired.attributes if attributes is None else attributes,
            status=observed.status,
            needs=tuple(Need(need.target, need.sort) for need in desired.needs),
            refs=desired.refs,
            handle=observed.handle,
            protect=desired.protect,
            discovered=desired.discovered,
            fingerprint=observed.fingerprint,
            secrets={name: shown for name, shown in secrets.items() if name in desired.attributes},
        )

    def sent_fingerprints(self) -> dict[str, str]:
        """By attribute, those of the secrets that this step sends."""
        sent = sent_by(self.step, self.desired)
        known = self.plan.fingerprints
        return {name: known[describe(ref)] for name, ref in sent.items() if describe(ref) in known}

    def seen_again(self, observed: Observed) -> Record:
        """What is recorded, with the state and the names the live system reports now."""
        record = self.record
        if record is None:
            return self.recorded_as(observed)
        handle = observed.handle or record.handle
        return replace(record, status=observed.status, handle=handle, fingerprint=observed.fingerprint)
