"""Where the program starts: it finds the verb, and turns whatever goes wrong into a message and an exit code."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import traceback
from collections.abc import Sequence
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from reconciler import __version__
from reconciler.cli.arguments import normalised
from reconciler.cli.screen import open_screen, quiet_exit
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.render.diagnostic_text import render_diagnostic

INTERRUPTED = 130
_UNFINISHED = (
    "If anything was changed, it is recorded or in the journal: the next run finds out, and goes on from there."
)
_DIRECTORY = {"-C", "--chdir", "--directory"}
VERBS = {
    "init": "Write a small commented configuration into an empty directory.",
    "validate": "Check the configuration without looking at any live system.",
    "fmt": "Rewrite the configuration in the canonical format.",
    "plan": "Show what apply would change, and save it with -out.",
    "diff": "Compare the meaning of two revisions or directories, offline.",
    "review": "Post what would change to the pull request or merge request.",
    "apply": "Make the live system match the configuration, or perform a saved plan.",
    "destroy": "Unmake everything recorded in this workspace.",
    "check": "Probe whether MCP servers and authorization servers are ready, without a plan.",
    "explain": "Say what a check looks at, why, and how to mend what it finds.",
    "drift": "Show what no longer agrees with what was recorded, and the way back.",
    "adopt": "Take over what was not made from here: list it, or describe and record it.",
    "show": "Show the state, or a saved plan.",
    "graph": "Draw what needs what, or the steps of the current plan.",
    "state": "Look at the recorded resources, or correct the record.",
    "workspace": "List, make and select workspaces.",
    "resolve": "Say what became of a resource, where an interrupted apply left it unclear.",
    "force-unlock": "Remove the lock that a dead run left behind.",
    "sandbox": "Serve the emulated Okta API, or empty the embedded one.",
    "schema": "Print a JSON Schema: config, plan, state, events, world or workspaces.",
    "completion": "Print the completion script for bash, zsh or fish.",
    "version": "Show the version.",
}
ELSEWHERE = {
    "import": "An `import:` block in the configuration adopts one object, and `reconciler adopt` what there is.",
    "refresh": "`reconciler apply -refresh-only` records what has changed outside.",
    "taint": "`reconciler apply -replace=ADDRESS` makes a resource anew.",
    "untaint": "Nothing is ever marked; `reconciler plan -replace=ADDRESS` asks for one replacement.",
    "unlock": "`reconciler force-unlock ID` removes a lock.",
    "rollback": "`reconciler state rollback -to SERIAL` puts an older state back.",
    "migrate": "`reconciler state migrate -to STORE` copies the state to another store.",
    "repair": "`reconciler state repair` mends a damaged state.",
    "serve": "`reconciler sandbox serve` serves the emulated API.",
}
"""What people type who know other tools, and where that is here."""


class Verbs(click.Group):
    """The verbs, each loaded only when it is called for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"reconciler.cli.{cmd_name.replace('-', '_')}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in VERBS and not args[0].startswith("-"):
            near = get_close_matches(args[0], VERBS, n=1)
            way = ELSEWHERE.get(args[0]) or (f"Did you mean {near[0]}?" if near else "")
            raise click.UsageError(f'There is no command "{args[0]}". {way}'.rstrip(), ctx)
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as problem:
            problem.ctx = problem.ctx or ctx
            raise

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        from click.shell_completion import CompletionItem

        verbs = [CompletionItem(verb, help=told) for verb, told in VERBS.items() if verb.startswith(incomplete)]
        return verbs + click.Command.shell_complete(self, ctx, incomplete)


def _found(ctx: click.Context, parameter: click.Parameter, directory: str | None) -> str | None:
    if directory is not None and not Path(directory).is_dir():
        why = "it is not a directory" if Path(directory).exists() else "there is no such directory"
        raise click.UsageError(f'"{directory}" can\'t be entered: {why}.', ctx)
    return directory


def _version(ctx: click.Context, parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"reconciler {__version__}")
        ctx.exit()


