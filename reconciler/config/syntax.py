"""The C parser's complaints in the user's words."""

from __future__ import annotations

from yaml import MarkedYAMLError

from reconciler.config.findings import Findings
from reconciler.config.located import Source

_QUOTES = "Text that has a colon and a space in it, or starts with a punctuation mark, needs quotes"
_WORDS: dict[str, tuple[str, str]] = {
    "mapping values are not allowed": ("A colon can't stand here", f"Check the indentation. {_QUOTES}."),
    "block sequence entries are not allowed": ("A list item can't start here", "Start it on its own line."),
    "did not find expected key": (
        "This can't stand here",
        "Check the indentation: keys of one block start in the same column.",
    ),
    "did not find expected '-' indicator": (
        "A list item is expected here",
        "Check the indentation: items of one list start in the same column.",
    ),
    "did not find expected ',' or ']'": ("The list isn't closed before this", "Add the missing comma or ]."),
    "did not find expected ',' or '}'": ("The block in braces isn't closed before this", "Add the missing comma or }."),
    "could not find expected ':'": ("There is no colon after the key", "Write key: value."),
    "found unexpected end of stream": ("The file ends inside a quoted text", "Add the missing quote."),
    "found unexpected document indicator": ("The quoted text isn't closed before this", "Add the missing quote."),
    "found unknown escape character": (
        "This escape doesn't exist",
        "Write \\\\ for a backslash, or use single quotes.",
    ),
    "did not find expected hexdecimal number": (
        "This escape is not complete",
        "Write \\\\ for a backslash, or use single quotes.",
    ),
    "invalid Unicode character escape": ("This escape is not a character", "Remove it."),
    "did not find expected <document start>": (
        "Nothing can follow here",
        f"Check the indentation and the quotes before this. {_QUOTES}.",
    ),
    "did not find expected node content": ("A value is expected here", _QUOTES + "."),
    "found a tab character": ("A tab can't indent", "Use spaces."),
    "duplicate %": ("A directive is written twice", "Remove it."),
    "found incompatible YAML document": ("This file asks for another version of YAML", "Files are YAML 1.2."),
    "undefined tag handle": ("Tags are not supported", "Write the value itself."),
    "found unknown directive": ("This directive is unknown", "Remove the line."),
}


def explain_syntax(problem: MarkedYAMLError, source: Source, findings: Findings) -> None:
    """Report what stopped the parser, where it stopped."""
    mark = problem.problem_mark or problem.context_mark
    at = min(getattr(mark, "index", 0), len(source.text))
    words = f"{problem.problem or ''} {problem.context or ''}"
    span = source.span(at, at + 1) if source.text[at : at + 1] not in ("", "\n", "\r") else source.span(at, 0)
    summary, detail = _tell(words, source, at)
    if "flow" in (problem.context or "") and "${" in source.line(span.line):
        detail += " A ${...} inside brackets or braces needs quotes."
    opened = problem.context_mark
    if opened is not None and opened.line + 1 < span.line:
        detail += f" It starts in line {opened.line + 1}."
    findings.error("config.syntax", summary, detail, span)


def _tell(words: str, source: Source, at: int) -> tuple[str, str]:
    character = source.text[at : at + 1]
    if "cannot start any token" in words:
        return ("A tab can't indent", "Use spaces.") if character == "\t" else _explain_start(character)
    if "flow" in words and not source.text[at:].strip():
        return "The file ends inside brackets or braces", "Add the missing ] or }."
    if "did not find expected key" in words and source.text[:at].rpartition("\n")[2].strip():
        return "Nothing can stand here, after the value", f"{_QUOTES}: all of it."
    for said, told in _WORDS.items():
        if said in words:
            return told
    return "This is not YAML", f"{words.partition(' while ')[0].capitalize()}."


def _explain_start(character: str) -> tuple[str, str]:
    return f"A value can't start with {character}", "Put it in quotes."
