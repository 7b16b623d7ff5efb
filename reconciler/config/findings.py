"""What a reading of the configuration has found wrong or noteworthy so far, told in the order of the files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches

from reconciler.config.located import Source
from reconciler.model.diagnostic import Diagnostic, Refused, Span, error

MOST_SHOWN = 50
"""More errors than anybody reads in one go; the rest is counted."""

_LONGEST_QUOTED = 80


class Findings:
    """Diagnostics collected in stages: a stage reports all it finds, `settle` ends it."""

    def __init__(self) -> None:
        self.sources: dict[str, Source] = {}
        self.diagnostics: list[Diagnostic] = []

    def error(self, code: str, summary: str, detail: str, span: Span | None) -> None:
        self.diagnostics.append(error(code, summary, detail, span=span))

    def settle(self) -> None:
        """End a stage: raises Refused with every error so far, if there is one."""
        errors = [d for d in self.diagnostics if d.is_error]
        if not errors:
            return
        found = self._told(errors)
        if len(found) > MOST_SHOWN:
            rest = error("config.more", f"And {len(found) - MOST_SHOWN} more", "Fix these first, then run it again.")
            found = (*found[:MOST_SHOWN], rest)
        raise Refused(found)

    def warnings(self) -> tuple[Diagnostic, ...]:
        return self._told([d for d in self.diagnostics if not d.is_error])

    def snippet(self, span: Span) -> str | None:
        source = self.sources.get(span.file)
        return source.snippet(span) if source else None

    def _told(self, diagnostics: Sequence[Diagnostic]) -> tuple[Diagnostic, ...]:
        """In the order of files and lines, each once (not again for every instance), with its source line."""
        ordered = sorted({_place(d): d for d in reversed(diagnostics)}.values(), key=_place)
        return tuple(replace(d, snippet=self.snippet(d.span)) if d.span else d for d in ordered)


def suggest(written: str, names: Iterable[str], otherwise: str = "") -> str:
    """`Did you mean X?` with the nearest of `names`, capitals or not, or `otherwise`."""
    known = {name.lower(): name for name in names}
    near = get_close_matches(written[:200].lower(), known, n=1, cutoff=0.6)
    return f"Did you mean {known[near[0]]}?" if near else otherwise


def quote(text: str) -> str:
    """`"text"`, shortened and safe to print."""
    short = text if len(text) <= _LONGEST_QUOTED else text[: _LONGEST_QUOTED - 3] + "..."
    return '"' + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in short).replace('"', r"\"") + '"'


def spell_list(names: Iterable[str], last: str = "and") -> str:
    """`a, b and c`"""
    words = list(names)
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def _place(diagnostic: Diagnostic) -> tuple[str, int, int, str, str]:
    span = diagnostic.span
    where = (span.file, span.line, span.column) if span else ("", 0, 0)
    return (*where, diagnostic.code, diagnostic.summary)
