"""Blocks to typed, checked declarations: defaults, instances, validation, references."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import ValidationError

from reconciler.config.expand import Instance, expand_block
from reconciler.config.findings import Findings, quote, spell_list, suggest
from reconciler.config.located import Map, find_span, locate
from reconciler.config.merge import Document, Entry
from reconciler.config.shapes import Shape, shape_of
from reconciler.config.wording import Subject, describe, report_invalid
from reconciler.kinds import sections
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.kind import Block, Reference

_MOST_SUGGESTIONS = 100
"""Finding the nearest of ten thousand names takes milliseconds."""

Expanded = Mapping[str, Mapping[str, tuple[Instance, Entry]]]
"""Section -> name with instance key -> the expanded block and where it is written."""


def expand_blocks(document: Document, variables: Mapping[str, Any], findings: Findings) -> Expanded:
    """Every block of every section, completed with the section's defaults, variables filled in, `for_each` unrolled."""
    expanded: dict[str, dict[str, tuple[Instance, Entry]]] = {}
    for section, kind in sections().items():
        shape = shape_of(kind.spec)
        defaults = _read_defaults(document.defaults.get(section), shape, findings)
        found = expanded.setdefault(section, {})
        for name, entry in document.blocks[section].items():
            node = Map(entry.owner.source) if entry.node is None else entry.node
            if not isinstance(node, Map):
                detail = f"Write the keys of {name} below it, indented."
                summary = f"{section}.{name} must be a block of keys, not {describe(node)}"
                findings.error("config.wrong-type", summary, detail, entry.span)
                continue
            if defaults is not None:
                node = _complete(node, defaults, shape)
            for instance in expand_block(name, node, variables, findings):
                found[instance.name] = instance, entry
    _check_default_sections(document, findings)
    return expanded


def _check_default_sections(document: Document, findings: Findings) -> None:
    for name, entry in document.defaults.items():
        if name not in document.blocks:
            detail = suggest(name, document.blocks, f"There are defaults for {spell_list(document.blocks)}.")
            findings.error("config.unknown-key", f"There is no section {quote(name)}", detail, entry.span)


def _read_defaults(entry: Entry | None, shape: Shape, findings: Findings) -> Map | None:
    if entry is None or entry.node is None:
        return None
    if not isinstance(entry.node, Map):
        summary = f"defaults.{entry.key} must be a block of keys, not {describe(entry.node)}"
        findings.error("config.wrong-type", summary, "", entry.span)
        return None
    names = shape.fields(None)
    for key in entry.node:
        if key not in names:
            summary = f"There is no key {quote(key)} in {entry.key}"
            detail = suggest(key, names, f"The keys are {spell_list(sorted(names))}.")
            if key == "for_each":
                detail = "A for_each belongs in the block it repeats."
            findings.error("config.unknown-key", summary, detail, entry.node.key_span(key))
    return entry.node


def _complete(node: Map, defaults: Map, shape: Shape) -> Map:
    """The block with the defaults it doesn't say itself, as far as blocks of its type have such keys."""
    tag = node.get(shape.discriminator, defaults.get(shape.discriminator)) if shape.discriminator else None
    fields = shape.fields(tag)
    missing = [key for key in defaults if key not in node and key in fields]
    if not missing:
        return node
    completed = Map(node.source)
    completed.update(node)
    completed.marks = dict(node.marks)
    completed.plain = node.plain and defaults.plain
    for key in missing:
        completed.borrow(key, defaults)
    return completed


def validate_blocks(expanded: Expanded, findings: Findings) -> dict[str, dict[str, Block]]:
    """The declarations of every section. What is invalid is left out and goes to `findings`."""
    declared: dict[str, dict[str, Block]] = {}
    for section, kind in sections().items():
        shape = shape_of(kind.spec)
        validate = shape.adapter.validate_python
        found = declared.setdefault(section, {})
        for name, (instance, entry) in expanded[section].items():
            try:
                spec = validate(instance.node)
            except ValidationError as invalid:
                subject = Subject(instance.node, shape, entry.span, Address(f"{kind.name}.{name}"))
                report_invalid(invalid, subject, findings)
                continue
            found[name] = Block(name, spec, locate(entry.owner, entry.key, instance.node))
    return declared


class _Place(NamedTuple):
    address: Address
    node: Map
    entry: Entry


def check_references(expanded: Expanded, findings: Findings) -> None:
    """Report every reference to a block that isn't there, or that is named twice; also in blocks that are invalid."""
    suggestions = 0
    reported = {diagnostic.span for diagnostic in findings.diagnostics if diagnostic.is_error}
    for section, kind in sections().items():
        for name, (instance, entry) in expanded[section].items():
            for reference in kind.references:
                place = _Place(Address(f"{kind.name}.{name}"), instance.node, entry)
                found = _check_reference(place, reference, expanded, suggestions < _MOST_SUGGESTIONS)
                findings.diagnostics += (diagnostic for diagnostic in found if diagnostic.span not in reported)
                suggestions += len(found)


def _check_reference(place: _Place, reference: Reference, expanded: Expanded, suggests: bool) -> list[Diagnostic]:
    known = expanded[reference.section]
    problems: list[Diagnostic] = []
    seen: set[str] = set()
    for path, name in _names(place.node.get(reference.field), reference.field):
        if name in known and name not in seen:
            seen.add(name)
            continue
        if name in seen:
            code, summary, detail = "config.duplicate-reference", f"{quote(name)} is named twice", "Remove one of them."
        else:
            code, summary = "config.unknown-reference", f"There is no {quote(name)} under {reference.section}"
            detail = _advise(name, known) if suggests else ""
        span = find_span(place.node, path) or place.entry.span
        problems.append(error(code, summary, detail, span=span, address=place.address))
    return problems


def _names(value: Any, field: str) -> Iterator[tuple[tuple[str | int, ...], str]]:
    if isinstance(value, str):
        yield (field,), value
    elif isinstance(value, list):
        yield from (((field, index), name) for index, name in enumerate(value) if isinstance(name, str))


def _advise(name: str, known: Mapping[str, Any]) -> str:
    instances = [other for other in known if other.startswith(f"{name}[")]
    if instances:
        return f"It has a for_each: name one of its instances, such as {instances[0]}."
    return suggest(name, known, "Declare it, or correct the name.")
