"""The one place where configuration is read from disk: bounded, in name order, nothing interpreted."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from reconciler.model.diagnostic import Diagnostic, Refused, error

MAX_BYTES = 16 * 1024 * 1024
"""A larger file is refused: ten thousand resources of eight lines take about 3 MiB."""

_SUFFIXES = (".yaml", ".yml")


class SourceFile(NamedTuple):
    """A file as it was read. `name` is how diagnostics show it; `data` is cut off one byte beyond MAX_BYTES."""

    name: str
    data: bytes


def read_directory(directory: Path) -> tuple[SourceFile, ...]:
    """Every `*.yaml` and `*.yml` directly in `directory`, by name. Hidden files and sub-directories are left alone.

    Raises Refused: `config.none-found`, `config.unreadable` for every file that can't be read.
    """
    try:
        paths = sorted(path for path in directory.iterdir() if _is_configuration(path))
    except OSError as problem:
        raise Refused([_unreadable(str(directory), problem)]) from None
    if not paths:
        raise Refused(
            [
                error(
                    "config.none-found",
                    f"There is no configuration in {directory}",
                    "A configuration is one or more .yaml files in one directory. Choose the directory with -C, or "
                    "run init to write a first one.",
                )
            ]
        )
    files: list[SourceFile] = []
    problems: list[Diagnostic] = []
    for path in paths:
        try:
            files.append(SourceFile(path.name, read_file(path, str(path)).data))
        except Refused as refused:
            problems += refused.diagnostics
    if problems:
        raise Refused(problems)
    return tuple(files)


def named(path: Path) -> str:
    """What diagnostics call a file that isn't one of the configuration's own, which have names without a directory."""
    return str(path) if path.name != str(path) else f"./{path}"


def read_file(path: Path, shown: str) -> SourceFile:
    """The file at `path`, called `shown` in diagnostics. Raises Refused: `config.unreadable`."""
    try:
        with path.open("rb") as file:
            return SourceFile(shown, file.read(MAX_BYTES + 1))
    except OSError as problem:
        raise Refused([_unreadable(shown, problem)]) from None


def _is_configuration(path: Path) -> bool:
    # A dangling link counts as configuration, so that it is reported and not passed over in silence.
    hidden = path.name.startswith(".")
    return path.suffix in _SUFFIXES and not hidden and (path.is_file() or not path.exists())


def _unreadable(shown: str, problem: OSError) -> Diagnostic:
    reason = (problem.strerror or "it can't be read").lower()
    return error("config.unreadable", f"{shown} can't be read: {reason}", "Check the path and its permissions.")
