"""Planning: from what is desired, recorded and observed to one plan.

survey -> decide -> spread -> select -> lower -> guard
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from reconciler.config.configuration import Configuration
from reconciler.graph import require_order
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error, warning
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action, Change
from reconciler.plan.consequences import pass_on_keys, spread
from reconciler.plan.decision import Decision, Route, Wishes, activates, decide, overlaid, route
from reconciler.plan.document import WAITING, Basis, Plan
from reconciler.plan.freshness import moment
from reconciler.plan.guards import guard
from reconciler.plan.lowering import lower
from reconciler.plan.moves import moved_to, relocate
from reconciler.plan.refresh import find_drift, outside_changes
from reconciler.plan.rotation import Fingerprints, notes_on
from reconciler.plan.selection import require_known, select
from reconciler.plan.situation import Known, Survey, survey
from reconciler.plan.step import Step
from reconciler.plan.ties import Ties, tie


@dataclass(frozen=True, slots=True)
class Facts:
    """`observed` is None if nobody looked (`-refresh=false`). `now` is ISO 8601, UTC. `fingerprints` are those of the
    secrets as they are now, where they could be read. `unclear` is what only the user can settle: of all the rest there
    is a plan."""

    configuration: Configuration
    snapshot: Snapshot
    observed: tuple[Observed, ...] | None
    workspace: str
    now: str
    tool: str
    provider: str
    fingerprints: Fingerprints = field(default_factory=dict)
    unclear: frozenset[Address] = frozenset()


@dataclass(frozen=True, slots=True)
class Options:
    """What the user asked for. `operation` is apply, destroy or refresh-only; `allowed` names guards to lift."""

    operation: str = "apply"
    targets: frozenset[Address] = field(default_factory=frozenset)
    excludes: frozenset[Address] = field(default_factory=frozenset)
    replaces: frozenset[Address] = field(default_factory=frozenset)
    allowed: frozenset[str] = field(default_factory=frozenset)
    lifetime_seconds: int = 86_400


def make_plan(facts: Facts, options: Options) -> Plan:
    """The plan; what forbids it is among its diagnostics.

    Raises Refused for what can't be planned at all: needs in a circle, names of resources that aren't there.
    """
    surveyed = _survey(facts, options)
    find = find_drift if options.operation == "refresh-only" else outside_changes
    drift = find(surveyed.situations.values()) if facts.observed is not None else ()
    if options.operation == "refresh-only":
        return Plan(_basis(facts, options), (), (), {}, drift, surveyed.diagnostics, options.allowed)
    decisions, ties, problems = _decide(facts, options, surveyed)
    routes, ways = _routes(decisions.values())
    configured, guards = facts.configuration.resources, facts.configuration.settings.guards
    problems = [*surveyed.diagnostics, *problems, *ways, *_contradictions(decisions)]
    steps = _steps(configured, decisions, routes, ties, is_sound=not problems)
    problems += guard(decisions, configured, guards, options.operation, options.allowed)
    if options.targets or options.excludes or facts.unclear:
        problems += _partial(len(surveyed.situations) - len(decisions), bool(options.targets or options.excludes))
    busy = {step.address for step in steps}
    return Plan(
        basis=_basis(facts, options),
        changes=tuple(_change(d, routes.get(a), facts.fingerprints) for a, d in decisions.items()),
        steps=steps,
        desired={a: d.situation.desired for a, d in decisions.items() if a in busy and d.situation.desired},
        drift=drift,
        diagnostics=tuple(problems),
        allowed=options.allowed,
        variables=facts.configuration.variables,
        defaulted=facts.configuration.defaulted,
    )


def _survey(facts: Facts, options: Options) -> Survey:
    configuration = facts.configuration
    relocated = relocate(facts.snapshot.records, configuration.moved)
    if relocated.diagnostics:
        raise Refused(relocated.diagnostics)
    unwanted = options.operation == "destroy"
    return survey(
        Known(
            desired={} if unwanted else configuration.resources,
            records=relocated.records,
            observed=facts.observed,
            imports=() if unwanted else configuration.imports,
            origins=relocated.origins,
        )
    )


def _decide(facts: Facts, options: Options, surveyed: Survey) -> tuple[dict[Address, Decision], Ties, list[Diagnostic]]:
    require_known(surveyed.situations, options.replaces, "-replace")
    wishes = Wishes(facts.configuration.removed, options.replaces, options.operation, facts.fingerprints)
    decisions = {a: decide(situation, wishes) for a, situation in surveyed.situations.items()}
    excludes = options.excludes | {*_waiting(facts, decisions)}
    limited = bool(options.targets or excludes)
    if not limited and all(decision.action is Action.NONE for decision in decisions.values()):
        return decisions, tie(()), []
    ties = tie(surveyed.situations.values())
    found = spread(decisions, ties)
    if limited:
        chosen = select(found, ties, options.targets, excludes)
        found = spread({a: d for a, d in decisions.items() if a in chosen}, ties)
    passed, problems = pass_on_keys(found, surveyed)
    return (spread(passed, ties) if passed != found else found), ties, problems


def _waiting(facts: Facts, decisions: Mapping[Address, Decision]) -> Iterator[Address]:
    """What is unclear, by the address it goes by now; and what it is nested in, if that would be renamed, so that it
    could not be settled any more, or unmade, so that what may be somebody else's went along."""
    for address in facts.unclear:
        now = moved_to(address, facts.configuration.moved)
        above = decisions.get(now.parent) if now.parent else None
        if above and (above.situation.moved_from or above.action in (Action.DELETE, Action.REPLACE)):
            yield above.address
        elif now in decisions:
            yield now


