"""What a decision about one resource means for others: replacements that spread, restarts, natural keys passed on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.plan.change import Action, Reason
from reconciler.plan.decision import Decision, can_rest, is_whole
from reconciler.plan.situation import Survey, keyed, natural_key
from reconciler.plan.ties import Ties, closure

Decisions: TypeAlias = dict[Address, Decision]


def spread(decisions: Mapping[Address, Decision], ties: Ties) -> Decisions:
    """Every consequence, until there are no more."""
    found = dict(decisions)
    while True:
        found = replace_dependents(found, ties)
        restarted = _restart_dependents(found, ties)
        if restarted == found:
            restarted = _restart_the_uncovered(found, ties)
        if restarted == found:
            return found
        found = restarted


def replace_dependents(decisions: Mapping[Address, Decision], ties: Ties) -> Decisions:
    """Law 7: what refers immutably to a resource that is made anew is made anew too."""
    found = dict(decisions)
    waiting = [a for a, d in found.items() if _is_made_anew(d)]
    while waiting:
        made_anew = waiting.pop()
        for address in ties.new_exists_for.get(made_anew, ()):
            decision = found.get(address)
            if decision and decision.stays:
                found[address] = _made_anew(decision, made_anew)
                waiting.append(address)
    return found


def pass_on_keys(decisions: Mapping[Address, Decision], survey: Survey) -> tuple[Decisions, list[Diagnostic]]:
    """Find who now holds the natural key of what will be made: it has to give it up first, or the plan can't be."""
    found = dict(decisions)
    problems: list[Diagnostic] = []
    making = [d for d in decisions.values() if d.action in (Action.CREATE, Action.REPLACE) and _has_own_key(d, found)]
    by_key = keyed(survey.live) if making and survey.live else {}
    for decision in making if by_key else ():
        situation = decision.situation
        key = natural_key(situation, survey.situations)
        parent_id = survey.remote_id(decision.address.parent)
        spot = by_key.get((situation.kind.name, parent_id, *key)) if key is not None else None
        if spot is None:
            continue
        holder = survey.claims.get(spot)
        if holder is None:
            problems.append(_already_exists(decision, spot[2]))
        elif holder != decision.address:
            if not _gives_up(found.get(holder), key, survey):
                problems.append(_taken(decision, holder))
            else:
                found[decision.address] = replace(decision, follows=(*decision.follows, holder))
    return found, problems


def _restart_dependents(decisions: Decisions, ties: Ties) -> Decisions:
    """What stays ACTIVE can't do so while something that it needs, before and after, doesn't (law 6)."""
    found = dict(decisions)
    waiting = [a for a, d in found.items() if d.stops]
    while waiting:
        stopped = waiting.pop()
        for address in ties.old_ready_for.get(stopped, ()):
            decision = found.get(address)
            if (
                decision
                and decision.stays
                and decision.wants_active
                and not decision.stops
                and decision.situation.status == "ACTIVE"
                and stopped in ties.new_ready.get(address, ())
            ):
                found[address] = _restarted(decision, stopped)
                waiting.append(address)
    return found


def _restart_the_uncovered(decisions: Decisions, ties: Ties) -> Decisions:
    """What lets go of one need and takes up another restarts too, if the other can't be made ready beforehand."""
    late: set[Address] | None = None
    found = dict(decisions)
    for address, decision in decisions.items():
        if not decision.stays or decision.stops or not decision.wants_active or decision.situation.status != "ACTIVE":
            continue
        kept = ties.new_ready.get(address, ())
        left = [a for a in ties.old_ready.get(address, ()) if a not in kept and a in decisions and decisions[a].stops]
        taken = [a for a in kept if a in decisions and decisions[a].comes_up] if left else []
        if not taken:
            continue
        late = _late(decisions, ties) if late is None else late
        if any(a in late for a in taken):
            found[address] = _restarted(decision, left[0])
    return found


def _late(decisions: Decisions, ties: Ties) -> set[Address]:
    """What can't be made ready before something else has been stopped or unmade; erring on the side of too many."""
    stopping = {a for a, d in decisions.items() if d.stops}
    under = closure(stopping, lambda a: (*ties.old_ready.get(a, ()), *ties.new_ready.get(a, ())))
    sources = [
        a
        for a, d in decisions.items()
        if d.action is Action.REPLACE
        or d.restarts
        or d.follows
        or (a in under and (d.comes_up or d.action is Action.UPDATE))
        or (d.comes_up and any(b in stopping for b in ties.old_ready.get(a, ())))
    ]

    def delays(address: Address) -> Iterable[Address]:
        yield from ties.new_exists_for.get(address, ())
        yield from ties.new_ready_for.get(address, ())

    return closure(sources, delays)


def _restarted(decision: Decision, because: Address) -> Decision:
    if not can_rest(decision.situation):
        reason = Reason("replace_by_triggers", f"It can't be without {because}, which is stopped meanwhile")
        return replace(decision, action=Action.REPLACE, reason=decision.reason or reason)
    reason = Reason("", f"It is deactivated while {because} is not available, and then activated again")
    return replace(decision, action=Action.UPDATE, reason=decision.reason or reason, restarts=True)


def _made_anew(decision: Decision, because: Address) -> Decision:
    reason = Reason("replace_by_triggers", f"It belongs to {because}, which is made anew")
    situation = decision.situation
    if situation.desired and situation.desired.discovered and situation.adopts is not None:
        # What the live system had discovered goes by itself; there is nothing of ours to unmake.
        situation = replace(situation, seen=None, adopts=None)
        return replace(decision, situation=situation, action=Action.CREATE, differences=())
    return replace(decision, action=Action.REPLACE, reason=reason, restarts=False)


def _is_made_anew(decision: Decision) -> bool:
    return decision.action is Action.REPLACE or (
        decision.action is Action.CREATE and decision.situation.record is not None
    )


def _gives_up(holder: Decision | None, key: tuple[Any, ...] | None, survey: Survey) -> bool:
    """Whether the natural key is free once the holder's steps are done."""
    if holder is None or holder.action in (Action.NONE, Action.ADOPT, Action.MOVE, Action.FORGET):
        return False
    return natural_key(holder.situation, survey.situations) != key


def _has_own_key(decision: Decision, decisions: Mapping[Address, Decision]) -> bool:
    """Whether its natural key may clash: not if we don't make it, nor if all that it belongs to is new as well."""
    desired = decision.situation.desired
    if desired is None or desired.discovered:
        return False
    owners = [*desired.refs.values(), *([desired.address.parent] if desired.address.parent else [])]
    return all(a not in decisions or decisions[a].stays for a in owners)


def _already_exists(decision: Decision, remote_id: str) -> Diagnostic:
    situation = decision.situation
    desired = situation.desired
    return error(
        "plan.already-exists",
        f"{decision.address} exists already, and was not made from here",
        "To take it over, add this to the configuration:\n\n"
        f"import:\n  - {{to: '{decision.address}', id: {remote_id}}}\n\n"
        "Otherwise delete it in the live system, or describe another one.",
        span=desired.span if desired else None,
        address=decision.address,
    )


def _taken(decision: Decision, holder: Address) -> Diagnostic:
    desired = decision.situation.desired
    return error(
        "plan.already-exists",
        f"{decision.address} would be the same object as {holder}, which stays",
        f"If it is a new name for it, add a moved block from {holder} to {decision.address}.",
        span=desired.span if desired else None,
        address=decision.address,
    )


def wakes(decision: Decision) -> bool:
    """Whether its creation is what activates it."""
    return decision.wants_active and not decision.stays and is_whole(decision.situation)
