"""A small configuration that is sound, and loading one from text."""

from __future__ import annotations

from reconciler.config.configuration import Configuration
from reconciler.config.files import SourceFile
from reconciler.config.loader import load
from reconciler.config.variables import Inputs
from reconciler.model.diagnostic import Diagnostic, Refused

SOUND = """\
version: 1
authorization_servers:
  todo:
    type: okta
    audiences: [https://todo.example.com/mcp]
    scopes: [todo.read]
  gh:
    type: external
    issuer: https://github.com/login/oauth
    authorization_endpoint: https://github.com/login/oauth/authorize
    token_endpoint: https://github.com/login/oauth/access_token
client_registrations:
  app:
    authorization_server: gh
    client_id: Iv1
    client_secret: {env: GH_SECRET}
mcp_servers:
  todo:
    resource_url: https://todo.example.com/mcp
    display_name: Todo
    authorization_servers: [todo]
  gh:
    resource_url: https://api.example.com/mcp
    authorization_servers: [gh]
"""
OKTA = "authorization_servers: {todo: {type: okta, audiences: [x]}}\n"


def read(*texts: str, inputs: Inputs | None = None) -> Configuration:
    """The configuration that the texts are, as files `0.yaml`, `1.yaml`."""
    return load([SourceFile(f"{i}.yaml", text.encode()) for i, text in enumerate(texts)], inputs)


def problems(*texts: str, inputs: Inputs | None = None) -> tuple[Diagnostic, ...]:
    try:
        read(*texts, inputs=inputs)
    except Refused as refused:
        return refused.diagnostics
    return ()
