"""The terminal, or whatever stands in its place: what it can show, and writing to it without ever failing a run."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from reconciler.render.page import Page


class Screen:
    """An output stream with the page it makes. A reader that went away (`| head`) must not stop an apply."""

    def __init__(self, stream: TextIO | None, page: Page) -> None:
        self._stream = stream
        self.page = page
        self.trouble: OSError | None = None

    def write(self, text: str, end: str = "\n") -> None:
        if self._stream is None or self.trouble is not None:
            return
        try:
            self._stream.write(text + end)
            self._stream.flush()
        except OSError as problem:
            self.trouble = problem

    @property
    def is_terminal(self) -> bool:
        return self._stream is not None and _is_terminal(self._stream)


def open_screen(
    stream: TextIO | None, environment: Mapping[str, str], no_color: bool, directory: Path = Path()
) -> Screen:
    """`directory` is where the configuration is, seen from where the command was typed.

    Colour: never with -no-color or NO_COLOR, else with FORCE_COLOR, else on a terminal (no-color.org)."""
    if stream is None:
        return Screen(None, Page())
    with contextlib.suppress(AttributeError, ValueError, OSError):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[attr-defined]
    terminal = _is_terminal(stream)
    width = shutil.get_terminal_size((80, 24)).columns if terminal or environment.get("COLUMNS") else None
    colour = terminal and environment.get("TERM") != "dumb"
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        colour = True
    if no_color or environment.get("NO_COLOR"):
        colour = False
    folder = "" if directory == Path() else str(directory)
    return Screen(stream, Page(width, colour, (stream.encoding or "").lower().startswith("utf"), folder))


def quiet_exit(stream: TextIO | None) -> None:
    """Keep the interpreter from complaining, on its way out, about a stream that nobody reads any more."""
    if stream is None:
        return
    try:
        stream.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:
        return False
