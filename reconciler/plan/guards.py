"""What a plan may not do without being told so by name: deleting what is protected, much at once, or what is in use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from reconciler.config.settings import GuardSettings
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Resource
from reconciler.plan.change import Action
from reconciler.plan.decision import Decision

ALLOWABLE = frozenset({"mass-deletion", "replace-active"})
"""Guards that `-allow` can lift for one run. Protection is lifted in the configuration only."""
_IN_USE = "mcp_server"


def guard(
    decisions: Mapping[Address, Decision],
    configured: Mapping[Address, Resource],
    settings: GuardSettings,
    operation: str,
    allowed: frozenset[str],
) -> tuple[Diagnostic, ...]:
    """Every objection, as errors. `configured` is what the configuration declares, also while it is being destroyed."""
    found = list(_protected(decisions.values(), configured))
    if "mass-deletion" not in allowed and operation != "destroy":
        found += _many(decisions, settings)
    if "replace-active" not in allowed:
        found += _replaced_in_use(decisions)
    return tuple(found)


def _protected(decisions: Iterable[Decision], configured: Mapping[Address, Resource]) -> Iterable[Diagnostic]:
    for decision in decisions:
        if decision.action in (Action.DELETE, Action.REPLACE) and _is_protected(decision, configured):
            address = decision.address
            verb = "deleted" if decision.action is Action.DELETE else "replaced"
            why = f" ({decision.reason.text})" if decision.reason and decision.reason.text else ""
            block = address.parent if decision.situation.kind.section is None else address
            declared = configured.get(block) if block else None
            how = "Set protect: false" if declared else f"Put the block of {block} back with protect: false"
            yield error(
                "guard.protected",
                f"{address} is protected and would be {verb}{why}",
                f"{how} and apply that first, if this is meant. It can't be allowed by a flag.",
                span=declared.span if declared else None,
                address=address,
            )


def _is_protected(decision: Decision, configured: Mapping[Address, Resource]) -> bool:
    """The configuration has the last word, for what has no block of its own by that of what it is nested in."""
    address, record = decision.address, decision.situation.record
    declared = configured.get(address)
    if declared is None and decision.situation.kind.section is None and address.parent:
        declared = configured.get(address.parent)
    if declared is not None:
        return declared.protect
    return record is not None and record.protect


def _many(decisions: Mapping[Address, Decision], settings: GuardSettings) -> list[Diagnostic]:
    recorded = sum(decision.situation.record is not None for decision in decisions.values())
    deleted = [a for a, decision in decisions.items() if decision.action is Action.DELETE]
    if len(deleted) <= settings.max_deletes or len(deleted) * 100 <= settings.max_delete_percent * recorded:
        return []
    shown = ", ".join(deleted[:5]) + (f" and {len(deleted) - 5} more" if len(deleted) > 5 else "")
    return [
        error(
            "guard.mass-deletion",
            f"This would delete {len(deleted)} of {recorded} resources ({len(deleted) * 100 // recorded} %): {shown}",
            f"More than {settings.max_deletes} and more than {settings.max_delete_percent} % at once is often a "
            "mistake, such as an empty variable. If it is meant, plan again with -allow=mass-deletion.",
        )
    ]


def _replaced_in_use(decisions: Mapping[Address, Decision]) -> list[Diagnostic]:
    succeeded = {holder: address for address, decision in decisions.items() for holder in decision.follows}
    found = []
    for address, decision in decisions.items():
        situation = decision.situation
        if situation.kind.name != _IN_USE or situation.status is not State.ACTIVE:
            continue
        again = decision.action is Action.DELETE and address in succeeded
        if decision.action is not Action.REPLACE and not again:
            continue
        how = f"deleted and made again as {succeeded[address]}" if again else "replaced"
        detail = (
            f"{decision.reason.text}. " if decision.reason and not again else ""
        ) + "Its remote id changes, and all that refers to it has to follow. "
        hint = f"If it is only a new name, add a moved block from {address}. " if again else ""
        found.append(
            error(
                "guard.replace-active",
                f"{address} is ACTIVE and would be {how}: agents lose it meanwhile",
                f"{detail}{hint}If this is meant, plan again with -allow=replace-active.",
                span=situation.desired.span if situation.desired else None,
                address=address,
            )
        )
    return found
