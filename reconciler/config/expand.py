"""Blocks with their variables filled in, one for each instance of a `for_each`, and completed with defaults."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.config.findings import Findings, quote
from reconciler.config.located import Map, Seq, find_span
from reconciler.config.template import Scope, Unfillable, fill
from reconciler.config.wording import describe
from reconciler.model.address import instance
from reconciler.model.diagnostic import Span

MOST_INSTANCES = 100_000
"""Instances that one `for_each` may make."""


class Instance(NamedTuple):
    """One expanded block: `name` with its key, and the tree."""

    name: str
    node: Map


def fill_tree(node: Any, scope: Scope, span: Span | None, findings: Findings) -> Any:
    """`node` with its templates filled in and without keys that are null; the places stay those of the templates.

    A null says the same as leaving the key out: it takes back a default, or passes on an optional variable.
    """
    if isinstance(node, Map):
        if node.plain:
            return node
        return _fill_map(node, scope, findings)
    if isinstance(node, Seq):
        if node.plain:
            return node
        filled = Seq(node.source)
        filled.marks = node.marks
        filled.extend(fill_tree(v, scope, node.item_span(i), findings) for i, v in enumerate(node))
        return filled
    if isinstance(node, str) and "${" in node:
        try:
            return strip_nulls(fill(node, scope))
        except Unfillable as problem:
            findings.error("config.template", problem.summary, problem.detail, span)
            return None
    return node


def _fill_map(node: Map, scope: Scope, findings: Findings) -> Map:
    filled = Map(node.source)
    filled.marks = node.marks
    for key, value in node.items():
        if value.__class__ is str and "${" not in value:
            filled[key] = value
            continue
        span = node.value_span(key) if value.__class__ is str else None
        value = fill_tree(value, scope, span, findings)
        if value is not None:
            filled[key] = value
    return filled


def strip_nulls(value: Any) -> Any:
    """`value` without the keys that are null."""
    if isinstance(value, Mapping):
        return {key: strip_nulls(item) for key, item in value.items() if item is not None}
    return [strip_nulls(item) for item in value] if isinstance(value, list) else value


def to_plain(value: Any) -> Any:
    """`value` as dicts and lists without places: where it is used is where it will be reported."""
    if isinstance(value, Map):
        return {key: to_plain(item) for key, item in value.items()}
    return [to_plain(item) for item in value] if isinstance(value, list) else value


def expand_block(name: str, node: Map, variables: Mapping[str, Any], findings: Findings) -> list[Instance]:
    """The block itself, or its instances if it has a `for_each`."""
    if "for_each" not in node:
        return [Instance(name, fill_tree(node, Scope(variables), None, findings))]
    span = node.value_span("for_each")
    source = fill_tree(node["for_each"], Scope(variables), span, findings)
    pairs = list(_pairs(source, node, findings))
    if len(pairs) > MOST_INSTANCES:
        findings.error("config.for-each", f"for_each makes more than {MOST_INSTANCES} instances", "", span)
        return []
    template = Map(node.source)
    template.update((key, value) for key, value in node.items() if key != "for_each")
    template.marks = node.marks
    template.plain = node.plain
    return [
        Instance(instance(name, key), fill_tree(template, Scope(variables, (key, value)), None, findings))
        for key, value in pairs
    ]


def _pairs(source: Any, node: Map, findings: Findings) -> Iterator[tuple[str, Any]]:
    span = node.value_span("for_each")
    if source is None:
        if node["for_each"] is None:
            findings.error("config.for-each", "for_each is empty", "Give it a map or a list of texts.", span)
        return
    if isinstance(source, str | int | float) or not isinstance(source, Mapping | list):
        summary = f"for_each must be a map or a list of texts, not {describe(source)}"
        findings.error("config.for-each", summary, "", span)
        return
    seen: set[Any] = set()
    items: Iterable[tuple[Any, Any]] = (
        source.items() if isinstance(source, Mapping) else zip(source, source, strict=True)
    )
    for index, (key, value) in enumerate(items):
        place = find_span(source, (index if isinstance(source, list) else key,)) or span
        if not isinstance(key, str):
            findings.error("config.for-each", f"An item of for_each must be a text, not {describe(key)}", "", place)
        elif key in seen:
            findings.error("config.for-each", f"for_each has {quote(key)} twice", "Remove one of them.", place)
        elif not key or not key.isprintable() or set(key) & set('"\\/'):
            detail = (
                "It becomes part of an address, so it is not empty and has no quote, slash, backslash or line break."
            )
            findings.error("config.for-each", f"{quote(key)} can't be the key of an instance", detail, place)
        else:
            yield key, to_plain(value)
        if isinstance(key, str):
            seen.add(key)
