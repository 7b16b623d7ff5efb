from __future__ import annotations

import errno
import io
from collections.abc import Callable
from functools import partial

import pytest

from reconciler.cli.console import Console, TextConsole
from reconciler.cli.json_console import JsonConsole
from reconciler.cli.screen import Screen, open_screen
from reconciler.render.page import Page


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "no_color", "colour"),
    [
        ({}, False, True),
        ({}, True, False),
        ({"NO_COLOR": "1"}, False, False),
        ({"NO_COLOR": ""}, False, True),
        ({"TERM": "dumb"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
    ],
)
def test_colour_on_a_terminal_unless_somebody_objects(
    environment: dict[str, str], no_color: bool, colour: bool
) -> None:
    assert open_screen(Terminal(), environment, no_color).page.colour is colour


@pytest.mark.parametrize(
    ("environment", "colour"), [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "0"}, False)]
)
def test_no_colour_in_a_pipe_unless_it_is_forced(environment: dict[str, str], colour: bool) -> None:
    assert open_screen(io.StringIO(), environment, False).page == Page(None, colour, unicode=False)


def test_a_reader_that_went_away_is_no_failure() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    screen = Screen(Broken(), Page())
    screen.write("x")
    screen.write("y")
    assert isinstance(screen.trouble, BrokenPipeError)


@pytest.mark.parametrize("kind", [JsonConsole, partial(TextConsole, compact_warnings=False)])
def test_output_that_could_not_be_written_is_told_where_it_can_be(kind: Callable[[Screen, Screen], Console]) -> None:
    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    err = io.StringIO()
    console = kind(Screen(Full(), Page()), Screen(err, Page()))
    console.out.write("x")
    assert console.closing(0) == 1
    assert "The output could not be written: No space left on device" in err.getvalue()


def test_a_closed_stream_takes_everything() -> None:
    screen = open_screen(None, {}, False)
    screen.write("x")
    assert not screen.is_terminal


def test_what_the_stream_can_not_encode_is_spelled_out() -> None:
    raw = io.BytesIO()
    screen = open_screen(io.TextIOWrapper(raw, "ascii"), {}, False)
    screen.write("naïve")
    assert raw.getvalue() == b"na\\xefve\n" and not screen.page.unicode


def test_a_long_wait_is_told_once_where_no_line_can_be_written_over_again() -> None:
    out, err = Screen(io.StringIO(), Page()), io.StringIO()
    console = TextConsole(out, Screen(err, Page()), compact_warnings=False)
    for elapsed in (1.0, 2.0, 3.0, 4.0):
        console.wait("Observing the org", elapsed)
    console.wait("Finding out", 3.0)
    assert err.getvalue() == "Observing the org...\nFinding out...\n"
