"""`reconciler init`"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler.cli.console import Console
from reconciler.cli.files import directory, program, write_file
from reconciler.cli.options import reporting, screen_options
from reconciler.model.diagnostic import Refused, error

_NAME = "reconciler.yaml"
_STARTER = """\
# yaml-language-server: $schema=https://reconciler.dev/schemas/config.schema.json
version: 1

# The embedded sandbox plays Okta inside this program: nothing leaves this machine.
# For a real org: okta: {org_url: https://acme.okta.com, auth: {token: {env: OKTA_API_TOKEN}}}
provider:
  sandbox: {}

authorization_servers:
  # An Okta custom authorization server: agents get tokens by Cross-App Access.
  todo:
    type: okta
    audiences: [https://todo.example.com/mcp]
    scopes: [todo.read, todo.write]

mcp_servers:
  todo:
    resource_url: https://todo.example.com/mcp
    display_name: Todo
    authorization_servers: [todo]
    status: active # or inactive

# A server behind somebody else's authorization server needs that server's endpoints and a client there:
#
# authorization_servers:
#   github:
#     type: external
#     issuer: https://github.com/login/oauth
#     authorization_endpoint: https://github.com/login/oauth/authorize
#     token_endpoint: https://github.com/login/oauth/access_token
# client_registrations:
#   github-app:
#     authorization_server: github
#     client_id: Iv1.0123456789abcdef
#     client_secret: {env: GITHUB_CLIENT_SECRET} # read when it is sent, kept nowhere
# mcp_servers:
#   github:
#     resource_url: https://api.githubcopilot.com/mcp
#     authorization_servers: [github]
"""
_IGNORED = "state/\n"
_HARMLESS = ("readme", "license")


@click.command("init")
@screen_options
@reporting
def command(console: Console, **flags: Any) -> None:
    """Write a small commented configuration into an empty directory."""
    here = directory()
    found = sorted(p.name for p in here.iterdir() if not p.name.startswith(".") and not _is_harmless(p))
    if any(name.endswith((".yaml", ".yml")) for name in found):
        detail = f"There is nothing to initialise. Go on with `{program()} plan`."
        raise Refused([error("init.configured", f"There is a configuration here already ({found[0]})", detail)])
    if found:
        detail = "Make a new directory for the configuration, and run `reconciler -C DIRECTORY init`."
        raise Refused([error("init.not-empty", f"This directory is not empty: it has {found[0]}", detail)])
    write_file(here / _NAME, _STARTER.encode())
    _ignore(here / ".gitignore")
    console.note(
        f"Wrote {here / _NAME}, and .gitignore so that the state stays out of the repository.\n\n"
        f"Next:\n    {program()} plan\n    {program()} apply"
    )


def _is_harmless(path: Path) -> bool:
    return path.name.lower().startswith(_HARMLESS)


def _ignore(path: Path) -> None:
    present = path.read_bytes() if path.exists() else b""
    if _IGNORED.encode() not in present.splitlines(keepends=True):
        joint = b"" if not present or present.endswith(b"\n") else b"\n"
        write_file(path, present + joint + _IGNORED.encode())
