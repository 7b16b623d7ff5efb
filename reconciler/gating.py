"""Readiness around a run: what its gates are judged by, the checks made without a plan, and what is kept of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Protocol

from reconciler.apply.clock import SystemClock
from reconciler.apply.event import Outcome
from reconciler.config.configuration import Configuration
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error, warning
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Resource
from reconciler.model.secret import describe
from reconciler.model.snapshot import Snapshot
from reconciler.outlook import waivers_of
from reconciler.plan.change import Change
from reconciler.plan.document import Plan
from reconciler.plan.freshness import moment
from reconciler.plan.moves import relocate
from reconciler.plan.situation import Known, survey
from reconciler.plan.step import Op
from reconciler.project import Project, validate
from reconciler.readiness.context import Baseline, Context, Options, Results
from reconciler.readiness.credentials import SecretFacts, examine_secret
from reconciler.readiness.gate import tally
from reconciler.readiness.ruling import Ruling, rule
from reconciler.readiness.trouble import troubles
from reconciler.secrets.reader import SecretReader
from reconciler.wiring import Home, Live, home_for, open_live

if TYPE_CHECKING:
    from reconciler.apply.gates import Gates
    from reconciler.apply.undertaking import Applied
    from reconciler.stores.evidence import Evidence

_DRIFT = "mcp.metadata_drift"


class Listener(Protocol):
    """Whoever asked for checks."""

    def diagnose(self, diagnostics: tuple[Diagnostic, ...]) -> None: ...

    def wait(self, doing: str, elapsed: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to check, all if no addresses are named, and how deeply."""

    addresses: tuple[Address, ...] = ()
    deep: bool = False
    strict: bool = False
    mutating: bool = False


@dataclass(frozen=True, slots=True)
class Inspected:
    """What was found, in address order, and the resources it was found of. `at`: ISO 8601, UTC."""

    ruling: Ruling
    resources: Mapping[Address, Resource]
    at: str

    @property
    def by_address(self) -> Mapping[Address, Results]:
        """Of the resources that are due any checks."""
        found: dict[Address, Results] = {}
        for result in self.ruling.results:
            found[result.address] = (*found.get(result.address, ()), result)
        return found


def waiver_notes(configuration: Configuration) -> tuple[Diagnostic, ...]:
    """What is to be said of waivers on every run; Refused for one of a check that there is not."""
    notes = rule((), waivers_of(configuration.settings.readiness), today=SystemClock().wall()).notes
    if any(note.is_error for note in notes):
        raise Refused(notes)
    return notes


def gates_of(home: Home, live: Live, configuration: Configuration, chosen: Plan) -> Gates | None:
    """By what the activations of the plan are judged; None if it has none."""
    needed = {need for step in chosen.steps if step.op is Op.VERIFY for need in (step.address, *step.needs)}
    if not needed:
        if any(step.kind == "client_registration" for step in chosen.steps):
            # It may be registered by ourselves.
            live.look_out()
        return None
    from reconciler.apply.gates import Gates

    clients = [configuration.resources[address] for address in needed if address in configuration.resources]
    settings = configuration.settings.readiness
    return Gates(
        _context(home, live, configuration, live.look_out(), _examined(clients, home.reader)),
        waivers_of(settings),
        SystemClock().wall(),
        settings.strict,
    )


def keep_passages(home: Home, gates: Gates, chosen: Plan, applied: Applied) -> tuple[Diagnostic, ...]:
    """Remembers what was found at the gates, and what the MCP servers published that were activated."""
    from reconciler.apply.gates import PROBED

    found = {address: passage.results for address, passage in gates.found.items()}
    done = {
        step.address
        for step in chosen.steps
        if step.target is State.ACTIVE and step.kind in PROBED and applied.outcomes.get(step.id) is Outcome.DONE
    }
    published = {r.address: r.facts for results in found.values() for r in results if r.check == _DRIFT}
    fresh = {
        address: Baseline(facts["digest"], facts["critical"])
        for address, facts in published.items()
        if address in done and "digest" in facts
    }
    kept = home.evidence.read().with_results(found, gates.context.resources, SystemClock().wall())
    return _kept(home, replace(kept, baselines={**kept.baselines, **fresh}))


