"""What is wrong (or noteworthy), where, and what to do about it: the one form in which a user is told anything."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Final

from reconciler.model.address import Address


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a source file. Lines and columns count from 1, columns in characters; the end is exclusive."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@dataclass(frozen=True, slots=True)
class Cause:
    """What several diagnostics may have in common, so that people need be told only once. `told` and `advice` are
    summary and detail without what this one is about; that is `item`, a line in a list under `head`."""

    told: str
    item: str
    advice: str = ""
    head: str = "What couldn't be done because of it:"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message to the user.

    `summary` says what is wrong in the user's words, `detail` what to do. `code` is stable, for machines:
    `family.what` (`config.unknown-key`); its family decides the exit code. `snippet` is the source line of `span`.
    """

    severity: Severity
    code: str
    summary: str
    detail: str = ""
    span: Span | None = None
    address: Address | None = None
    snippet: str | None = None
    cause: Cause | None = None

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


EXIT_CODES = {
    "config": 10,
    "auth": 11,
    "guard": 12,
    "policy": 12,
    "lock": 13,
    "stale": 14,
    "apply": 15,
    "gate": 16,
    "verify": 17,
}
"""Exit code by the family of a diagnostic's code; any other family exits 1."""


class Refused(Exception):
    """Raised with every reason why the work can't go on; carries diagnostics, at least one of them an error."""

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        super().__init__("; ".join(diagnostic.summary for diagnostic in self.diagnostics))


error: Final = partial(Diagnostic, Severity.ERROR)
warning: Final = partial(Diagnostic, Severity.WARNING)


def exit_code(diagnostics: Iterable[Diagnostic]) -> int:
    """0 without an error; else the code of the first error whose family has one of its own, else 1."""
    families = [diagnostic.code.partition(".")[0] for diagnostic in diagnostics if diagnostic.is_error]
    if not families:
        return 0
    return next((EXIT_CODES[family] for family in families if family in EXIT_CODES), 1)