def _routes(decisions: Iterable[Decision]) -> tuple[dict[Address, Route], list[Diagnostic]]:
    found: dict[Address, Route] = {}
    problems: list[Diagnostic] = []
    for decision in decisions:
        if decision.action is Action.NONE:
            continue
        try:
            found[decision.address] = route(decision)
        except Refused as refused:
            problems += [
                error(d.code, d.summary, d.detail or "Look at it in the live system.", address=decision.address)
                for d in refused.diagnostics
            ]
    return found, problems


def _steps(
    configured: Mapping[Address, Resource],
    decisions: Mapping[Address, Decision],
    routes: Mapping[Address, Route],
    ties: Ties,
    is_sound: bool,
) -> tuple[Step, ...]:
    """Nothing is ordered, and no graph is needed, where nothing is to be done."""
    if all(decision.action is Action.NONE for decision in decisions.values()):
        return ()
    require_order(configured)
    try:
        return lower(decisions, routes, ties)
    except Refused:
        if is_sound:
            raise
        # What contradicts itself may have no order either; the contradiction is what the user has to be told.
        return ()


def _contradictions(decisions: Mapping[Address, Decision]) -> Iterable[Diagnostic]:
    """What the configuration asks for and no order of steps can bring about."""
    for decision in decisions.values():
        situation, desired = decision.situation, decision.situation.desired
        if desired is None:
            continue
        fixed = [".".join(d.path) for d in decision.differences if d.replaces] if situation.adopts else []
        if fixed:
            yield error(
                "plan.import-mismatch",
                f"{situation.adopts} can't become {decision.address}: {', '.join(fixed)} differs and can't change",
                "Write what the object has into the configuration, or import another one.",
                span=desired.span,
                address=decision.address,
            )
        for need in desired.needs if decision.action is not Action.NONE and decision.wants_active else ():
            other = decisions.get(need.target)
            wanted = other.situation.desired if other else None
            if need.sort == "ready" and wanted is not None and wanted.status is not State.ACTIVE:
                yield error(
                    "plan.unready-need",
                    f"{decision.address} can't be active: it needs {need.target}, which is to be {wanted.status}",
                    f"Set {need.target} to status: active, or {decision.address} to status: inactive.",
                    span=need.span,
                    address=decision.address,
                )


def _partial(left: int, by_wish: bool) -> Iterator[Diagnostic]:
    if by_wish:
        yield warning(
            "plan.partial",
            f"This plan leaves {left} resources out of account",
            "-target and -exclude are for exceptions. Run plan without them afterwards to see what is left to do.",
        )
    elif left:
        number = "One resource is" if left == 1 else f"{left} resources are"
        yield warning(
            WAITING,
            f"{number} left out of account until it is known what became of an interrupted run",
            "The rest of the configuration is planned without.",
        )


def _change(decision: Decision, way: Route | None, fingerprints: Fingerprints) -> Change:
    situation, desired = decision.situation, decision.situation.desired
    seen, action = situation.seen, decision.action
    up = way.up if way else ()
    notes = {"invalid": f"the live system says why: {seen.reason}"} if seen and seen.reason else {}
    if desired and situation.record and desired.protect != situation.record.protect:
        notes["protect"] = f"protection is turned {'on' if desired.protect else 'off'}"
    if decision.differences:
        notes |= notes_on(situation, fingerprints)
    kept = situation.before if not decision.differences else None
    after = None
    if desired and action in (Action.CREATE, Action.REPLACE):
        after = desired.attributes
    elif desired and action is not Action.FORGET:
        wanted = {n: value for n, value in desired.attributes.items() if n not in desired.ignores}
        after = kept if kept is not None else overlaid(situation.before, wanted, situation.kind.collections)
    gated = any(map(activates, up)) and desired is not None
    return Change(
        address=decision.address,
        kind=situation.kind.name,
        action=action,
        before=situation.before if seen else None,
        after=after,
        differences=decision.differences,
        status_before=situation.status,
        status_after=desired.status if desired else None if action is Action.FORGET else State.DELETED,
        path=(*way.down, *up) if way else (),
        waits_for=_ready_needs(desired) if gated and desired else (),
        reason=decision.reason,
        moved_from=situation.moved_from,
        importing=situation.adopts,
        span=desired.span if desired else None,
        notes=notes,
    )


def _ready_needs(desired: Resource) -> tuple[Address, ...]:
    return tuple(sorted({need.target for need in desired.needs if need.sort == "ready"}))


def _basis(facts: Facts, options: Options) -> Basis:
    return Basis(
        lineage=facts.snapshot.lineage,
        serial=facts.snapshot.serial,
        configuration=facts.configuration.digest,
        workspace=facts.workspace,
        created=facts.now,
        expires=(moment(facts.now) + timedelta(seconds=options.lifetime_seconds)).isoformat().replace("+00:00", "Z"),
        tool=facts.tool,
        operation=options.operation,
        provider=facts.provider,
    )
