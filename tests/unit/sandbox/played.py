"""An org of the sandbox, its clock in the test's hands, called as httpx calls any ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx

from reconciler.sandbox.app import Sandbox, SandboxOptions, create_app
from reconciler.sandbox.world import World, read_world

BASE = "https://acme.okta.com"
MCP = "/resource-servers/api/v1/mcp-servers"
CLIENTS = "/resource-servers/api/v1/client-auth-settings"
OPERATIONS = "/resource-servers/api/v1/operations"
AUTHORIZATION_SERVERS = "/api/v1/authorizationServers"
MERGE_PATCH = "application/merge-patch+json"
ISSUER = "https://auth.example.com"
EXTERNAL = {
    "type": "EXTERNAL",
    "issuer": ISSUER,
    "authorizationEndpoint": f"{ISSUER}/authorize",
    "tokenEndpoint": f"{ISSUER}/token",
    "grantTypesSupported": ["authorization_code", "refresh_token"],
}
WORLD = """
version: 1
mcp_servers:
  - {url: https://mcp.example.com/mcp, authorization_servers: [https://auth.example.com], scopes: [read], name: Tools}
  - {url: https://bare.example.com/mcp}
  - {url: https://chained.example.com/mcp, authorization_servers: [https://chained-auth.example.com]}
authorization_servers:
  - {issuer: https://auth.example.com, registration_endpoint: https://auth.example.com/register}
  - {issuer: https://chained-auth.example.com, id_jag: true}
"""


class FakeClock:
    def __init__(self) -> None:
        self.time = 1_800_000_000.0

    def __call__(self) -> float:
        return self.time


class Org:
    """Every call runs in an event loop of its own."""

    def __init__(self, world: str | World | None = None, **options: Any) -> None:
        self.clock = FakeClock()
        given = read_world(world, "world.yaml") if isinstance(world, str) else world
        self.app: Sandbox = create_app(
            SandboxOptions(**{"clock": self.clock, "settle_seconds": 1.0, "seed": "test", "world": given, **options})
        )

    def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        sent = {"Authorization": "SSWS sandbox", **(headers or {})}
        if method == "PATCH":
            sent.setdefault("Content-Type", MERGE_PATCH)
        url = path if path.startswith("http") else BASE + path
        request = httpx.Request(method, url, json=json, content=content, headers=sent)
        return asyncio.run(self._send(request))

    async def _send(self, request: httpx.Request) -> httpx.Response:
        response = await httpx.ASGITransport(self.app).handle_async_request(request)
        await response.aread()
        return response

    def together(self, *requests: tuple[str, str, Any]) -> list[httpx.Response]:
        """The answers to requests that are in flight at the same time."""

        async def gather() -> list[httpx.Response]:
            headers = {"Authorization": "SSWS sandbox"}
            made = [httpx.Request(m, BASE + path, json=body, headers=headers) for m, path, body in requests]
            return list(await asyncio.gather(*(self._send(request) for request in made)))

        return asyncio.run(gather())

    def ok(self, method: str, path: str, json: Any = None) -> Any:
        """The JSON of an answer that must be a success."""
        response = self.call(method, path, json)
        assert response.is_success, response.text
        return response.json() if response.content else None

    def settle(self, seconds: float = 5.0) -> None:
        self.clock.time += seconds

    def fault(self, **described: Any) -> str:
        return str(self.ok("POST", "/sandbox/faults", described)["id"])

    def made(self, response: httpx.Response) -> str:
        """The id of what an accepted request made, once its operation is done."""
        assert response.status_code == 202, response.text
        self.settle()
        return str(self.ok("GET", response.headers["location"])["resource"]["id"])

    def server(self, url: str = "https://mcp.example.com/mcp", kind: str = "MANUAL", **fields: Any) -> str:
        """The path of a new MCP server."""
        body = {"resourceUrl": url, "type": kind, **fields}
        return f"{MCP}/{self.made(self.call('POST', MCP, body))}"

    def row(self, server: str, **fields: Any) -> str:
        """The path of a new external authorization server of that MCP server."""
        rows = f"{server}/authorization-servers"
        return f"{rows}/{self.made(self.call('POST', rows, {**EXTERNAL, **fields}))}"

    def client(self, server: str, row: str, **fields: Any) -> str:
        """The path of a new client registration for that row."""
        body = {
            "name": "app",
            "registrationType": "STATIC",
            "clientId": "client",
            "clientSecret": "s3cret-value",
            "resource": {"orn": self.ok("GET", server)["orn"]},
            "authorizationServer": {"id": row.rpartition("/")[2]},
            **fields,
        }
        return f"{CLIENTS}/{self.ok('POST', CLIENTS, {k: v for k, v in body.items() if v is not None})['id']}"

    def active_server(self, url: str = "https://mcp.example.com/mcp") -> tuple[str, str, str]:
        """The paths of an ACTIVE MCP server, its ACTIVE row and its client registration."""
        server = self.server(url)
        row = self.row(server)
        client = self.client(server, row)
        self.ok("POST", f"{row}/lifecycle/activate")
        self.ok("POST", f"{server}/lifecycle/activate")
        self.settle()
        assert self.status(server) == "ACTIVE"
        return server, row, client

    def authorization_server(self, name: str = "todo") -> dict[str, Any]:
        found: dict[str, Any] = self.ok("POST", AUTHORIZATION_SERVERS, {"name": name, "audiences": ["api://todo"]})
        return found

    def okta_row(self, server: str, identity: str) -> str:
        """The path of a new row that attaches a custom authorization server."""
        org = self.ok("GET", "/api/v1/org")["id"]
        rows = f"{server}/authorization-servers"
        body = {"type": "OKTA", "orn": f"orn:okta:idp:{org}:authorization_servers:{identity}"}
        return f"{rows}/{self.made(self.call('POST', rows, body))}"

    def status(self, path: str) -> str:
        return str(self.ok("GET", path)["status"])


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The error body of an answer that must be that refusal, in Okta's form."""
    body: dict[str, Any] = response.json()
    assert (response.status_code, body["errorCode"]) == (status, code), response.text
    assert body["errorId"].startswith("oae") and body["errorLink"] == code and body["errorSummary"]
    assert response.headers["x-okta-request-id"]
    return body
