"""Which state follows from which event: the sandbox's own table, so that a planner's mistake can't excuse itself.

okta-api: MCP server and authorization server lifecycles (secures-ai/mcp-servers), custom authorization servers.
"""

from __future__ import annotations

from typing import Literal

Event = Literal[
    "create", "register", "reject", "activate", "deactivate", "fail", "revalidate", "detect", "vanish", "delete"
]

_REGISTERED = {
    ("", "create"): "PENDING",
    ("PENDING", "register"): "INACTIVE",
    ("PENDING", "reject"): "INVALID",
    ("INACTIVE", "reject"): "INVALID",
    ("INACTIVE", "activate"): "ACTIVE",
    ("ACTIVE", "deactivate"): "INACTIVE",
    ("ACTIVE", "fail"): "INVALID",
    ("INVALID", "revalidate"): "INACTIVE",
    ("PENDING", "delete"): "DELETED",
    ("INACTIVE", "delete"): "DELETED",
    ("INVALID", "delete"): "DELETED",
}

_DISCOVERED = {
    ("", "detect"): "ACTIVE",
    ("", "reject"): "INVALID",
    ("ACTIVE", "fail"): "INVALID",
    ("INVALID", "detect"): "ACTIVE",
    ("ACTIVE", "vanish"): "DELETED",
    ("INVALID", "vanish"): "DELETED",
}

_SWITCHED = {
    ("", "create"): "ACTIVE",
    ("INACTIVE", "activate"): "ACTIVE",
    ("ACTIVE", "activate"): "ACTIVE",
    ("ACTIVE", "deactivate"): "INACTIVE",
    ("INACTIVE", "deactivate"): "INACTIVE",
    ("INACTIVE", "delete"): "DELETED",
}
"""Custom authorization servers take a repeated activation or deactivation as done."""

TABLES: dict[str, dict[tuple[str, str], str]] = {
    "mcp_server": _REGISTERED,
    "association": _REGISTERED,
    "discovered_association": _DISCOVERED,
    "authorization_server": _SWITCHED,
    "policy": {**_SWITCHED, ("ACTIVE", "delete"): "DELETED"},
    "rule": {**_SWITCHED, ("ACTIVE", "delete"): "DELETED"},
}


def next_state(table: str, state: str, event: Event) -> str | None:
    """The state that `event` leads to from `state` ("" for what isn't there yet); None if there is no such edge."""
    return TABLES[table].get((state, event))
