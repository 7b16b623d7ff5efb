"""Who needs whom: the dependency graph of resources, or the reasons why there is none."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeAlias

from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.lifecycle import Lifecycle, State
from reconciler.model.resource import Need, NeedSort, Resource

if TYPE_CHECKING:
    import networkx as nx

_MANY = 10
_PATIENCE = 200_000
"""Edges looked at before the search for a still shorter cycle is given up: in any configuration made by people it ends
long before."""

_Milestone: TypeAlias = tuple[Address, bool]
"""A resource being there (False), or being there and ACTIVE (True)."""


def build_graph(resources: Mapping[Address, Resource] | Iterable[Resource]) -> nx.DiGraph[Address]:
    """An edge leads from each resource to each one it needs; its `needs` are the `Need`s it stands for.

    Raises Refused with every need that nothing meets, or else with a shortest cycle of each knot. `exists` and `ready`
    needs may run in opposite directions (an association needs its MCP server to exist, the server needs the association
    to be ready): a cycle is only what would keep a step waiting for itself.
    """
    import networkx as nx

    known = require_order(resources)
    between: dict[tuple[Address, Address], tuple[Need, ...]] = {}
    for resource in known.values():
        for need in resource.needs:
            edge = (resource.address, need.target)
            between[edge] = (*between.get(edge, ()), need)
    graph: nx.DiGraph[Address] = nx.DiGraph()
    graph.add_nodes_from(known)
    graph.add_edges_from((source, target, {"needs": needs}) for (source, target), needs in between.items())
    return graph


def require_order(resources: Mapping[Address, Resource] | Iterable[Resource]) -> dict[Address, Resource]:
    """The resources by address, if there is an order to make them in; raises Refused as `build_graph` does."""
    import networkx as nx

    values = list(resources.values() if isinstance(resources, Mapping) else resources)
    known = {resource.address: resource for resource in values}
    missing = [
        _unmet(r, need, known)
        for r in values
        for need in r.needs
        if need.target not in known or need.target == r.address
    ]
    if missing:
        raise Refused(missing)
    milestones = _milestones(known)
    if not nx.is_directed_acyclic_graph(milestones):
        raise Refused(_knots(milestones, known))
    return known


@lru_cache(maxsize=64)
def is_born_active(lifecycle: Lifecycle) -> bool:
    """Whether what follows that lifecycle is ACTIVE as soon as it is there."""
    return any(t.source is None and t.target is State.ACTIVE for t in lifecycle.transitions)


def _milestones(known: Mapping[Address, Resource]) -> nx.DiGraph[_Milestone]:
    """Which milestone waits for which. Being there and being ACTIVE are one for what is born ACTIVE."""
    import networkx as nx

    by_name = kinds()
    whole = {a for a, r in known.items() if is_born_active(by_name[r.kind].lifecycle(r.attributes))}
    edges: list[tuple[_Milestone, _Milestone]] = []
    for address, resource in known.items():
        there, active = (address, False), (address, address not in whole)
        for target, sort, _ in resource.needs:
            if sort is NeedSort.EXISTS:
                edges.append((there, (target, False)))
            else:
                edges.append((active, (target, target not in whole)))
        if active[1] and resource.needs:
            edges.append((active, there))
    return nx.DiGraph(edges)


def _unmet(resource: Resource, need: Need, known: Mapping[Address, Resource]) -> Diagnostic:
    if need.target == resource.address:
        return error(
            "config.cycle",
            f"{resource.address} needs itself",
            "Remove the reference to itself.",
            span=need.span,
            address=resource.address,
        )
    near = get_close_matches(need.target, known, n=1) if len(known) < 5_000 else []
    return error(
        "config.missing-need",
        f"{resource.address} needs {need.target}, which is not declared",
        f"Did you mean {near[0]}?" if near else f"Declare {need.target}, or remove the reference to it.",
        span=need.span,
        address=resource.address,
    )


def _knots(graph: nx.DiGraph[_Milestone], known: Mapping[Address, Resource]) -> list[Diagnostic]:
    import networkx as nx

    knots = [knot for knot in nx.strongly_connected_components(graph) if len(knot) > 1]
    found = [_described(_shortest_cycle(graph, knot), known) for knot in knots[:_MANY]]
    return sorted(found, key=lambda diagnostic: diagnostic.summary)


def _shortest_cycle(graph: nx.DiGraph[_Milestone], knot: set[_Milestone]) -> list[_Milestone]:
    """A cycle of the knot, first and last node the same; no other is shorter, unless the search ran out of patience."""
    best: list[_Milestone] = []
    looked = 0
    for start in sorted(knot):
        came: dict[_Milestone, _Milestone] = {}
        waiting = deque([(start, 1)])
        while waiting:
            node, depth = waiting.popleft()
            if best and depth >= len(best) - 1:
                break
            looked += len(graph.adj[node])
            if start in graph.adj[node]:
                best = _walked_back(came, start, node)
                break
            for following in graph.adj[node]:
                if following in knot and following not in came:
                    came[following] = node
                    waiting.append((following, depth + 1))
        if best and looked > _PATIENCE:
            break
    return best


def _walked_back(came: Mapping[_Milestone, _Milestone], start: _Milestone, last: _Milestone) -> list[_Milestone]:
    way = [start]
    node = last
    while node != start:
        way.append(node)
        node = came[node]
    return [*way, start][::-1]


def _described(cycle: list[_Milestone], known: Mapping[Address, Resource]) -> Diagnostic:
    needs = [
        (source, _need_between(known[source], target, to_active))
        for (source, _), (target, to_active) in pairwise(cycle)
        if source != target
    ]
    around = " -> ".join([str(source) for source, _ in needs] + [str(needs[0][0])])
    lines = [f"{need.span or 'derived'}: {source} needs {need.target} ({need.sort})" for source, need in needs]
    return error(
        "config.cycle",
        f"{needs[0][0]} needs itself: {around}",
        "\n".join([*lines, "Remove one of these references."]),
        span=needs[0][1].span,
        address=needs[0][0],
    )


def _need_between(resource: Resource, target: Address, active: bool) -> Need:
    wanted = NeedSort.READY if active else NeedSort.EXISTS
    found = [need for need in resource.needs if need.target == target]
    return next((need for need in found if need.sort is wanted), found[0])
