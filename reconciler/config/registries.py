"""Blocks proposed from what others publish of MCP servers: a registry's `server.json`, a client's `mcp.json`.

server.json: modelcontextprotocol/registry, docs/reference/server-json (`remotes` with `type` and `url`). mcp.json: the
`mcpServers` of Claude and Cursor, the `servers` of VS Code. Only servers that are reached by URL can be registered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from reconciler.config.rewriting import spelled
from reconciler.model.diagnostic import Refused, error
from reconciler.model.spec import Text, Url

_TEXT, _URL = TypeAdapter[str](Text), TypeAdapter[str](Url)


def proposed(data: bytes, name: str) -> str:
    """The YAML of a block for each server that the file names; what can't be a block is said in a comment.

    Raises Refused if it is neither sort of file.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Refused([error("adopt.unreadable", f"{name} is not a JSON object", "Give a server.json or an mcp.json.")])
    servers = list(_servers(document))
    if not servers:
        raise Refused([error("adopt.no-servers", f"{name} names no MCP server", "Give a server.json or an mcp.json.")])
    lines, taken, rest = ["mcp_servers:"], set[str](), []
    for shown, title, described, url in servers:
        if not _is_sound(_URL, url):
            rest.append(f"# {spelled(shown)} is left out: it has no https URL.")
            continue
        block = _unique(shown, taken)
        lines += [f"  {block}:", f"    resource_url: {spelled(url)}", "    registration: discovered"]
        lines += [f"    display_name: {spelled(title)}"] if _is_sound(_TEXT, title) else []
        lines += [f"    description: {spelled(described)}"] if _is_sound(_TEXT, described) else []
    return "\n".join([*(lines if taken else []), *rest]) + "\n"


def _servers(document: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any, Any]]:
    """Name, title, description and URL."""
    server = document.get("server") if isinstance(document.get("server"), dict) else document
    named = document.get("mcpServers", document.get("servers"))
    if isinstance(named, dict):
        for name, entry in named.items():
            yield name, name, None, entry.get("url") if isinstance(entry, dict) else None
    elif isinstance(server, dict) and isinstance(server.get("name"), str):
        remotes = server.get("remotes")
        urls = [r.get("url") for r in remotes if isinstance(r, dict)] if isinstance(remotes, list) else []
        for url in urls or [None]:
            title = server.get("title") or server["name"].rpartition("/")[2]
            yield server["name"].rpartition("/")[2], title, server.get("description"), url


def _is_sound(adapter: TypeAdapter[str], value: Any) -> bool:
    try:
        adapter.validate_python(value, strict=True)
    except ValidationError:
        return False
    return "{" not in value or adapter is _TEXT


def _unique(shown: str, taken: set[str]) -> str:
    word = re.sub(r"[^A-Za-z0-9_]+", "-", shown).strip("-").lower() or "server"
    word = word if re.match(r"[A-Za-z_]", word) else f"_{word}"
    name, number = word, 2
    while name in taken:
        name, number = f"{word}-{number}", number + 1
    taken.add(name)
    return name
