"""Diagnostics as people read them: what is wrong, the source line underlined, what to do."""

from __future__ import annotations

from collections.abc import Iterable

from reconciler.model.diagnostic import Diagnostic, Span
from reconciler.render.page import Page, listing, safe, safe_lines

_MOST = 20
"""Lines of what has one cause."""
_FRAMES = {True: ("╷", "│ ", "╵"), False: (",", "| ", "'")}


def render_diagnostic(diagnostic: Diagnostic, page: Page) -> str:
    """A framed message, as Terraform's. A location (`file:line:column`) is never broken across lines."""
    top, side, bottom = (page.paint(part, _colour(diagnostic)) for part in _FRAMES[page.unicode])
    label = "Error: " if diagnostic.is_error else "Warning: "
    head = page.wrap(label + safe(page.located(diagnostic.summary)), indent=2)
    lines = [page.paint(head[0][: len(label)], "bold", _colour(diagnostic)) + page.paint(head[0][len(label) :], "bold")]
    lines += [page.paint(line, "bold") for line in head[1:]]
    place = _place(diagnostic, page)
    if place:
        lines += ["", *place]
    if diagnostic.detail:
        lines += ["", *page.wrap(safe_lines(page.located(diagnostic.detail)), indent=2)]
    return "\n".join([top, *((side + line).rstrip() for line in lines), bottom])


def render_diagnostics(diagnostics: Iterable[Diagnostic], page: Page, compact_warnings: bool = False) -> str:
    """All of them, errors last so that they are what a reader ends on; warnings in one line each when compact. What has
    the same cause is told once."""
    given = folded(diagnostics)
    warnings = [d for d in given if not d.is_error]
    errors = [d for d in given if d.is_error]
    parts = [render_diagnostic(d, page) for d in ([] if compact_warnings else warnings)]
    if compact_warnings and warnings:
        rows = [f"- {safe(d.summary)}{page.located(f' ({d.span})') if d.span else ''}" for d in warnings]
        parts.append("\n".join([page.paint("Warnings:", "bold", "yellow"), "", *rows]))
    return "\n".join(parts + [render_diagnostic(d, page) for d in errors])


def folded(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Those of one cause as one diagnostic, in the place of the first: all they are about, and what to do about it."""
    groups: dict[object, list[Diagnostic]] = {}
    for index, diagnostic in enumerate(diagnostics):
        cause = diagnostic.cause
        groups.setdefault((diagnostic.code, cause.told) if cause else index, []).append(diagnostic)
    return [_folded(group) if len(group) > 1 else group[0] for group in groups.values()]


def _folded(group: list[Diagnostic]) -> Diagnostic:
    causes = [diagnostic.cause for diagnostic in group if diagnostic.cause]
    items = list(dict.fromkeys(cause.item for cause in causes))
    more = [f"  and {len(items) - _MOST} more"] if len(items) > _MOST else []
    lines = [causes[0].head, *(f"  {item}" for item in items[:_MOST]), *more, causes[0].advice]
    detail = "\n".join(filter(None, lines))
    return Diagnostic(group[0].severity, group[0].code, causes[0].told, detail)


def one_line(diagnostics: Iterable[Diagnostic]) -> str:
    """Their summaries in one line, for a place that has no room for more."""
    return listing([safe(diagnostic.summary) for diagnostic in diagnostics], limit=2)


def _colour(diagnostic: Diagnostic) -> str:
    return "red" if diagnostic.is_error else "yellow"


def _place(diagnostic: Diagnostic, page: Page) -> list[str]:
    span, address = diagnostic.span, diagnostic.address
    if span is None:
        return [f"  with {safe(address)}"] if address and address not in diagnostic.summary else []
    lines = [f"  on {safe(page.located(str(span)))}{f', in {safe(address)}:' if address else ':'}"]
    if diagnostic.snippet is not None:
        lines += _underlined(diagnostic.snippet.rstrip("\r\n"), span, page)
    return lines


def _underlined(source: str, span: Span, page: Page) -> list[str]:
    """The source line and a line of carets below the span; of a long line only the part around the span."""
    gutter = f"{span.line:>4}: "
    room = 100 if page.width is None else max(8, page.width - len(gutter) - 2)
    start = min(span.column - 1, len(source))
    end = min(span.end_column - 1, len(source)) if span.end_line == span.line else len(source.rstrip())
    first = 0 if len(source) <= room else max(0, min(start - room // 3, len(source) - room))
    last = min(len(source), first + room)
    before, marked, after = (safe(source[a:b]) for a, b in ((first, start), (start, min(end, last)), (end, last)))
    indent, carets = len(before), "^" * max(1, len(marked))
    if not page.colour:
        # Put together again, harmless parts may make a runner's command (see `safe`).
        before, marked, after = safe(before + marked + after), "", ""
    return [
        page.paint(gutter, "dim") + before + page.paint(marked, "bold") + after,
        " " * (len(gutter) + indent) + page.paint(carets, _CARET_COLOUR),
    ]


_CARET_COLOUR = "red"
