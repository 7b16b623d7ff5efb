"""Reads and rewrites the files of cases in this directory.

A case is a name after `=== `, the files of a configuration after `--- NAME` each, what else is said (`--- -var NAME`,
`--- -var-file NAME`, `--- environment NAME`), and after `--- refused` what the user is told.
A file called `NAME (escaped)` is written with Python's escapes, for bytes that no editor shows.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reconciler.config.files import SourceFile
from reconciler.config.loader import load
from reconciler.config.variables import Inputs
from reconciler.model.diagnostic import Diagnostic, Refused

_ESCAPED = " (escaped)"
_REFUSED = "refused"


class Case(NamedTuple):
    path: Path
    name: str
    parts: tuple[tuple[str, str], ...]
    refused: str

    @property
    def files(self) -> list[SourceFile]:
        return [_file(name, text) for name, text in self.parts if not name.startswith(("-var", "environment "))]

    @property
    def inputs(self) -> Inputs:
        def said(prefix: str) -> list[tuple[str, str]]:
            return [(name.removeprefix(prefix), text) for name, text in self.parts if name.startswith(prefix)]

        return Inputs(
            variables={name: text.rstrip("\n") for name, text in said("-var ")},
            files=tuple(_file(name, text) for name, text in said("-var-file ")),
            environment={name: text.rstrip("\n") for name, text in said("environment ")},
        )

    def outcome(self) -> str:
        """What the user is told."""
        try:
            load(self.files, self.inputs)
        except Refused as refused:
            return "".join(map(tell, refused.diagnostics))
        return "nothing is wrong\n"


def tell(diagnostic: Diagnostic) -> str:
    lines = [f"{diagnostic.span or '-'}: {diagnostic.code}: {diagnostic.summary}"]
    if diagnostic.span is not None:
        span, snippet = diagnostic.span, diagnostic.snippet or ""
        end = span.end_column if span.end_line == span.line else len(snippet) + 1
        lines.append(f"  | {snippet}".rstrip())
        lines.append(f"  | {' ' * (span.column - 1)}{'^' * max(1, end - span.column)}")
    if diagnostic.detail:
        lines.append(f"  {diagnostic.detail}")
    return "\n".join(lines) + "\n"


def read_cases(path: Path) -> list[Case]:
    cases = []
    for text in path.read_text("utf-8").split("=== ")[1:]:
        name, *parts = text.split("\n--- ")
        pairs = [tuple(part.split("\n", 1)) if "\n" in part else (part, "") for part in parts]
        named = [(str(title), str(body).rstrip("\n") + "\n" if body else "") for title, body in pairs]
        refused = next((body for title, body in named if title == _REFUSED), "")
        cases.append(Case(path, name.strip(), tuple(p for p in named if p[0] != _REFUSED), refused))
    return cases


def rewrite(path: Path) -> None:
    """Make every case of the file expect what comes out now."""
    told = []
    for case in read_cases(path):
        parts = "".join(f"--- {title}\n{body}" for title, body in case.parts)
        told.append(f"=== {case.name}\n{parts}--- {_REFUSED}\n{case.outcome()}")
    path.write_text("\n".join(told), "utf-8")


def _file(name: str, text: str) -> SourceFile:
    if name.endswith(_ESCAPED):
        data = text.removesuffix("\n").encode("latin-1", "backslashreplace").decode("unicode_escape")
        return SourceFile(name.removesuffix(_ESCAPED), data.encode("latin-1"))
    return SourceFile(name, text.encode())
