"""States and transitions of a kind, as data, and the shortest way from one state to another."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import NamedTuple

from reconciler.model.diagnostic import Refused, error


class State(StrEnum):
    PENDING = "PENDING"
    INACTIVE = "INACTIVE"
    ACTIVE = "ACTIVE"
    INVALID = "INVALID"
    DELETED = "DELETED"


class Sort(StrEnum):
    """Who makes a transition happen."""

    COMMANDED = "commanded"
    """We do, with a call."""
    AWAITED = "awaited"
    """The live system does, following from what we made; we wait for it."""
    OBSERVED = "observed"
    """The live system does, on its own account; no plan counts on it."""


_ABSENT = "absent"


class Transition(NamedTuple):
    """`event` leads from `source` (None: the resource isn't there yet) to `target`."""

    source: State | None
    event: str
    target: State
    sort: Sort = Sort.COMMANDED


class Lifecycle:
    """A transition table. Plans walk `path`; nothing else in the program names a sequence of states."""

    def __init__(self, name: str, transitions: Iterable[Transition]) -> None:
        self.name = name
        self.transitions = tuple(transitions)

    @cached_property
    def states(self) -> frozenset[State]:
        return frozenset(transition.target for transition in self.transitions)

    def find(self, source: State | None, event: str) -> Transition | None:
        """The transition that `event` makes from `source`, if the table has one."""
        return next((t for t in self.transitions if (t.source, t.event) == (source, event)), None)

    def path(self, source: State | None, target: State) -> tuple[Transition, ...]:
        """The shortest sequence of commanded and awaited transitions from `source` to `target`.

        Empty if already there. Raises Refused if the table has no way.
        """
        if source is target:
            return ()
        return _path(self, source, target)


@lru_cache(maxsize=512)
def _path(lifecycle: Lifecycle, source: State | None, target: State) -> tuple[Transition, ...]:
    import networkx as nx

    graph: nx.DiGraph[str] = nx.DiGraph()
    for transition in lifecycle.transitions:
        if transition.sort is not Sort.OBSERVED:
            graph.add_edge(transition.source or _ABSENT, transition.target, transition=transition)
    start = source or _ABSENT
    try:
        states = nx.shortest_path(graph, start, target)
    except (nx.NetworkXNoPath, nx.NodeNotFound):
        raise Refused(
            [error("lifecycle.no-path", f"There is no way from {start} to {target} for {lifecycle.name}")]
        ) from None
    return tuple(graph.edges[edge]["transition"] for edge in pairwise(states))
