from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.graph import build_graph, is_born_active
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, Span
from reconciler.model.resource import Need, NeedSort, Resource

EXISTS, READY = NeedSort.EXISTS, NeedSort.READY


def at(line: int) -> Span:
    return Span("main.yaml", line, 5, line, 9)


def one(name: str, *needs: tuple[str, NeedSort], kind: str = "mcp_server", line: int = 1) -> Resource:
    found = tuple(Need(Address(f"{target}"), sort, at(line + n)) for n, (target, sort) in enumerate(needs))
    return Resource(Address(f"{kind}.{name}"), kind, {}, needs=found)


def refusal(*resources: Resource) -> Refused:
    with pytest.raises(Refused) as caught:
        build_graph({resource.address: resource for resource in resources})
    return caught.value


def test_an_edge_leads_to_what_is_needed_and_says_how_and_where() -> None:
    graph = build_graph([one("a", ("mcp_server.b", EXISTS), ("mcp_server.b", READY), line=3), one("b"), one("c")])
    assert set(graph) == {"mcp_server.a", "mcp_server.b", "mcp_server.c"}
    assert list(graph.edges) == [("mcp_server.a", "mcp_server.b")]
    needs = graph.edges["mcp_server.a", "mcp_server.b"]["needs"]
    assert [(need.sort, need.span.line) for need in needs] == [(EXISTS, 3), (READY, 4)]


def test_existence_and_readiness_may_run_in_opposite_directions() -> None:
    build_graph([one("a", ("mcp_server.b", READY)), one("b", ("mcp_server.a", EXISTS))])


def test_what_is_born_active_can_not_need_the_readiness_of_what_needs_its_existence() -> None:
    born = one("a", ("mcp_server.b", READY), kind="client_registration")
    refused = refusal(born, one("b", ("client_registration.a", EXISTS)))
    assert [d.code for d in refused.diagnostics] == ["config.cycle"]
    assert is_born_active(kinds()["client_registration"].lifecycle({}))


def test_every_unmet_need_is_reported_with_the_nearest_name() -> None:
    refused = refusal(one("a", ("mcp_server.github2", EXISTS), ("mcp_server.x", READY)), one("github"))
    assert [d.code for d in refused.diagnostics] == ["config.missing-need"] * 2
    assert "mcp_server.github?" in refused.diagnostics[0].detail
    assert refused.diagnostics[0].span == at(1)


def test_a_resource_that_needs_itself() -> None:
    assert "needs itself" in refusal(one("a", ("mcp_server.a", READY))).diagnostics[0].summary


def test_the_shortest_cycle_is_shown_with_the_place_of_every_edge() -> None:
    long = [one(f"l{n}", (f"mcp_server.l{(n + 1) % 6}", EXISTS), line=10 + n) for n in range(6)]
    long[0] = one("l0", ("mcp_server.l1", EXISTS), ("mcp_server.s", READY), line=30)
    short = [one("s", ("mcp_server.t", READY), line=40), one("t", ("mcp_server.s", READY), line=50)]
    refused = refusal(*long, *short)
    summaries = [d.summary for d in refused.diagnostics]
    assert "mcp_server.s needs itself: mcp_server.s -> mcp_server.t -> mcp_server.s" in summaries
    shown = next(d for d in refused.diagnostics if d.summary.startswith("mcp_server.s"))
    assert shown.detail.splitlines()[:2] == [
        "main.yaml:40:5: mcp_server.s needs mcp_server.t (ready)",
        "main.yaml:50:5: mcp_server.t needs mcp_server.s (ready)",
    ]
    assert shown.span == at(40)


def test_of_several_ways_round_the_shortest_is_shown() -> None:
    ring = [one(f"r{n}", (f"mcp_server.r{(n + 1) % 9}", READY), line=n + 1) for n in range(9)]
    ring[4] = one("r4", ("mcp_server.r5", READY), ("mcp_server.r2", READY), line=5)
    refused = refusal(*ring)
    assert refused.diagnostics[0].summary.count("->") == 3


def test_a_ring_of_fifty_thousand_is_found_without_recursion() -> None:
    count = 50_000
    ring = [one(f"r{n}", (f"mcp_server.r{(n + 1) % count}", EXISTS)) for n in range(count)]
    assert len(refusal(*ring).diagnostics) == 1


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7), st.sampled_from([EXISTS, READY])), max_size=16))
def test_refused_exactly_if_some_sort_of_need_runs_in_a_circle(edges: list[tuple[int, int, NeedSort]]) -> None:
    needs: dict[int, list[tuple[str, NeedSort]]] = {n: [] for n in range(8)}
    for source, target, sort in edges:
        needs[source].append((f"mcp_server.n{target}", sort))
    resources = [one(f"n{n}", *found) for n, found in needs.items()]
    circular = any(
        _reaches({(a, b) for a, b, sort in edges if sort is wanted}, start)
        for wanted in (EXISTS, READY)
        for start in needs
    )
    try:
        build_graph(resources)
    except Refused as refused:
        assert circular or any(a == b for a, b, _ in edges)
        for diagnostic in refused.diagnostics:
            assert diagnostic.code == "config.cycle"
    else:
        assert not circular


def _reaches(edges: set[tuple[int, int]], start: int) -> bool:
    seen, waiting = set(), [b for a, b in edges if a == start]
    while waiting:
        node = waiting.pop()
        if node not in seen:
            seen.add(node)
            waiting += [b for a, b in edges if a == node]
    return start in seen
