"""YAML tokens put back together with canonical space between them."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from yaml._yaml import CParser
from yaml.tokens import (
    BlockEndToken,
    BlockEntryToken,
    BlockMappingStartToken,
    BlockSequenceStartToken,
    FlowEntryToken,
    FlowMappingEndToken,
    FlowMappingStartToken,
    FlowSequenceEndToken,
    FlowSequenceStartToken,
    KeyToken,
    ScalarToken,
    ValueToken,
)

from reconciler.config.located import Source

_BREAK = re.compile(r"\r\n?|\n")
_OPENING = (FlowMappingStartToken, FlowSequenceStartToken)
_CLOSING = (FlowMappingEndToken, FlowSequenceEndToken)


class _Block(NamedTuple):
    """An open block collection: the column it has in the source, and the one it gets. An indentless sequence is
    written in the column of the mapping around it and has no end token of its own."""

    old: int
    new: int
    is_sequence: bool = False
    is_indentless: bool = False


class _Joint(NamedTuple):
    """The place in `out` before a key in the first column, and the lines that stand there."""

    at: int
    first: str
    lines: list[str]


class Layout:
    """The text of `source`, rebuilt once."""

    def __init__(self, source: Source) -> None:
        self.text = source.text
        self.out: list[str] = []
        self.blocks: list[_Block] = []
        self.blocks_before: tuple[_Block, ...] = ()
        """The blocks that were open at the token before this one, where a comment in between may belong."""
        self.flow = 0
        self.end = 0
        self.previous: Any = None
        self.keeps_blanks = False
        self.is_key = False
        self.joints: list[_Joint] = []

    def rebuild(self, parser: CParser) -> str:
        while (token := parser.get_token()) is not None:
            self.follow_structure(token)
            if token.end_mark.index > token.start_mark.index:
                self.place(token)
        first, lines = self.lines_between(_BREAK.split(self.text[self.end :]), 0, 0)
        self.out.append("\n".join([first, *lines, ""]))
        self.separate()
        text = "".join(self.out).lstrip("\n")
        return text if self.keeps_blanks else text.rstrip("\n") + "\n"

    def follow_structure(self, token: Any) -> None:
        column = token.start_mark.column
        parent = self.blocks[-1] if self.blocks else None
        match token:
            case BlockMappingStartToken() | BlockSequenceStartToken():
                is_sequence = isinstance(token, BlockSequenceStartToken)
                self.blocks.append(_Block(column, parent.new + 2 if parent else 0, is_sequence))
            case BlockEndToken():
                if self.blocks.pop().is_indentless:
                    self.blocks.pop()
            case BlockEntryToken() if parent and not parent.is_sequence:
                self.blocks.append(_Block(column, parent.new + 2, True, True))
            case KeyToken() if not self.flow:
                if parent and parent.is_indentless:
                    self.blocks.pop()
                self.is_key = True

    def place(self, token: Any) -> None:
        start, end = token.start_mark.index, token.end_mark.index
        if isinstance(token, _CLOSING):
            self.flow -= 1
        between = _BREAK.split(self.text[self.end : start])
        indent = self.indent_of(token)
        if len(between) == 1 and self.previous is not None:
            self.out.append(self.gap(token))
        else:
            first, lines = self.lines_between(between, token.start_mark.column, indent)
            if indent == 0 and self.is_key and not self.keeps_blanks:
                self.joints.append(_Joint(len(self.out), first, lines))
            self.out += ["\n".join([first, *lines, ""]), " " * indent]
        self.is_key = False
        self.keeps_blanks = False
        written = self.text[start:end]
        if isinstance(token, ScalarToken):
            written = self.write_scalar(token, written)
        self.out.append(written)
        self.end = start + len(self.text[start:end].rstrip()) if self.is_block_scalar(token) else end
        if isinstance(token, _OPENING):
            self.flow += 1
        self.previous = token
        self.blocks_before = tuple(self.blocks)

    @staticmethod
    def is_block_scalar(token: Any) -> bool:
        return isinstance(token, ScalarToken) and token.style in ("|", ">")

    def indent_of(self, token: Any) -> int:
        """The column the token gets if it starts a line."""
        block = self.blocks[-1] if self.blocks else _Block(0, 0)
        if self.flow or isinstance(token, _CLOSING):
            return block.new + 2 * block.is_sequence + 2 * self.flow
        if isinstance(token, BlockEntryToken) or self.is_key or not self.blocks:
            return block.new
        return block.new + 2

    def gap(self, token: Any) -> str:
        """The space before a token that follows another one on its line."""
        if isinstance(self.previous, ValueToken | BlockEntryToken):
            return " "
        if isinstance(token, (ValueToken, FlowEntryToken, *_CLOSING)) or isinstance(self.previous, _OPENING):
            return ""
        return " "

    def write_scalar(self, token: Any, written: str) -> str:
        """The scalar with the lines after its first one indented below where it stands."""
        first, *rest = _BREAK.split(written)
        block = self.blocks[-1] if self.blocks else _Block(0, 0)
        if not self.is_block_scalar(token):
            indent = block.new + 2 + 2 * self.flow
            return "\n".join([first.rstrip() if rest else first, *self.indent_lines(rest, indent)])
        while rest and not rest[-1].strip():
            rest.pop()
        header = first.partition("#")[0]
        self.keeps_blanks = "+" in header
        digits = re.search("[1-9]", header)
        depths = [len(line) - len(line.lstrip(" ")) for line in rest if line.strip(" ")]
        old = block.old + int(digits[0]) if digits else next(iter(depths), 0)
        new = block.new + (int(digits[0]) if digits else 2)
        return "\n".join([first.rstrip(), *(" " * new + line[old:] if line[old:] else "" for line in rest)])

    @staticmethod
    def indent_lines(lines: list[str], indent: int) -> list[str]:
        """Continuation lines of a plain or quoted scalar: the space around them means nothing."""
        last = len(lines) - 1
        stripped = [line.lstrip(" \t") if i == last else line.strip(" \t") for i, line in enumerate(lines)]
        return [" " * indent + line if line or i == last else "" for i, line in enumerate(stripped)]

    def lines_between(self, between: list[str], column: int, indent: int) -> tuple[str, list[str]]:
        """What stands between two tokens on different lines: the rest of a line, then comments and blank lines."""
        first, *middle = between if self.previous is not None else ["", *between]
        lines: list[str] = []
        for line in middle[:-1]:
            comment = line.strip()
            if comment:
                old = len(line) - len(line.lstrip())
                lines.append(" " * self.comment_indent(old, column, indent) + comment)
            elif self.keeps_blanks or not lines or lines[-1]:
                lines.append("")
        return first.rstrip(), lines

    def comment_indent(self, old: int, column: int, indent: int) -> int:
        """A comment goes with what follows it, or, written further in, with the block that ends before it."""
        if self.flow:
            return self.indent_of(None)
        if old <= column:
            return indent
        enclosing = [block.new for block in self.blocks_before if block.old <= old]
        return max(indent, enclosing[-1] if enclosing else 0)

    def separate(self) -> None:
        """One blank line between top-level blocks, but for two that are one line each: those stay as they are."""
        ends = [joint.at for joint in self.joints[1:]] + [len(self.out) - 1]
        long = ["\n" in "".join(self.out[j.at + 1 : end]) for j, end in zip(self.joints, ends, strict=False)]
        for before, after, joint in zip(long, long[1:], self.joints[1:], strict=False):
            if before or after:
                at = next((i for i, line in enumerate(joint.lines) if line.startswith("#")), len(joint.lines))
                outside = joint.lines[:at]
                while outside and not outside[-1]:
                    outside.pop()
                self.out[joint.at] = "\n".join([joint.first, *outside, "", *joint.lines[at:], ""])