def predicted(home: Home, made: Plan) -> Plan:
    """The plan, with what was found when the gates it has to pass were last looked at."""
    gated = {step.address for step in made.steps if step.op is Op.VERIFY and step.address in made.desired}
    evidence = home.evidence.read() if gated else None
    if evidence is None or not evidence.checked:
        return made
    now = moment(made.basis.created)

    def noted(change: Change) -> Change:
        found = evidence.latest(made.desired[change.address]) if change.address in gated else None
        if found is None:
            return change
        told = f"gate, {_ago(now - moment(found.at))}: {_told(found.results)}"
        return replace(change, notes={**change.notes, "gate": told})

    return replace(made, changes=tuple(map(noted, made.changes)))


def check(project: Project, wanted: Wanted, listener: Listener) -> Inspected:
    """Makes the checks without a plan. What is not there yet is judged as it will be; nothing is changed."""
    configuration = validate(project)
    listener.diagnose((*configuration.warnings, *waiver_notes(configuration)))
    chosen = _chosen(configuration.resources, wanted.addresses)
    home = home_for(project, configuration)
    settings = configuration.settings.readiness
    with closing(home.store()) as store, open_live(home, read_only=True) as live:
        snapshot = store.read() or Snapshot(lineage="")
        observed = _observed(configuration, snapshot, live.observe(snapshot, listener.wait))
        options = replace(live.look_out(), deep=wanted.deep, mutating=wanted.mutating, predicts=True)
        secrets = _examined(configuration.resources.values(), home.reader)
        context = replace(_context(home, live, configuration, options, secrets), observed=observed)
        found = live.check(chosen.values(), context, listener.wait)
    now = SystemClock().wall()
    results = [result for address in chosen for result in found.get(address, ())]
    ruling = rule(results, waivers_of(settings), today=now, strict=wanted.strict or settings.strict)
    inspected = Inspected(ruling, chosen, now)
    listener.diagnose(_kept(home, home.evidence.read().with_results(inspected.by_address, chosen, now)))
    return inspected


def _chosen(resources: Mapping[Address, Resource], addresses: Iterable[Address]) -> Mapping[Address, Resource]:
    """Those of that address, nested in it, or standing for it under an MCP server."""
    wanted = tuple(addresses)
    if not wanted:
        return resources
    found: dict[Address, Resource] = {}
    for address in wanted:
        own = {a: r for a, r in resources.items() if f"/{address}/" in f"/{a}/"}
        if not own:
            near = get_close_matches(address, resources, n=1)
            detail = f"Did you mean {near[0]}?" if near else "`reconciler graph` shows what is declared."
            raise Refused([error("usage.unknown-address", f"{address} is not declared", detail)])
        found |= own
    return {address: found[address] for address in sorted(found)}


def _observed(
    configuration: Configuration, snapshot: Snapshot, observed: tuple[Observed, ...]
) -> dict[Address, Observed | None]:
    relocated = relocate(snapshot.records, configuration.moved)
    known = Known(configuration.resources, relocated.records, observed, configuration.imports, relocated.origins)
    return {address: situation.seen for address, situation in survey(known).situations.items()}


def _context(
    home: Home, live: Live, configuration: Configuration, options: Options, secrets: Mapping[str, SecretFacts]
) -> Context:
    return Context(
        org_url=live.org_url,
        resources=configuration.resources,
        observed={},
        epoch=moment(SystemClock().wall()).timestamp(),
        secrets=secrets,
        baselines=home.evidence.read().baselines,
        options=options,
    )


def _examined(resources: Iterable[Resource], read: SecretReader) -> dict[str, SecretFacts]:
    references = [r.attributes.get("client_secret") for r in resources if r.kind == "client_registration"]
    named = {describe(reference): reference for reference in references if reference is not None}
    return {shown: examine_secret(read, reference) for shown, reference in named.items()}


def _kept(home: Home, evidence: Evidence) -> tuple[Diagnostic, ...]:
    try:
        home.evidence.write(evidence)
    except OSError as problem:
        told = f"{home.evidence.path} can't be written: {problem.strerror}"
        return (warning("gate.unkept", told, "The next plan will not show what was found."),)
    return ()


def _told(results: Results) -> str:
    shut = [trouble.root for trouble in troubles(results) if trouble.is_shut]
    told = "; ".join(f"{root.check}: {root.evidence}" for root in shut[:2])
    return f"{tally(results)} ({told})" if shut else tally(results)


def _ago(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds() // 60))
    for unit, size in (("day", 1440), ("hour", 60), ("minute", 1)):
        if minutes >= size:
            count = minutes // size
            return f"{count} {unit}{'s' if count != 1 else ''} ago"
    return "just now"
