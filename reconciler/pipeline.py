"""The story on one page: read the configuration, look at what is recorded and what is there, plan, and apply.

validate   files -> Configuration
plan       Configuration + snapshot + observed -> Plan
apply      the same, then, if approved: walk the plan's steps, and write the new snapshot
drift      snapshot + observed -> Report; nothing is written, here or there
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from reconciler.apply.clock import SystemClock
from reconciler.config.configuration import Configuration
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error, warning
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot, Version
from reconciler.plan.binding import bind, leaves_out, options_of
from reconciler.plan.document import Plan
from reconciler.plan.freshness import moment, require_fresh
from reconciler.plan.planner import Options
from reconciler.plan.wire import encode
from reconciler.plan_files import as_planned
from reconciler.project import Project, validate
from reconciler.site import Audience, Request, Site, held, opened, written
from reconciler.wiring import Home, home_for

if TYPE_CHECKING:
    from reconciler.apply.resolution import Choice
    from reconciler.apply.undertaking import Applied
    from reconciler.drift import Finding, Report

_MAKING = frozenset({"apply", "destroy", "adopt"})
"""Operations whose end is the beginning of drift."""


@dataclass(frozen=True, slots=True)
class Result:
    """`applied` is None if there was nothing to apply, or it was not approved."""

    plan: Plan
    applied: Applied | None = None
    approved: bool = True


def plan(project: Project, request: Request, audience: Audience) -> Plan:
    """What apply would do; nothing is changed but the record of an earlier run that broke off."""
    with opened(project, request, audience, "plan") as site:
        return site.plan(request)


def apply(project: Project, request: Request, audience: Audience) -> Result:
    """Plans, shows the plan, and performs exactly that plan if it is approved."""
    with opened(project, request, audience, request.options.operation) as site:
        made = site.plan(request)
        audience.show(made)
        if not _is_worth_applying(made):
            return Result(made)
        site.take_fingerprints(made)
        if not audience.approve(made):
            return Result(made, approved=False)
        if request.options.operation == "refresh-only":
            site.record_observed()
            return Result(made)
        return Result(made, site.perform(made, request.parallelism))


@dataclass(frozen=True, slots=True)
class Inspection:
    """`way_back` is the plan that restores what is desired; None unless it was asked for."""

    report: Report
    configuration: Configuration
    snapshot: Snapshot
    observed: tuple[Observed, ...]
    way_back: Plan | None = None


def drift(project: Project, audience: Audience, unmanaged: bool = False, restore: bool = False) -> Inspection:
    """What no longer agrees with what is recorded. Nothing can be written: the wire refuses it, and the state is not
    even locked. `unmanaged`: whatever nobody here made counts as drift."""
    from reconciler.drift import Report, compare

    request = Request(Options(), lock=False)
    with opened(project, request, audience, "drift") as site:
        site.recover()
        observed = site.observe()
        findings = _with_authors(site, compare(site.snapshot, observed, site.configuration, unmanaged))
        now, checked = SystemClock().wall(), len(site.snapshot.records)
        report = Report(site.workspace, site.live.name, now, checked, findings)
        return Inspection(report, site.configuration, site.snapshot, observed, site.plan(request) if restore else None)


def _with_authors(site: Site, findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """Who did it, by the live system's log since the last apply; without one that can be read, nobody knows."""
    from reconciler.attribution import attributed, sent_secrets

    try:
        applied = next((version.at for version in site.books.store.history() if version.operation in _MAKING), "")
    except Refused as refused:
        told = "Who did it is not known: when the last apply was can't be told"
        site.audience.diagnose((warning("drift.no-history", told, refused.diagnostics[0].summary),))
        return findings
    if not applied:
        return findings
    try:
        # Versions are told to the second: what our own apply did in its last one is nobody else's doing.
        log = site.live.changes_since((moment(applied) + timedelta(seconds=1)).isoformat())
    except Refused as refused:
        detail = "; ".join(diagnostic.summary for diagnostic in refused.diagnostics)
        told = "Who did it is not known: the System Log can't be read"
        site.audience.diagnose((warning("drift.no-log", told, f"{detail}. It takes the scope okta.logs.read."),))
        return findings
    if not log.is_whole:
        told = "The System Log is longer than what was read of it: who did the latest changes may not be known"
        site.audience.diagnose((warning("drift.long-log", told, "It is read from the last apply on."),))
    rotated = sent_secrets(site.snapshot, log.events)
    return attributed((*findings, *rotated), log.events, site.observe())


