"""What shall become of one resource, judged by itself: the action, the reason, the way through its lifecycle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from reconciler.config.configuration import Removed
from reconciler.diff import Difference
from reconciler.graph import is_born_active
from reconciler.model.address import Address
from reconciler.model.lifecycle import Lifecycle, State, Transition
from reconciler.model.resource import Attributes, Record, Resource
from reconciler.plan.change import Action, Reason
from reconciler.plan.rotation import Fingerprints, rotated
from reconciler.plan.situation import Situation, ours


@dataclass(frozen=True, slots=True)
class Decision:
    """`restarts`: it stays ACTIVE in the end, but not all the time, because something it needs doesn't.
    `follows`: the resources that have to give up the natural key which this one takes."""

    situation: Situation
    action: Action
    reason: Reason | None = None
    differences: tuple[Difference, ...] = ()
    restarts: bool = False
    follows: tuple[Address, ...] = ()

    @property
    def address(self) -> Address:
        return self.situation.address

    @property
    def stays(self) -> bool:
        """Whether it is there before, after and all the time between."""
        return self.action in _STAYING

    @property
    def stops(self) -> bool:
        """Whether it is ACTIVE now, and by our doing won't be for a time or for good."""
        if self.situation.status is not State.ACTIVE or self.action is Action.FORGET:
            return False
        if self.action is Action.REPLACE:
            return not self.situation.is_discovered and not self.situation.kind.make_before_break
        return self.action is Action.DELETE or self.restarts or (self.stays and not self.wants_active)

    @property
    def wants_active(self) -> bool:
        return self.situation.desired is not None and self.situation.desired.status is State.ACTIVE

    @property
    def comes_up(self) -> bool:
        """Whether it isn't ACTIVE now and will be."""
        return self.wants_active and (self.situation.status is not State.ACTIVE or not self.stays or self.restarts)


_STAYING = frozenset({Action.NONE, Action.UPDATE, Action.ADOPT, Action.MOVE})


class Wishes(NamedTuple):
    """What the user asked for beside the configuration's resources."""

    removed: tuple[Removed, ...] = ()
    replaces: frozenset[Address] = frozenset()
    operation: str = "apply"
    fingerprints: Fingerprints = MappingProxyType({})


class Route(NamedTuple):
    """Lifecycle transitions before and after the moment at which attributes are changed."""

    down: tuple[Transition, ...] = ()
    up: tuple[Transition, ...] = ()


def decide(situation: Situation, wishes: Wishes) -> Decision:
    desired, seen = situation.desired, situation.seen
    if desired is None:
        return _unwanted(situation, wishes)
    if seen is None:
        return _made_again(situation, desired, wishes)
    found: tuple[Difference, ...] = ()
    if not desired.discovered:
        found = ours(situation, desired.attributes) + rotated(situation, wishes.fingerprints)
    if situation.adopts is None:
        reason = _replacement(situation, found, wishes)
        if reason is not None:
            return Decision(situation, Action.REPLACE, reason, found)
    if found or seen.status is not desired.status or _protects_anew(situation):
        reason = Reason("", "The live system finds it INVALID") if seen.status is State.INVALID else None
        return Decision(situation, Action.UPDATE, reason, found)
    if situation.adopts is not None:
        return Decision(situation, Action.ADOPT)
    return Decision(situation, Action.MOVE if situation.moved_from else Action.NONE)


def route(decision: Decision) -> Route:
    """The way through the lifecycle, by the kind's table. Raises Refused if the table has none."""
    situation = decision.situation
    if decision.action is Action.DELETE:
        return Route(down=_way_out(situation))
    if situation.desired is None or decision.action is Action.FORGET:
        return Route()
    wanted = situation.desired.status
    after = situation.kind.lifecycle(situation.desired.attributes)
    if decision.action is Action.CREATE:
        return Route(up=after.path(None, wanted))
    if decision.action is Action.REPLACE:
        return Route(() if situation.is_discovered else _way_out(situation), after.path(None, wanted))
    if decision.restarts:
        return Route(after.path(situation.status, State.INACTIVE), after.path(State.INACTIVE, wanted))
    if situation.status is wanted:
        return Route()
    path = after.path(situation.status, wanted)
    return Route(down=path) if situation.status is State.ACTIVE else Route(up=path)


def activates(transition: Transition) -> bool:
    """Whether it makes something ACTIVE at our command."""
    return transition.target is State.ACTIVE and transition.sort == "commanded"


