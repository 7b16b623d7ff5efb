"""`reconciler fmt [-check] [FILE ...]`"""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli.console import Console
from reconciler.cli.files import directory, write_file
from reconciler.cli.options import reporting, screen_options, switch
from reconciler.config.files import SourceFile, named, read_directory, read_file
from reconciler.config.format import format_source
from reconciler.model.diagnostic import Diagnostic, Refused

_DIFFERS = 3
"""Exit code of `fmt -check`, as Terraform's."""


@click.command("fmt")
@click.argument("files", nargs=-1)
@switch("check", "Change nothing; exit 3 if a file is not in the canonical format.")
@screen_options
@reporting
def command(console: Console, files: tuple[str, ...], check: bool) -> int:
    """Rewrite configuration files in the canonical format, and name those that changed."""
    sources = (
        tuple(read_file(Path(name), named(Path(name))) for name in files) if files else read_directory(directory())
    )
    changed: list[tuple[SourceFile, bytes]] = []
    problems: list[Diagnostic] = []
    for source in sources:
        try:
            formatted = format_source(source).encode()
        except Refused as refused:
            problems += refused.diagnostics
            continue
        if formatted != source.data:
            changed.append((source, formatted))
    if problems:
        raise Refused(problems)
    for source, formatted in changed:
        path = Path(source.name) if files else directory() / source.name
        if not check:
            write_file(path, formatted)
        console.note(str(path))
    return _DIFFERS if check and changed else 0
