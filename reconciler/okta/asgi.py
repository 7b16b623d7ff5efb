"""A request to an ASGI application in this very program, without a network between."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import unquote

from reconciler.okta.connection import Oversized, Reply, Request


async def ask_app(app: Any, request: Request, largest: int) -> Reply:
    """Raises Oversized for a body of more than `largest` bytes, and whatever the application raises."""
    arriving = [{"type": "http.request", "body": request.content, "more_body": False}]
    is_answered = asyncio.Event()
    status, headers, body = 0, list[tuple[bytes, bytes]](), bytearray()

    async def receive() -> dict[str, Any]:
        if arriving:
            return arriving.pop()
        await is_answered.wait()
        return {"type": "http.disconnect"}

    async def deliver(message: dict[str, Any]) -> None:
        nonlocal status, headers
        if message["type"] == "http.response.start":
            status, headers = message["status"], list(message.get("headers", ()))
            return
        body.extend(message.get("body", b""))
        if len(body) > largest:
            raise Oversized
        if not message.get("more_body", False):
            is_answered.set()

    await app(_scope(request), receive, deliver)
    if not is_answered.is_set():
        raise ConnectionResetError
    return Reply(status, headers, bytes(body))


def _scope(request: Request) -> dict[str, Any]:
    path, _, query = request.target.partition("?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode("ascii"),
        "query_string": query.encode("ascii"),
        "root_path": "",
        "headers": [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers],
        "server": None,
        "client": None,
    }
