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
    return _Filling(scope, findings).fill(node, span)


class _Filling(NamedTuple):
    scope: Scope
    findings: Findings
    keeps_nulls: bool = False

    def fill(self, node: Any, span: Span | None) -> Any:
        if isinstance(node, Map):
            return node if node.plain else self.fill_map(node)
        if isinstance(node, Seq):
            return node if node.plain else self.fill_seq(node)
        if isinstance(node, str) and "${" in node:
            try:
                value = fill(node, self.scope)
            except Unfillable as problem:
                self.findings.error("config.template", problem.summary, problem.detail, span)
                return None
            return value if self.keeps_nulls else _strip_nulls(value)
        return node

    def fill_map(self, node: Map) -> Map:
        filled = Map(node.source)
        filled.marks = node.marks
        for key, value in node.items():
            if value.__class__ is str:
                value = self.fill(value, node.value_span(key)) if "${" in value else value
            else:
                value = self.fill(value, None)
            if value is not None or self.keeps_nulls:
                filled[key] = value
        return filled

    def fill_seq(self, node: Seq) -> Seq:
        filled = Seq(node.source)
        filled.marks = node.marks
        filled.extend(self.fill(value, node.item_span(index)) for index, value in enumerate(node))
        return filled


def _strip_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _strip_nulls(item) for key, item in value.items() if item is not None}
    return [_strip_nulls(item) for item in value] if isinstance(value, list) else value


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
    source = _Filling(Scope(variables), findings, keeps_nulls=True).fill(node["for_each"], span)
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
