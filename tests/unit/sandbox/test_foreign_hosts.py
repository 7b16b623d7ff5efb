"""Hosts of the world in trouble, the clients they know, and what the sandbox looks like from outside."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import ssl
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from reconciler.sandbox.outside import Outside
from reconciler.sandbox.troubles import TROUBLES
from tests.unit.sandbox.played import BASE, ISSUER, Org

TOKEN = f"{ISSUER}/token"
REGISTER = f"{ISSUER}/register"
FORM = {"Content-Type": "application/x-www-form-urlencoded", "Authorization": ""}


def world(trouble: str | None = None) -> str:
    troubled = f", trouble: {trouble}" if trouble else ""
    return f"""
version: 1
mcp_servers: [{{url: https://mcp.example.com/mcp, authorization_servers: [{ISSUER}]{troubled}}}]
authorization_servers:
  - {{issuer: {ISSUER}, registration_endpoint: {REGISTER}, clients: {{known: its-secret}}{troubled}}}
"""


def ask(org: Org, method: str, url: str) -> httpx.Response:
    """As the door asks the embedded sandbox."""

    async def send() -> httpx.Response:
        wire = httpx.ASGITransport(Outside(org.app, "acme.okta.com"))
        return await wire.handle_async_request(httpx.Request(method, url))

    return asyncio.run(send())


def trade(org: Org, client: str, secret: str, basic: bool = False) -> Any:
    form = {"grant_type": "authorization_code", "code": "made-up"}
    if basic:
        pair = base64.b64encode(f"{client}:{secret}".encode()).decode()
        return org.call(
            "POST", TOKEN, headers={**FORM, "Authorization": f"Basic {pair}"}, content=urlencode(form).encode()
        )
    sent = urlencode({**form, "client_id": client, "client_secret": secret}).encode()
    return org.call("POST", TOKEN, headers=FORM, content=sent)


@pytest.mark.parametrize("basic", [False, True])
def test_a_known_client_is_told_from_a_stranger(basic: bool) -> None:
    org = Org(world())
    assert trade(org, "known", "its-secret", basic).json() == {"error": "invalid_grant"}
    assert trade(org, "known", "another", basic).json() == {"error": "invalid_client"}
    assert trade(org, "stranger", "its-secret", basic).json() == {"error": "invalid_client"}


def test_only_a_known_client_is_sent_back() -> None:
    org = Org(world())
    query = {"redirect_uri": "https://acme.okta.com/callback", "state": "s"}
    sent_back = org.call("GET", f"{ISSUER}/authorize?{urlencode({**query, 'client_id': 'known'})}")
    assert sent_back.headers["location"] == "https://acme.okta.com/callback?error=login_required&state=s"
    assert org.call("GET", f"{ISSUER}/authorize?{urlencode({**query, 'client_id': 'stranger'})}").status_code == 400


def test_a_client_registers_itself_is_managed_and_goes() -> None:
    org = Org(world())
    made = org.call("POST", REGISTER, {"client_name": "tool"}, headers={"Authorization": ""})
    assert made.status_code == 201
    client = made.json()
    assert client["client_name"] == "tool"
    assert trade(org, client["client_id"], client["client_secret"]).json() == {"error": "invalid_grant"}
    mine = {"Authorization": f"Bearer {client['registration_access_token']}"}
    place = client["registration_client_uri"]
    assert org.call("GET", place, headers=mine).json()["client_secret"] == client["client_secret"]
    assert org.call("PUT", place, {"client_name": "renamed"}, headers=mine).json()["client_name"] == "renamed"
    assert org.call("DELETE", place, headers={"Authorization": "Bearer guessed"}).status_code == 401
    assert org.call("DELETE", place, headers=mine).status_code == 204
    assert org.call("GET", place, headers=mine).status_code == 401
    assert trade(org, client["client_id"], client["client_secret"]).json() == {"error": "invalid_client"}


@pytest.mark.parametrize("trouble", sorted(TROUBLES.keys() - {"flapping"}))
def test_okta_itself_finds_no_use_in_a_troubled_host(trouble: str) -> None:
    org = Org(world(trouble))
    shown = org.ok("GET", org.server(kind="DISCOVERABLE"))
    assert shown["status"] == "INVALID" and shown["statusReason"]


def test_each_trouble_looks_as_it_is_called() -> None:
    def found(trouble: str) -> httpx.Response:
        return ask(Org(world(trouble)), "GET", f"{ISSUER}/.well-known/oauth-authorization-server")

    async def read(response: httpx.Response) -> bytes:
        return b"".join([chunk async for chunk in response.aiter_raw()])

    assert found("html").headers["content-type"] == "text/html" and found("html").status_code == 200
    assert len(asyncio.run(read(found("huge")))) > 2**24
    bomb = asyncio.run(read(found("gzip_bomb")))
    assert len(bomb) < 2**20 < len(gzip.decompress(bomb))
    assert found("redirect").headers["location"].startswith("http://169.254.169.254/")
    org = Org(world("flapping"))
    flapping = [ask(org, "POST", "https://mcp.example.com/mcp").status_code for _ in range(4)]
    assert flapping == [503, 401, 503, 401]


@pytest.mark.parametrize(
    ("trouble", "raised"), [("slow", TimeoutError), ("expired_certificate", ssl.SSLCertVerificationError)]
)
def test_what_comes_before_http_is_raised_as_the_network_would(trouble: str, raised: type[OSError]) -> None:
    with pytest.raises(raised):
        ask(Org(world(trouble)), "POST", "https://mcp.example.com/mcp")


def test_from_outside_there_are_the_org_and_the_world_and_nobody_else() -> None:
    org = Org(world().replace("https://mcp.example.com/mcp,", "https://mcp.example.com/mcp, down: true,"))
    assert ask(org, "GET", f"{BASE}/.well-known/oauth-authorization-server").status_code == 200
    assert ask(org, "GET", f"{ISSUER}/.well-known/oauth-authorization-server").status_code == 200
    with pytest.raises(ConnectionRefusedError):
        ask(org, "POST", "https://mcp.example.com/mcp")
    with pytest.raises(socket.gaierror):
        ask(org, "GET", "https://elsewhere.example.com/")


def test_the_sandbox_says_whom_it_plays(org: Org) -> None:
    assert org.ok("GET", "/sandbox/world") == {"hosts": None}
    assert Org(world()).ok("GET", "/sandbox/world") == {"hosts": ["auth.example.com", "mcp.example.com"]}