@click.group(cls=Verbs, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-C",
    "directory",
    metavar="DIR",
    callback=_found,
    help="The configuration's directory; FILEs still count from here.",
)
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="Show the version.")
@click.pass_context
def verbs(ctx: click.Context, directory: str | None) -> None:
    """Describe MCP servers and their OAuth in YAML; plan, review and apply the changes.

    Every long option may be written with one dash or two: -out=p.json, --out p.json.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program with `arguments` (default: the process's own); the exit code."""
    _quicken()
    given = normalised(sys.argv[1:] if arguments is None else arguments)
    try:
        code = verbs.main(args=given, prog_name="reconciler", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.UsageError as problem:
        return _complain(_usage(problem, given))
    except click.ClickException as problem:
        return _complain(error("usage.invalid", problem.format_message()))
    except (KeyboardInterrupt, click.Abort):
        _complain(error("run.interrupted", "Interrupted", _UNFINISHED))
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    except Exception as problem:
        return _complain(_internal(problem))
    finally:
        quiet_exit(sys.stdout)
        quiet_exit(sys.stderr)


def _quicken() -> None:
    """What a short-lived program can do without: pydantic looking through every installed package for plugins, and
    garbage collections while a configuration is read, which find none in what all stays in use, or at the end, when
    all of it goes anyway."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    gc.set_threshold(100_000, 20, 20)
    atexit.register(gc.freeze)


def _usage(problem: click.UsageError, given: Sequence[str]) -> Diagnostic:
    ctx = problem.ctx
    path = " ".join(filter(None, [ctx.command_path, ctx.invoked_subcommand])) if ctx else "reconciler"
    told = " ".join(problem.format_message().split())
    if isinstance(problem, click.BadOptionUsage):
        values = [argument.partition("=")[2] for argument in given if argument.startswith(f"{problem.option_name}=")]
        told = f'{problem.option_name} is true or false, not "{values[0]}".' if values else told
    if isinstance(problem, click.NoSuchOption) and problem.option_name in _DIRECTORY:
        verb = ctx.info_name if ctx and ctx.parent else "VERB"
        told += f" The directory comes before the verb: reconciler -C DIR {verb}"
    is_far = isinstance(problem, click.NoSuchCommand) and not problem.possibilities
    if ctx and isinstance(ctx.command, click.Group) and (is_far or told.startswith("Usage:")):
        instead = f', not "{problem.command_name}"' if isinstance(problem, click.NoSuchCommand) else ""
        told = f"`{path}` wants one of {', '.join(ctx.command.list_commands(ctx))} after it{instead}."
    return error("usage.invalid", told, f"`{path} --help` shows what there is.")


def _internal(problem: BaseException) -> Diagnostic:
    """Types and places only: the text of an exception from a library could carry a secret."""
    if isinstance(problem, ModuleNotFoundError) and problem.name and not problem.name.startswith("reconciler"):
        told = f"The Python package {problem.name} is missing, or not for this Python ({sys.executable})"
        return error("install.incomplete", told, "Install reconciler again, with pip and into a virtual environment.")
    frames = traceback.extract_tb(problem.__traceback__)
    last = frames[-1] if frames else None
    if isinstance(problem, OSError) and last and last.name == "echo":
        return error("output.unwritable", f"The output could not be written: {problem.strerror}")
    place = f" at {Path(last.filename).name}:{last.lineno}" if last else ""
    if os.environ.get("RECONCILER_DEBUG"):
        detail = "".join(f"{frame.filename}:{frame.lineno} in {frame.name}\n" for frame in frames)
    else:
        detail = "Please report it with what the same command prints with RECONCILER_DEBUG=1 set."
    return error("internal.error", f"internal error: {type(problem).__name__}{place}", detail)


def _complain(diagnostic: Diagnostic) -> int:
    screen = open_screen(sys.stderr, os.environ, no_color="--no-color" in sys.argv)
    screen.write(render_diagnostic(diagnostic, screen.page))
    return 1
