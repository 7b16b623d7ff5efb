"""The command line as Terraform's users type it, turned into the one form that the parser knows.

Terraform spells long options with one dash (`-out=p.json`, `-refresh=false`); two dashes mean the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_LONG = re.compile(r"-(?P<name>[a-z][a-z-]+)(?P<rest>=.*)?", re.DOTALL)
_SWITCH = re.compile(r"--(?P<name>[a-z][a-z-]+)=(?P<value>true|false)", re.IGNORECASE)
VALUED_WITH_TEXT = {
    *("--adopt", "--allow", "--base", "--db", "--file", "--from", "--id", "--junit", "--out", "--prometheus"),
    *("--sarif", "--shard", "--to", "--token", "--var", "--var-file", "--workspaces", "--world"),
}
"""Options whose value may itself look like a switch's (`-out=true` is a file)."""


def normalised(arguments: Iterable[str]) -> list[str]:
    """One dash made two; `--switch=true` made `--switch`, `--switch=false` made `--no-switch`.

    Whatever follows `--`, or is the value of an option, stays as it is.
    """
    return list(_normalised(arguments))


def _normalised(arguments: Iterable[str]) -> Iterator[str]:
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--":
            yield argument
            yield from remaining
            return
        if match := _LONG.fullmatch(argument):
            argument = f"-{argument}"
        if (match := _SWITCH.fullmatch(argument)) and f"--{match['name']}" not in VALUED_WITH_TEXT:
            argument = f"--{match['name']}" if match["value"].lower() == "true" else f"--no-{match['name']}"
        yield argument
