"""`reconciler sandbox serve|reset`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler import pipeline
from reconciler.cli.console import Console
from reconciler.cli.files import read_bytes
from reconciler.cli.options import Duration, Whole, project_of, project_options, reporting, screen_options
from reconciler.model.diagnostic import Refused, error


@click.group("sandbox")
def command() -> None:
    """The emulated Okta API: as a server of its own, or embedded in this program."""


@command.command("serve")
@click.option(
    "--port", type=Whole(0, 65535), default=0, metavar="NUMBER", help="Port on 127.0.0.1; 0 (default) picks a free one."
)
@click.option("--db", default=":memory:", metavar="FILE", help="Its database; in memory if omitted.")
@click.option("--world", metavar="FILE", help="The world file: the foreign hosts it plays.")
@click.option("--token", default="sandbox", show_default=True, help="The API token it accepts.")
@click.option(
    "--settle-seconds", type=Duration(600), default=0.2, metavar="0.2", help="How long registration takes, in seconds."
)
@click.option(
    "--rate-limit", type=Whole(0), default=0, metavar="NUMBER", help="Requests a minute for each path; 0: no limit."
)
@screen_options
@reporting
def serve(console: Console, port: int, world: str | None, **options: Any) -> None:
    """Serve the sandbox until interrupted. The first line says where it listens."""
    from reconciler.sandbox.app import create_app
    from reconciler.sandbox.options import SandboxOptions
    from reconciler.sandbox.serve import serve as run
    from reconciler.sandbox.world import read_world

    played = read_world(read_bytes(world).decode("utf-8", "replace"), world) if world else None
    app = create_app(SandboxOptions(world=played, **options))
    run(app, port, lambda url: console.note(f"listening on {url}"))


@command.command("reset")
@project_options
@screen_options
@reporting
def reset(console: Console, **flags: Any) -> None:
    """Empty the embedded sandbox of this workspace. The state is not touched."""
    path = pipeline.home_of(project_of(flags)).sandbox
    if path is None:
        detail = "What is in an org is removed by `reconciler destroy`."
        raise Refused([error("sandbox.not-embedded", "This configuration is for an org, not for the sandbox", detail)])
    found = [candidate for suffix in ("", "-wal", "-shm") if (candidate := Path(f"{path}{suffix}")).exists()]
    try:
        for file in found:
            file.unlink()
    except OSError as problem:
        told = f"{path} can't be removed: {problem.strerror}"
        raise Refused([error("file.unwritable", told, "Make sure that its directory can be written.")]) from None
    console.note(f"Emptied {path}." if found else "The embedded sandbox is empty already.")
