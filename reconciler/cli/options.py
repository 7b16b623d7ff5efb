"""The options that several verbs share, and what they mean as values."""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from reconciler.cli.console import Console, TextConsole
from reconciler.cli.files import directory
from reconciler.cli.screen import open_screen
from reconciler.config.findings import suggest
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error, exit_code
from reconciler.project import Project
from reconciler.render.formats import FORMATS

F = TypeVar("F", bound=Callable[..., Any])
_DURATION = re.compile(r"(?P<number>[0-9]+(?:\.[0-9]+)?)(?P<unit>ms|s|m|h)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, None: 1.0}


class Duration(click.ParamType[float]):
    """`30s`, `5m`, or a number of seconds, of which there are at most `most`."""

    name = "duration"

    def __init__(self, most: float = 86_400.0) -> None:
        self._most = most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        match = _DURATION.fullmatch(str(value))
        if match is None:
            self.fail(f'"{value}" is not a duration; one looks like 30s or 5m.', param, ctx)
        seconds = float(match["number"]) * _SECONDS[match["unit"]]
        if seconds > self._most:
            self.fail(f'"{value}" is too long a duration; {self._most:.0f}s is the longest.', param, ctx)
        return seconds


class Whole(click.ParamType[int]):
    """A whole number within bounds."""

    name = "number"

    def __init__(self, least: int, most: int | None = None) -> None:
        self._least, self._most = least, most

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        number = int(value) if re.fullmatch("[0-9]{1,18}", str(value)) else -1
        if not self._least <= number <= (number if self._most is None else self._most):
            bounds = f"of at least {self._least}" if self._most is None else f"from {self._least} to {self._most}"
            self.fail(f'"{value}" is not a whole number {bounds}.', param, ctx)
        return number


class OneOf(click.Choice[str]):
    """One of several words."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return f"{super().get_invalid_choice_message(value, ctx)} {suggest(str(value), self.choices)}".rstrip()


class AddressType(click.ParamType[Address]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        try:
            return Address.parse(str(value))
        except ValueError as problem:
            self.fail(f"{problem}.", param, ctx)


class Switch(click.Option):
    """An on/off option that also has its opposite; help shows the way to turn it from what it is by default."""

    def __init__(self, name: str, default: bool, told: str, parameter: str | None = None) -> None:
        self._shown = f"--{name}=false" if default else f"--{name}"
        names = [f"--{name}/--no-{name}", *([parameter] if parameter else [])]
        super().__init__(names, is_flag=True, default=default, help=told)

    def get_help_record(self, ctx: click.Context) -> tuple[str, str]:
        return self._shown, self.help or ""


def switch(name: str, told: str, default: bool = False, parameter: str | None = None) -> Callable[[F], F]:
    """Adds the option `--name` to a command, whose parameter may have another name."""

    def add(function: F) -> F:
        parameters = function.__dict__.setdefault("__click_params__", [])
        parameters.append(Switch(name, default, told, parameter))
        return function

    return add


def composed(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    return lambda function: functools.reduce(lambda inner, decorate: decorate(inner), reversed(decorators), function)


screen_options: Callable[[F], F] = composed(
    switch("no-color", "No colour, whatever the terminal can do."),
    switch("compact-warnings", "Warnings as one line each."),
)
format_option: Callable[[F], F] = click.option(
    "--format", "report_format", type=OneOf(FORMATS), help="How to write the report; text if omitted."
)
json_option: Callable[[F], F] = switch("json", "JSON for programs, instead of text for people.")
project_options: Callable[[F], F] = composed(
    click.option("--var", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable. Repeatable."),
    click.option(
        "--var-file", "variable_files", multiple=True, metavar="FILE", help="Read variables from YAML. Repeatable."
    ),
)
lock_options: Callable[[F], F] = composed(
    switch("lock", "Don't hold the lock of the state. Dangerous.", default=True),
    click.option("--lock-timeout", type=Duration(), default="0s", metavar="30s", help="How long to wait for the lock."),
)


def reporting(function: Callable[..., int | None]) -> Callable[..., None]:
    """Gives a verb its console, and turns a refusal into diagnostics and their exit code."""

    @click.pass_context
    @functools.wraps(function)
    def run(ctx: click.Context, /, **flags: Any) -> None:
        console = _console(flags)
        try:
            code = function(console, **flags) or 0
        except Refused as refused:
            console.diagnose(dict.fromkeys(refused.diagnostics))
            code = exit_code(refused.diagnostics) or 1
        ctx.exit(console.closing(code))

    return run


def _console(flags: dict[str, Any]) -> Console:
    no_color, compact = flags.pop("no_color", False), flags.pop("compact_warnings", False)
    form = flags.pop("report_format", None) or "text"
    out, err = (open_screen(stream, os.environ, no_color, directory()) for stream in (sys.stdout, sys.stderr))
    if form != "text":
        if flags.get("json"):
            raise click.UsageError("-json and -format exclude each other.")
        from reconciler.cli.report_console import ReportConsole

        return ReportConsole(out, err, compact, form)
    if flags.get("json"):
        from reconciler.cli.json_console import JsonConsole

        return JsonConsole(out, err)
    return TextConsole(out, err, compact)


def project_of(flags: Mapping[str, Any]) -> Project:
    """The configuration in the current directory, with the variables of the command line and the environment."""
    given: dict[str, str] = {}
    for text in flags.get("variables", ()):
        name, equals, value = text.partition("=")
        if not equals or not name:
            summary = f'-var takes NAME=VALUE, not "{text}"'
            raise Refused([error("config.variable-option", summary, "One looks like -var domain=example.com.")])
        given[name] = value
    files = tuple(Path(name) for name in flags.get("variable_files", ()))
    return Project(directory(), given, files, os.environ)