def apply_saved(project: Project, saved: Plan, request: Request, audience: Audience) -> Result:
    """Performs a plan that was made before, unless what it was made against is no longer so. One that was performed
    already, as by a CI job that is run again, is not performed a second time; that is told, and no failure."""
    with opened(as_planned(project, saved), request, audience, "apply") as site:
        mark = encode(saved)["x_fingerprint"]
        if (led_to := _led_to(site, saved, mark)) is not None:
            audience.diagnose((_once_is_enough(led_to, site.snapshot.serial),))
            return Result(saved)
        site.recover()
        now = SystemClock().wall()
        require_fresh(saved, site.snapshot, site.configuration.digest, site.workspace, now)
        blocking = tuple(diagnostic for diagnostic in saved.diagnostics if diagnostic.is_error)
        if blocking:
            raise Refused(blocking)
        if saved.basis.operation == "refresh-only":
            site.record_observed(mark)
            return Result(saved)
        bound = _bound(site, saved, request) if request.refresh else saved
        if not bound.steps:
            return Result(bound)
        return Result(bound, site.perform(bound, request.parallelism, mark))


def _led_to(site: Site, saved: Plan, mark: str) -> Version | None:
    """The version of the state that this very plan led to."""
    if saved.basis.serial >= site.snapshot.serial:
        return None
    try:
        versions = site.books.store.history()
    except Refused:
        # What became of the versions is for `state history` to tell; here it only means that nothing is known.
        return None
    return next((version for version in versions if version.plan == mark), None)


def _once_is_enough(led_to: Version, serial: int) -> Diagnostic:
    """Raises Refused (`stale.partial`) if it was not carried out whole: the rest of it needs a plan of its own."""
    result = f"{led_to.who} did, on {led_to.at}, and version {led_to.serial} of the state is the result"
    if led_to.partial:
        told = f"This plan was applied in part already: {result}"
        raise Refused([error("stale.partial", told, "What was done is recorded. Run plan again for what is left.")])
    since = f" The state has changed since, to version {serial}: run plan to see what there is to do now."
    told = f"This plan was applied already: {result}"
    return warning("plan.applied", told, f"Nothing was done now.{since if serial > led_to.serial else ''}")


def _bound(site: Site, saved: Plan, request: Request) -> Plan:
    """The plan as far as it is still needed; Refused if now another one would be."""
    again = site.plan(replace(request, options=options_of(saved)))
    if leaves_out(saved, again):
        targets = [change.address for change in saved.changes]
        again = site.plan(replace(request, options=options_of(saved, targets)))
    bound = bind(saved, again, site.snapshot)
    site.audience.diagnose(bound.diagnostics[len(saved.diagnostics) :])
    return bound


def restore(project: Project, request: Request, serial: int, audience: Audience, approved: bool) -> None:
    """Shows the plan there would be if the state were that of `serial` again; makes it so if that is `approved`."""
    with opened(project, request, audience, "state rollback") as site:
        site.recover()
        site.snapshot = replace(site.books.store.past(serial), serial=site.snapshot.serial)
        site.observed = None
        audience.show(site.plan(request))
        if approved:
            site.write(site.snapshot)


def resolve(project: Project, request: Request, address: Address, choice: Choice, audience: Audience) -> None:
    """Records what the user says became of a creation that no evidence settles."""
    with opened(project, request, audience, "resolve") as site:
        site.recover()
        site.resolve(address, choice)


def recorded(project: Project) -> Snapshot | None:
    """The snapshot of the workspace in use, without looking at the live system."""
    with closing(home_of(project).store()) as store:
        return store.read()


def home_of(project: Project) -> Home:
    """Where the configuration keeps its state."""
    return home_for(project, validate(project))


def amend(project: Project, request: Request, edit: Callable[[Snapshot | None], Snapshot]) -> Snapshot:
    """Replaces the snapshot by what `edit` makes of it, under the lock."""
    with closing(home_of(project).store()) as store, held(store, request, "state"):
        return written(store, edit(store.read()))


def _is_worth_applying(made: Plan) -> bool:
    if made.basis.operation == "refresh-only":
        return bool(made.drift)
    return made.is_applyable
