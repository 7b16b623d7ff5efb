"""A small configuration in a git repository, and the program run inside the test."""

from __future__ import annotations

import subprocess
from pathlib import Path

BASE = """\
version: 1
# A comment.
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read, todo.write]}
  hub:
    type: external
    issuer: https://hub.example.com
    authorization_endpoint: https://hub.example.com/authorize
    token_endpoint: https://hub.example.com/token
client_registrations:
  app: {authorization_server: hub, client_id: one, client_secret: {env: HUB_SECRET}}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, display_name: Todo, authorization_servers: [todo]}
  hub: {resource_url: https://mcp.hub.example.com, authorization_servers: [hub], protect: true}
  found: {resource_url: https://found.example.com/mcp, registration: discovered}
"""
SAME = """\
mcp_servers:
  found:
    registration: "discovered"
    resource_url: 'https://found.example.com/mcp'
  hub:
    protect: true
    resource_url: https://mcp.hub.example.com
    authorization_servers:
      - hub
  todo:
    authorization_servers: [todo]
    display_name: >-
      Todo
    resource_url: https://todo.example.com/mcp
client_registrations:
  app: {client_secret: {env: HUB_SECRET}, client_id: "one", authorization_server: hub}
authorization_servers:
  hub:
    token_endpoint: https://hub.example.com/token
    authorization_endpoint: https://hub.example.com/authorize
    issuer: https://hub.example.com
    type: external
  todo: {scopes: [todo.write, todo.read], audiences: ["https://todo.example.com/mcp"], type: okta}
version: 1
"""
"""BASE without its comment, in another order and another style."""


def write(directory: Path, text: str, name: str = "main.yaml") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text, "utf-8")
    return directory


def git(directory: Path, *arguments: str) -> str:
    named = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    done = subprocess.run(["git", *named, *arguments], cwd=directory, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(directory: Path) -> str:
    """Commits all that is there; the commit's id."""
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", "x", "--allow-empty")
    return git(directory, "rev-parse", "HEAD")
