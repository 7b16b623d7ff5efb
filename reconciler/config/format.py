"""The one way to lay a configuration out: two spaces a level, one space after a colon, a blank line between blocks.

The text is rebuilt from the parser's tokens, so that comments and the way values are written stay as they are. Only
the space between tokens changes.
"""

from __future__ import annotations

import re
from typing import Any

from yaml._yaml import CParser

from reconciler.config.decoding import decode
from reconciler.config.expand import to_plain
from reconciler.config.files import SourceFile
from reconciler.config.findings import Findings
from reconciler.config.layout import Layout
from reconciler.config.located import Source
from reconciler.config.source import parse

_COMMENT = re.compile(r"#.*")


def format_source(file: SourceFile) -> str:
    """The text of `file` in canonical layout, with LF line ends and without a byte order mark.

    Formatting twice is formatting once, and never changes what a file means: where that can't be kept, the text comes
    back as it is. Raises Refused if the file is not sound YAML.
    """
    findings = Findings()
    source = decode(file, findings)
    meaning = to_plain(parse(source, findings)) if source else None
    findings.settle()
    if source is None or meaning is None:
        return _trim(source.text if source else "")
    formatted = Layout(source).rebuild(CParser(source.text))
    return formatted if _agree(source, meaning, formatted) else source.text


def _trim(text: str) -> str:
    """A text without values: its comments, without white space around."""
    kept = "\n".join(line.strip() for line in re.split(r"\r\n?|\n", text)).strip("\n")
    return f"{kept}\n" if kept else ""


def _agree(source: Source, meaning: Any, formatted: str) -> bool:
    """Whether the formatted text has the same values in the same order and the same comments."""
    findings = Findings()
    again = Source(source.name, formatted)
    same = _spell(parse(again, findings)) == _spell(meaning) and not findings.diagnostics
    return same and _comments(source.text) == _comments(formatted)


def _spell(value: Any) -> str:
    """Types, values and order of keys; equality of dicts would forget the order, and take 1 for 1.0 and for true."""
    return repr(to_plain(value))


def _comments(text: str) -> list[str]:
    return [found.rstrip() for found in _COMMENT.findall(text)]
