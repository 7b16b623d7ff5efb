"""`reconciler workspace list|new|select|show`"""

from __future__ import annotations

import click


@click.group("workspace")
def command() -> None:
    """Workspaces: several states, and embedded sandboxes, of one configuration."""
