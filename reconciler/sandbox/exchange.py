"""A request as the handlers see it, the response they return, and how both cross ASGI."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Deliver = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY = 1024 * 1024
"""Bytes; a longer request body is cut off and so not well-formed."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who a change is attributed to in the System Log. `scopes` limits what it may do; None: everything."""

    id: str
    type: str
    name: str
    scopes: frozenset[str] | None = None


SYSTEM = Actor("system", "SystemPrincipal", "Okta System")
ADMINISTRATOR = Actor("00uadministrator0001", "User", "administrator@example.com")


@dataclass(slots=True)
class Request:
    """`base` is the origin by which the org was addressed; `args` are the variable segments of the path."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    base: str
    host: str
    args: tuple[str, ...] = ()
    actor: Actor = SYSTEM
    failing_operation: str | None = None
    """Set by a fault: the operation this request starts will fail, with this message."""
    sticking: bool = False
    """Set by a fault: what this request makes stays PENDING."""
    stale_seconds: float = 0.0
    """Set by a fault: lists show what was there this long ago."""

    def json(self) -> Any:
        """The body as JSON; ValueError if it isn't."""
        return json.loads(self.body)


@dataclass(slots=True)
class Response:
    """`body` is JSON to be encoded, or bytes to be sent as they are; None for an empty body."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


class AnswerLost(ConnectionResetError):
    """The connection broke before the answer was complete; whether anything was done is for the client to find out."""


async def read_request(scope: Scope, receive: Receive, org_url: str | None) -> Request:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size <= MAX_BODY:
            chunks.append(chunk)
        if not message.get("more_body"):
            break
    host = headers.get("host", "localhost").lower()
    return Request(
        method=scope["method"],
        path=scope["path"],
        query=dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)),
        headers=headers,
        body=b"".join(chunks),
        base=org_url.rstrip("/") if org_url else f"{scope.get('scheme', 'http')}://{host}",
        host=host,
    )


async def send_response(response: Response, deliver: Deliver) -> None:
    payload, headers = _encoded(response)
    await deliver({"type": "http.response.start", "status": response.status, "headers": headers})
    await deliver({"type": "http.response.body", "body": payload})


async def break_off(deliver: Deliver) -> None:
    """Begin an answer and never finish it, so that a served client sees a broken connection as an embedded one does.

    Raises AnswerLost.
    """
    headers = [(b"content-type", b"application/json"), (b"content-length", b"1024")]
    await deliver({"type": "http.response.start", "status": 200, "headers": headers})
    await deliver({"type": "http.response.body", "body": b"{", "more_body": True})
    raise AnswerLost("the connection was closed before the answer was complete")


def _encoded(response: Response) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    body = response.body
    is_raw = isinstance(body, bytes)
    payload = body if is_raw else b"" if body is None else json.dumps(body, separators=(",", ":")).encode()
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in response.headers.items()]
    if body is not None and not is_raw:
        headers.append((b"content-type", b"application/json"))
    if response.status != 204:
        headers.append((b"content-length", str(len(payload)).encode()))
    return payload, headers
