"""The same graph of resources twice: as our configuration, and as Terraform's built-in `terraform_data`.

Five resources stand together and are repeated: an MCP server behind Okta's own authorization server, and one behind an
external authorization server with its client registration.

    server ◀── association ──▶ the Okta authorization server (one for all)
    server ◀── association ◀── client registration

Terraform's version holds the same attributes and refers the same way, so both tools parse, link and compare as much.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

GROUP = 5
OKTA = "internal"
ISSUER = "https://login.example.com"


def write_ours(directory: Path, n: int, org_url: str) -> None:
    """A configuration of about `n` resources whose live system is a served sandbox."""
    servers: list[str] = []
    for i in range(n // GROUP):
        servers += [_block(f"inside-{i}", OKTA, i), _block(f"outside-{i}", "external", i)]
    text = f"""version: 1
provider:
  okta: {{org_url: "{org_url}", auth: {{token: {{env: RECONCILER_BENCHMARK_TOKEN}}}}}}
state:
  file: {{path: state}}
authorization_servers:
  {OKTA}:
    type: okta
    audiences: [https://internal.example.com]
    scopes: [read, write]
  external:
    type: external
    issuer: {ISSUER}
    authorization_endpoint: {ISSUER}/authorize
    token_endpoint: {ISSUER}/token
client_registrations:
  app:
    authorization_server: external
    client_id: benchmark
    client_secret: {{env: RECONCILER_BENCHMARK_TOKEN}}
mcp_servers:
"""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "reconciler.yaml").write_text(text + "".join(servers), "utf-8")


def _block(name: str, authorization_server: str, i: int) -> str:
    return f"""  {name}:
    resource_url: https://{name}.example.com/mcp
    display_name: Server {i}
    description: One of many, to measure with.
    authorization_servers: [{authorization_server}]
"""


def write_terraform(directory: Path, n: int) -> None:
    """The same resources as `terraform_data`, in Terraform's JSON configuration."""
    resources: dict[str, Any] = {
        OKTA: _data(name=OKTA, audiences=["https://internal.example.com"], scopes={"read": {}, "write": {}})
    }
    for i in range(n // GROUP):
        for name in (f"inside-{i}", f"outside-{i}"):
            resources[name] = _data(
                resource_url=f"https://{name}.example.com/mcp",
                registration="manual",
                display_name=f"Server {i}",
                description="One of many, to measure with.",
            )
        resources[f"inside-{i}-association"] = _data(
            type="OKTA", mcp_server=_id(f"inside-{i}"), authorization_server=_id(OKTA)
        )
        resources[f"outside-{i}-association"] = _data(
            type="EXTERNAL",
            mcp_server=_id(f"outside-{i}"),
            issuer=ISSUER,
            authorization_endpoint=f"{ISSUER}/authorize",
            token_endpoint=f"{ISSUER}/token",
            grant_types=["authorization_code", "refresh_token"],
        )
        resources[f"outside-{i}-client"] = _data(
            name="app", client_id="benchmark", association=_id(f"outside-{i}-association")
        )
    directory.mkdir(parents=True, exist_ok=True)
    document = {"resource": {"terraform_data": resources}}
    (directory / "main.tf.json").write_text(json.dumps(document, indent=1), "utf-8")


def _data(**attributes: Any) -> dict[str, Any]:
    return {"input": attributes}


def _id(name: str) -> str:
    return f"${{terraform_data.{name}.id}}"
