"""MCP servers nobody here wrote, each on its own loopback port: `python python_peers.py ISSUER`.

Prints one line of JSON, name -> URL, once all of them answer, and ends when its standard input does.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from typing import Any

import uvicorn
from fastmcp import FastMCP
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.in_memory import InMemoryOAuthProvider
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from mcp.server import MCPServer
from mcp.server.auth.provider import AccessToken, TokenVerifier
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions, RevocationOptions
from pydantic import AnyHttpUrl


class Nobody(TokenVerifier):
    """No token is good."""

    async def verify_token(self, token: str) -> AccessToken | None:
        return None


def sdk_open(url: str, issuer: str) -> Any:
    return MCPServer("open").streamable_http_app()


def sdk_protected(url: str, issuer: str) -> Any:
    auth = AuthSettings(
        issuer_url=AnyHttpUrl(issuer),
        resource_server_url=AnyHttpUrl(f"{url}/mcp"),
        required_scopes=["openid"],
        validate_token_resource=True,
    )
    return MCPServer("protected", token_verifier=Nobody(), auth=auth).streamable_http_app()


def fast_open(url: str, issuer: str) -> Any:
    return FastMCP("open").http_app()


def fast_protected(url: str, issuer: str) -> Any:
    verifier = StaticTokenVerifier(tokens={}, required_scopes=["openid"])
    auth = RemoteAuthProvider(verifier, authorization_servers=[AnyHttpUrl(issuer)], base_url=url)
    return FastMCP("protected", auth=auth).http_app()


def fast_with_server(url: str, issuer: str) -> Any:
    """FastMCP's own authorization server and MCP server in one."""
    auth = InMemoryOAuthProvider(
        base_url=url,
        client_registration_options=ClientRegistrationOptions(enabled=True),
        revocation_options=RevocationOptions(enabled=True),
    )
    return FastMCP("both", auth=auth).http_app()


PEERS = (sdk_open, sdk_protected, fast_open, fast_protected, fast_with_server)


async def main(issuer: str) -> None:
    servers: list[tuple[uvicorn.Server, socket.socket]] = []
    urls: dict[str, str] = {}
    for peer in PEERS:
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        urls[peer.__name__] = f"http://127.0.0.1:{listening.getsockname()[1]}"
        app = peer(urls[peer.__name__], issuer)
        servers.append((uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="on")), listening))
    serving = [asyncio.create_task(server.serve(sockets=[listening])) for server, listening in servers]
    while not all(server.started for server, _ in servers):
        await asyncio.sleep(0.02)
    print(json.dumps(urls), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for server, _ in servers:
        server.should_exit = True
    await asyncio.wait(serving, timeout=3)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