def is_remembered(record: Record | None, desired: Resource) -> bool:
    """Whether what is recorded says all that would be recorded of the desired resource."""
    return (
        record is not None
        and record.attributes == desired.attributes
        and record.refs == desired.refs
        and record.protect == desired.protect
        and {(need.target, need.sort) for need in record.needs} == {(need.target, need.sort) for need in desired.needs}
    )


def overlaid(before: Attributes, after: Attributes, collections: frozenset[str] = frozenset()) -> dict[str, Any]:
    """`before` as it will be once all that `after` names agrees with it."""
    merged = {**before, **after}
    for name, wanted in after.items():
        held = before.get(name)
        if isinstance(wanted, Mapping) and isinstance(held, Mapping):
            inner = overlaid(held, wanted)
            merged[name] = {key: inner[key] for key in wanted} if name in collections else inner
    return merged


def can_rest(situation: Situation) -> bool:
    """Whether it can be INACTIVE for a while."""
    desired = situation.desired
    return desired is not None and State.INACTIVE in situation.kind.lifecycle(desired.attributes).states


def is_whole(situation: Situation) -> bool:
    """Whether it is ACTIVE as soon as it is there, so that its creation is its activation."""
    held = situation.desired or situation.record
    return held is not None and is_born_active(situation.kind.lifecycle(held.attributes))


def _way_out(situation: Situation) -> tuple[Transition, ...]:
    """To its deletion, also of what is gone itself but outlived by something."""
    recorded = situation.record.status if situation.record else None
    return _lifecycle_now(situation).path(situation.status or recorded, State.DELETED)


def _is_outlived(situation: Situation) -> bool:
    """Whether the object is gone, but not all that was made with it."""
    record = situation.record
    return situation.seen is None and record is not None and situation.kind.outlives(record.attributes)


def _made_again(situation: Situation, desired: Resource, wishes: Wishes) -> Decision:
    """What isn't there, or no longer. What outlived it is taken up again, unless that belongs to another one now."""
    if _is_outlived(situation):
        found = ours(situation, desired.attributes)
        reason = _replacement(situation, found, wishes)
        if reason is not None:
            return Decision(situation, Action.REPLACE, reason, found)
    gone = Reason("", "It was deleted outside of reconciler") if situation.record else None
    return Decision(situation, Action.CREATE, gone)


def _lifecycle_now(situation: Situation) -> Lifecycle:
    """The table by which what is there now lives: what is recorded says which, where the live system doesn't."""
    recorded = situation.record.attributes if situation.record else {}
    return situation.kind.lifecycle({**situation.before, **recorded})


def _unwanted(situation: Situation, wishes: Wishes) -> Decision:
    record = situation.record
    assert record is not None
    gone = Reason("", "It was deleted outside of reconciler")
    if situation.seen is None and not _is_outlived(situation):
        return Decision(situation, Action.FORGET, gone)
    if wishes.operation != "destroy":
        block = next((r for r in wishes.removed if _covers(r.source, situation.address)), None)
        if block is not None and not block.destroy:
            return Decision(situation, Action.FORGET, Reason("", f"A removed block says to leave {block.source} alone"))
    if record.discovered:
        return Decision(situation, Action.FORGET, Reason("", "The live system made it, and keeps it or removes it"))
    if situation.seen is None or wishes.operation == "destroy":
        return Decision(situation, Action.DELETE, gone if situation.seen is None else None)
    return Decision(
        situation,
        Action.DELETE,
        Reason("delete_because_no_resource_config", f"{situation.address} is not in the configuration"),
    )


def _covers(source: Address, address: Address) -> bool:
    """Whether `address` is `source`, one of its instances, or nested in it."""
    return address == source or address.startswith((f"{source}/", f"{source}["))


def _replacement(situation: Situation, found: tuple[Difference, ...], wishes: Wishes) -> Reason | None:
    desired, record = situation.desired, situation.record
    assert desired is not None
    fixed = [".".join(difference.path) for difference in found if difference.replaces]
    if fixed:
        return Reason("replace_because_cannot_update", f"{', '.join(fixed)} can't change in place")
    if situation.address in wishes.replaces and not desired.discovered:
        return Reason("replace_by_request", "You asked for its replacement")
    for role, target in desired.refs.items() if record else ():
        held = record.refs.get(role) if record else None
        if held is not None and held != target:
            return Reason("replace_because_cannot_update", f"It belongs to {held} and can't be given to {target}")
    return None


def _protects_anew(situation: Situation) -> bool:
    desired, record = situation.desired, situation.record
    return desired is not None and record is not None and desired.protect != record.protect
