"""Declarative reconciler for the OAuth side of MCP servers.

    YAML ─ config ─▶ desired ─┐
    store ─────────▶ recorded ┼─ graph, diff, plan ─▶ Plan ─ apply ─▶ new snapshot
    provider ──────▶ observed ┘        (pure)        (a file)   (walks its steps)

`pipeline` tells this story on one page.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
