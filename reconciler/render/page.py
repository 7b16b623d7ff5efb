"""What a text is written on: how wide it is, and whether it takes colour; and what may be written on it."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath

_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_PLACE = re.compile(r"(?<![^\s(])[^\s/:()]+\.ya?ml(?=:\d+:\d+)")
"""A file without a directory: every other one is called what the reader called it."""
_UNSAFE = frozenset(("Cc", "Cf", "Co", "Cs", "Zl", "Zp"))


@dataclass(frozen=True, slots=True)
class Page:
    """`width` in columns; None where lines may be as long as they like (a file, a pipe). `folder` is the directory of
    the configuration, seen from the reader; empty if he is there."""

    width: int | None = None
    colour: bool = False
    unicode: bool = True
    folder: str = ""

    def paint(self, text: str, *styles: str) -> str:
        """`text` in those styles (bold, dim, red, green, yellow, cyan), if the page takes colour."""
        if not self.colour or not styles or not text:
            return text
        return f"\x1b[{';'.join(_CODES[style] for style in styles)}m{text}\x1b[0m"

    def located(self, text: str) -> str:
        """`text` with the places in files of the configuration (`main.yaml:3:5`) as the reader can open them."""
        return _PLACE.sub(lambda file: str(PurePath(self.folder, file[0])), text) if self.folder else text

    def wrap(self, text: str, indent: int = 0) -> list[str]:
        """The lines of `text`, each at most the page's width less `indent`; words and line ends are kept whole, and so
        is a line that begins with four spaces: that is a command, to be copied."""
        if self.width is None:
            return text.splitlines() or [""]
        room = max(10, self.width - indent)
        wrapper = textwrap.TextWrapper(
            width=room, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
        )
        parts = text.splitlines() or [""]
        return [line for part in parts for line in ([part] if part[:4] == "    " else wrapper.wrap(part) or [""])]


def safe(text: str) -> str:
    """`text` with every character that could move the cursor, colour, hide or reorder other text spelled out.

    Remote text is shown to people who decide by it: Unicode TR36 section 3.1 (bidirectional text spoofing). And CI
    runners read what is printed: GitHub's takes `##[` anywhere in a line for a command.
    """
    if "##[" in text:
        text = text.replace("##[", "##\\x5b")
    if text.isascii() and text.isprintable():
        return text
    return "".join(_spelled(c) if unicodedata.category(c) in _UNSAFE else c for c in text)


def _spelled(character: str) -> str:
    code = ord(character)
    if character in "\n\r\t":
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}[character]
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe_lines(text: str) -> str:
    """As `safe`, but the text may have several lines."""
    return "\n".join(safe(line) for line in text.split("\n"))


def listing(items: Iterable[str], limit: int = 5) -> str:
    """`a, b and 3 more`."""
    shown = list(items)
    if len(shown) > limit:
        return f"{', '.join(shown[:limit])} and {len(shown) - limit} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def columns(rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The rows as lines with their cells aligned."""
    table = list(rows)
    if not table:
        return
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
