"""YAML text to a located tree, or every located reason why not.

Built on the events of PyYAML's C parser, not on its loaders: those forget places, resolve YAML 1.1 scalars (`no`,
`012`), keep the last of duplicate keys, construct tagged objects and recurse as deeply as the text asks them to.
Whatever the bytes, nothing but findings comes of them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from yaml import MarkedYAMLError, YAMLError
from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from reconciler.config.decoding import decode
from reconciler.config.files import SourceFile
from reconciler.config.findings import Findings, quote
from reconciler.config.located import Map, Seq, Source, pack, unpack
from reconciler.config.scalars import resolve_plain
from reconciler.config.syntax import explain_syntax

MAX_DEPTH = 64
"""Levels of nesting. The deepest configuration has fewer than ten; everything that walks a tree may recurse."""
MAX_ALIASED = 500_000
"""Values that aliases may stand for in one file, counting those within: a few lines of aliases can spell billions."""
MAX_PROBLEMS = 200
"""After so many a file is given up on."""

_CORE_TAGS = {
    ScalarEvent: "tag:yaml.org,2002:str",
    MappingStartEvent: "tag:yaml.org,2002:map",
    SequenceStartEvent: "tag:yaml.org,2002:seq",
}


class _GivenUp(Exception):
    pass


class _Anchored(NamedTuple):
    """What an anchor names: its value, how many values that is, and how many levels it is high."""

    value: Any
    size: int
    height: int


def read_source(file: SourceFile, findings: Findings) -> Map | None:
    """The mapping that `file` holds; None, with the reasons in `findings`, if it can't be understood at all."""
    source = decode(file, findings)
    if source is None:
        return None
    value = parse(source, findings)
    if value is None:
        return Map(source)
    if not isinstance(value, Map):
        findings.error("config.not-a-mapping", "A configuration is made of keys and values", "", source.span(0, 0))
        return None
    return value


def parse(source: Source, findings: Findings) -> Any:
    """The value that the text of `source` spells (None for an empty text); what is wrong goes to `findings`."""
    reader = _Reader(source, findings)
    try:
        reader.read(CParser(source.text))
    except _GivenUp:
        return None
    except MarkedYAMLError as problem:
        explain_syntax(problem, source, findings)
        return None
    except YAMLError:
        findings.error("config.syntax", "This is not YAML", "", source.span(0, 0))
        return None
    return reader.root


