"""The files of a directory as one: every section's blocks by name, and each name only once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.config.findings import Findings, quote, spell_list, suggest
from reconciler.config.located import Map, Seq, locate
from reconciler.config.wording import describe
from reconciler.kinds import sections
from reconciler.model.address import NAME
from reconciler.model.diagnostic import Span

SETTINGS = ("provider", "state", "guards", "readiness", "secrets")
INSTRUCTIONS = ("moved", "import", "removed")
NOT_YET = ("agents", "connections", "invariants")


class Entry(NamedTuple):
    """A block where it is written: the value of `key` in `owner`."""

    owner: Map
    key: str

    @property
    def node(self) -> Any:
        return self.owner[self.key]

    @property
    def span(self) -> Span | None:
        return self.owner.key_span(self.key)

    def place(self, *path: str | int) -> Span | None:
        return locate(self.owner, self.key, self.node)(*path)


class Item(NamedTuple):
    """An item of a list of instructions where it is written."""

    owner: Seq
    position: int

    @property
    def node(self) -> Any:
        return self.owner[self.position]

    @property
    def span(self) -> Span | None:
        return self.owner.item_span(self.position)


@dataclass(frozen=True)
class Document:
    """What the files say together, still unexpanded. `blocks` holds for each section its blocks by name."""

    settings: dict[str, Entry] = field(default_factory=dict)
    variables: dict[str, Entry] = field(default_factory=dict)
    defaults: dict[str, Entry] = field(default_factory=dict)
    blocks: dict[str, dict[str, Entry]] = field(default_factory=lambda: {name: {} for name in sections()})
    instructions: dict[str, list[Item]] = field(default_factory=lambda: {name: [] for name in INSTRUCTIONS})
    versions: list[Entry] = field(default_factory=list)


def known_keys() -> tuple[str, ...]:
    """The keys at the top of a file."""
    return ("version", *SETTINGS, "variables", "defaults", *sections(), *INSTRUCTIONS)


def merge(roots: Iterable[Map], findings: Findings) -> Document:
    """The files' mappings as one document; what is unknown, misplaced or written twice goes to `findings`."""
    document = Document()
    for root in roots:
        for key in root:
            _add(Entry(root, key), document, findings)
    _check_version(document, findings)
    return document


def _add(entry: Entry, document: Document, findings: Findings) -> None:
    key = entry.key
    if key == "version":
        document.versions.append(entry)
    elif key in SETTINGS:
        _add_once(key, entry, document.settings, findings)
    elif key in INSTRUCTIONS:
        node = [] if entry.node is None else entry.node
        if isinstance(node, Seq):
            document.instructions[key] += [Item(node, index) for index in range(len(node))]
        elif node != []:
            detail = "Write each of its blocks as an item that starts with a dash."
            findings.error("config.wrong-type", f"{key} must be a list, not {describe(node)}", detail, entry.span)
    elif key == "variables":
        _add_blocks(entry, document.variables, "variables", findings)
    elif key == "defaults":
        _add_blocks(entry, document.defaults, "defaults", findings)
    elif key in document.blocks:
        _add_blocks(entry, document.blocks[key], key, findings)
    elif key in NOT_YET:
        findings.error("config.not-supported", f"{key} are not supported by this version", "Remove them.", entry.span)
    else:
        detail = suggest(key, (*known_keys(), *NOT_YET), f"The keys here are {spell_list(known_keys())}.")
        if key in document.variables:
            detail = "It is the name of a variable. Values belong in a file outside this directory, given by -var-file."
        findings.error("config.unknown-key", f"There is no key {quote(key)} at the top of a file", detail, entry.span)


def _add_blocks(entry: Entry, known: dict[str, Entry], section: str, findings: Findings) -> None:
    node = entry.node
    if node is None:
        return
    if not isinstance(node, Map):
        detail = f"Write a name for each block under {section}."
        summary = f"{section} must be a block of keys, not {describe(node)}"
        findings.error("config.wrong-type", summary, detail, entry.span)
        return
    for name in node:
        if section in sections() and not _is_name(name):
            detail = "A name starts with a letter or underscore and goes on with letters, digits, _ and -."
            findings.error("config.name", f"{quote(name)} can't be a name", detail, node.key_span(name))
        else:
            _add_once(f"{section}.{name}", Entry(node, name), known, findings)


def _is_name(name: str) -> bool:
    return re.fullmatch(NAME, name) is not None


def _add_once(shown: str, entry: Entry, known: dict[str, Entry], findings: Findings) -> None:
    first = known.setdefault(entry.key, entry)
    if first is not entry:
        detail = f"The first one is at {first.span}. Remove one of them, or rename it."
        findings.error("config.duplicate-address", f"{shown} is defined twice", detail, entry.span)


def _check_version(document: Document, findings: Findings) -> None:
    for entry in document.versions:
        if entry.node != 1 or isinstance(entry.node, bool):
            summary = f"version must be 1, not {describe(entry.node)}"
            findings.error("config.version", summary, "This program reads version 1.", entry.place())
    if not document.versions:
        name = next(iter(findings.sources), None)
        span = findings.sources[name].span(0, 0) if name is not None else None
        findings.error("config.version", "version is missing", "Write version: 1 at the top of one of the files.", span)
