"""Which resources a plan is about: `-target` with all that it needs, `-exclude` with all that needs it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.plan.change import Action
from reconciler.plan.decision import Decision
from reconciler.plan.ties import Ties, closure


def select(
    decisions: Mapping[Address, Decision], ties: Ties, targets: Iterable[Address], excludes: Iterable[Address]
) -> set[Address]:
    """The addresses the plan may change. Raises Refused for a name that fits no resource.

    What is stopped or unmade takes those along that can't be without it; where those are excluded, it is left alone.
    """
    require_known(decisions, targets, "-target")
    require_known(decisions, excludes, "-exclude")

    def needed(address: Address) -> Iterable[Address]:
        yield from ties.new_exists.get(address, ())
        yield from ties.new_ready.get(address, ())
        if _goes_down(decisions[address]):
            yield from _leaning_on(address, ties)

    def kept_from(address: Address) -> Iterable[Address]:
        yield from ties.new_exists_for.get(address, ())
        yield from ties.new_ready_for.get(address, ())
        below = (*ties.old_exists.get(address, ()), *ties.old_ready.get(address, ()))
        yield from (a for a in below if _goes_down(decisions[a]))

    chosen = closure(_matching(decisions, targets), needed) if targets else set(decisions)
    return chosen - closure(_matching(decisions, excludes), kept_from)


def require_known(known: Iterable[Address], wanted: Iterable[Address], flag: str) -> None:
    addresses = list(known)
    problems = []
    for address in sorted(wanted):
        if not any(fits(address, one) for one in addresses):
            near = get_close_matches(address, addresses, n=1) if len(addresses) < 5_000 else []
            detail = f"Did you mean {near[0]}?" if near else "It is neither in the configuration nor recorded."
            problems.append(error("plan.unknown-address", f"{flag}={address} names no resource", detail))
    if problems:
        raise Refused(problems)


def fits(pattern: Address, address: Address) -> bool:
    """Whether the resource is the named one, one of its instances, or nested in one of those."""
    return address == pattern or address.startswith((f"{pattern}/", f"{pattern}["))


def _matching(decisions: Mapping[Address, Decision], patterns: Iterable[Address]) -> list[Address]:
    wanted = list(patterns)
    return [address for address in decisions if any(fits(pattern, address) for pattern in wanted)]


def _goes_down(decision: Decision) -> bool:
    return decision.stops or decision.action in (Action.DELETE, Action.REPLACE)


def _leaning_on(address: Address, ties: Ties) -> Iterable[Address]:
    yield from ties.old_exists_for.get(address, ())
    yield from ties.old_ready_for.get(address, ())
    yield from ties.new_exists_for.get(address, ())
