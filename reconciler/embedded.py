"""The sandbox inside this program, with the world that the configuration names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reconciler.config.settings import SandboxSettings
from reconciler.model.diagnostic import Refused, error

if TYPE_CHECKING:
    from reconciler.sandbox.app import Sandbox
    from reconciler.sandbox.world import World


def open_sandbox(settings: SandboxSettings, directory: Path, database: Path) -> Sandbox:
    """`directory` is that of the configuration. Raises Refused for a database or a world that can't be used."""
    from reconciler.sandbox.app import create_app
    from reconciler.sandbox.options import SandboxOptions

    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        told = f"The directory {database.parent} can't be made: {problem.strerror}"
        raise Refused([error("sandbox.unwritable", told, "The embedded sandbox keeps its objects there.")]) from None
    options = SandboxOptions(
        db=str(database),
        world=_world(directory, settings.world) if settings.world else None,
        settle_seconds=settings.settle_seconds,
        rate_limit=settings.rate_limit,
    )
    return create_app(options)


def _world(directory: Path, name: str) -> World:
    from reconciler.sandbox.world import read_world

    try:
        text = (directory / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        told = f"The world file {name} can't be read: {problem}"
        raise Refused([error("config.world", told, "provider.sandbox.world names it.")]) from None
    return read_world(text, name)