class _Reader:
    """Builds the tree. `node` is the open collection, `key` its pending key (None: a key comes next)."""

    def __init__(self, source: Source, findings: Findings) -> None:
        self.source = source
        self.findings = findings
        self.root: Any = None
        self.node: Map | Seq | None = None
        self.key: str | None = None
        self.key_start = 0
        self.stack: list[tuple[Map | Seq | None, str | None]] = []
        self.anchors: dict[str, _Anchored | None] = {}
        self.open: list[list[Any]] = []
        """Anchored collections not yet complete: name, node, depth, deepest level, count of values at its start."""
        self.count = 0
        self.aliased = 0
        self.documents = 0
        self.problems = 0

    def read(self, parser: CParser) -> None:
        actions = {
            ScalarEvent: self.scalar,
            MappingStartEvent: self.start,
            SequenceStartEvent: self.start,
            MappingEndEvent: self.end,
            SequenceEndEvent: self.end,
            AliasEvent: self.alias,
            DocumentStartEvent: self.document,
        }
        next_event = parser.get_event
        while (event := next_event()) is not None:
            action = actions.get(event.__class__)
            if action is not None:
                action(event)

    def refuse(self, code: str, summary: str, detail: str, event: Any) -> None:
        span = self.source.span(event.start_mark.index, event.end_mark.index)
        self.findings.error(code, summary, detail, span)
        self.problems += 1
        if self.problems >= MAX_PROBLEMS:
            raise _GivenUp

    def document(self, event: Any) -> None:
        self.documents += 1
        if self.documents > 1:
            self.refuse("config.several-documents", "A second document starts here", "Put it in its own file.", event)
            raise _GivenUp
        if event.version and tuple(event.version) != (1, 2):
            version = ".".join(map(str, event.version))
            self.refuse("config.yaml-version", f"This file asks for YAML {version}", "Files are YAML 1.2.", event)

    def scalar(self, event: Any) -> None:
        text = event.value
        start = event.start_mark.index
        self.count += 1
        node = self.node
        if self.key is None and node.__class__ is Map:
            self.take_key(event, text, start)
            return
        value = text
        if event.tag or event.anchor or self.source.text.startswith("!", start):
            self.check_tag(event)
        if not event.style and not event.tag:
            try:
                value = resolve_plain(text)
            except ValueError as problem:
                self.refuse("config.number", f"{text[:40]} {problem}", "", event)
        elif event.style == '"' and "\x00" in text:
            self.refuse("config.invisible-character", "The text has the character U+0000", "Remove it.", event)
        if node is not None and (value is None or "${" in text):
            node.plain = False
        self.add(value, start, event.end_mark.index)
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(value, 1, 0)

    def take_key(self, event: Any, text: str, start: int) -> None:
        if event.tag or event.anchor:
            self.check_tag(event)
        if not event.style:
            self.check_plain_key(event, text)
        node = self.node
        assert isinstance(node, Map)
        if text in node.marks:
            first = node.key_span(text)
            detail = f"The first one is at {first}. Remove one of them, or rename it."
            self.refuse("config.duplicate-key", f"The key {quote(text)} is written twice", detail, event)
        self.key = text
        self.key_start = start
        if event.anchor:
            self.anchors[event.anchor] = _Anchored(text, 1, 0)

    def check_plain_key(self, event: Any, text: str) -> None:
        if text == "<<":
            detail = "YAML 1.2 has no merge keys. Write the keys out, or put them under defaults."
            self.refuse("config.merge-key", "Blocks can't be merged with <<", detail, event)
        try:
            value = resolve_plain(text)
        except ValueError:
            value = 0
        if not isinstance(value, str):
            shown = f"{text[:40]} is not text" if text else "There is no key before the colon"
            detail = f'Put it in quotes: "{text[:40]}".' if text else "Write the key."
            self.refuse("config.key-not-text", f"{shown}, so it can't be a key" if text else shown, detail, event)

    def check_tag(self, event: Any) -> None:
        tag = event.tag
        if tag == _CORE_TAGS[event.__class__]:
            return
        if tag or self.source.text.startswith("!", event.start_mark.index):
            shown = (tag or "!").replace("tag:yaml.org,2002:", "!!")
            detail = "Write the value itself; secrets are written as {env: NAME} or {file: PATH}."
            self.refuse("config.tag", f"The tag {quote(shown)} is not supported", detail, event)

    def add(self, value: Any, start: int, end: int) -> None:
        node = self.node
        if isinstance(node, Map):
            key = self.key or ""
            node[key] = value
            node.marks[key] = pack(self.key_start, start, end)
            self.key = None
        elif node is not None:
            node.append(value)
            node.marks.append(pack(0, start, end))
        else:
            self.root = value

    def start(self, event: Any) -> None:
        self.count += 1
        if event.tag or self.source.text.startswith("!", event.start_mark.index):
            self.check_tag(event)
        if self.key is None and self.node.__class__ is Map:
            self.refuse("config.key-not-text", "A key must be text", "Brackets may need quotes here.", event)
            raise _GivenUp
        depth = len(self.stack) + 1
        self.reach(depth, event)
        start = event.start_mark.index
        node = Map(self.source) if event.__class__ is MappingStartEvent else Seq(self.source)
        parent, key = self.node, self.key
        self.add(node, start, start + 1 if event.flow_style else 0)
        self.stack.append((parent, key))
        if event.anchor:
            self.anchors[event.anchor] = None
            self.open.append([event.anchor, node, depth, depth, self.count])
        self.node, self.key = node, None

    def reach(self, depth: int, event: Any) -> None:
        if depth > MAX_DEPTH:
            detail = f"At most {MAX_DEPTH} levels are read. Is a bracket or an indentation repeated by mistake?"
            self.refuse("config.too-deep", "The nesting is too deep", detail, event)
            raise _GivenUp
        for anchored in self.open:
            anchored[3] = max(anchored[3], depth)

    def end(self, event: Any) -> None:
        node = self.node
        parent, key = self.stack.pop()
        if parent is not None and node is not None and not node.plain:
            parent.plain = False
        if event.start_mark.index < event.end_mark.index and parent is not None:
            self.close_flow(parent, key, event.end_mark.index)
        if self.open and self.open[-1][1] is node:
            name, _, depth, deepest, before = self.open.pop()
            self.anchors[name] = _Anchored(node, self.count - before + 1, deepest - depth + 1)
        self.node = parent

    def close_flow(self, parent: Map | Seq, key: str | None, end: int) -> None:
        """Only a flow collection's closing bracket tells where its span ends."""
        if isinstance(parent, Seq):
            parent.marks[-1] = pack(0, unpack(parent.marks[-1])[1], end)
        elif key is not None and isinstance(mark := parent.marks[key], int):
            key_start, start, _ = unpack(mark)
            parent.marks[key] = pack(key_start, start, end)

    def alias(self, event: Any) -> None:
        if self.key is None and self.node.__class__ is Map:
            self.refuse("config.key-not-text", "A key can't be an alias", "Write the key itself.", event)
            raise _GivenUp
        name = event.anchor
        anchored = self.anchors.get(name)
        if anchored is None:
            inside = name in self.anchors
            summary = f"*{name} stands inside &{name} itself" if inside else f"There is no anchor &{name} before this"
            self.refuse("config.alias", summary, "An alias stands for a value written earlier.", event)
            raise _GivenUp
        self.aliased += anchored.size
        self.count += anchored.size
        if self.aliased > MAX_ALIASED:
            detail = f"The aliases of one file may stand for {MAX_ALIASED} values at most."
            self.refuse("config.alias-bomb", "The aliases stand for too many values", detail, event)
            raise _GivenUp
        self.reach(len(self.stack) + anchored.height, event)
        if self.node is not None and not _is_plain(anchored.value):
            self.node.plain = False
        self.add(anchored.value, event.start_mark.index, event.end_mark.index)


def _is_plain(value: Any) -> bool:
    if isinstance(value, Map | Seq):
        return value.plain
    return value is not None and not (isinstance(value, str) and "${" in value)
