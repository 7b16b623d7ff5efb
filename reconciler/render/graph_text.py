"""Dependency graphs and step graphs as DOT, Mermaid or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from reconciler.model.address import Address
from reconciler.model.resource import Resource
from reconciler.plan.document import Plan
from reconciler.render.page import safe

FORMATS = ("dot", "mermaid", "json")


class Edge(NamedTuple):
    """`source` needs `target`."""

    source: str
    target: str
    sort: str


@dataclass(frozen=True, slots=True)
class Picture:
    """Nodes (id -> label) and edges, in the order they are drawn."""

    nodes: Mapping[str, str]
    edges: tuple[Edge, ...]


def picture_resources(resources: Mapping[Address, Resource]) -> Picture:
    """Resources, and what each needs: `exists` and `ready`."""
    edges = (Edge(a, need.target, need.sort.value) for a in sorted(resources) for need in resources[a].needs)
    return Picture({str(address): str(address) for address in sorted(resources)}, tuple(dict.fromkeys(edges)))


def picture_steps(plan: Plan) -> Picture:
    """The plan's steps, and what each waits for."""
    edges = (Edge(step.id, other, "waits") for step in plan.steps for other in step.waits)
    return Picture({step.id: step.id for step in plan.steps}, tuple(edges))


def render_graph(picture: Picture, form: str) -> str:
    """`form` is one of FORMATS."""
    return {"dot": _dot, "mermaid": _mermaid, "json": _json}[form](picture)


def _dot(picture: Picture) -> str:
    lines = ["digraph {", '  rankdir = "RL";', '  node [shape = "rect"];']
    lines += [f"  {_quoted(node)} [label = {_quoted(label)}];" for node, label in picture.nodes.items()]
    styles = {"ready": ' [style = "dashed", label = "ready"]'}
    lines += [f"  {_quoted(e.source)} -> {_quoted(e.target)}{styles.get(e.sort, '')};" for e in picture.edges]
    return "\n".join([*lines, "}"])


def _mermaid(picture: Picture) -> str:
    numbers = {node: f"n{index}" for index, node in enumerate(picture.nodes)}
    lines = ["flowchart RL"]
    lines += [f'  {numbers[node]}["{_entities(label)}"]' for node, label in picture.nodes.items()]
    arrows = {"ready": "-. ready .->"}
    lines += [
        f"  {numbers[e.source]} {arrows.get(e.sort, '-->')} {numbers[e.target]}"
        for e in picture.edges
        if e.source in numbers and e.target in numbers
    ]
    return "\n".join(lines)


def _json(picture: Picture) -> str:
    nodes = [{"id": node, "label": label} for node, label in picture.nodes.items()]
    return json.dumps({"nodes": nodes, "edges": [edge._asdict() for edge in picture.edges]}, indent=2)


def _quoted(text: str) -> str:
    escaped = safe(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _entities(text: str) -> str:
    return "".join(c if c.isalnum() or c in " ._-/[]:" else f"#{ord(c)};" for c in safe(text))
