"""One HTTP request and its answer: over a network, or of an ASGI app in this very program.

There are no cookies, redirects or proxies here.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import h11

from reconciler.model.spec import is_loopback
from reconciler.okta.asgi import ask_app
from reconciler.okta.connection import Connection, Host, Oversized, Reply, Request, Unreachable, connect
from reconciler.okta.errors import printable
from reconciler.okta.names import UNREADABLE
from reconciler.ports import Answer

_LARGEST = 8 * 1024 * 1024
_SHOWN = 120
_CONNECTIONS = 64
_LONGEST_IDLE = 30.0
_SAFE = "/?%:@!$&'()*+,;=~-._"
_WITH_BODY = ("POST", "PUT", "PATCH")


class Outgoing(NamedTuple):
    """`url` is on the origin of the wire it goes through: only its path and query are looked at."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None


class Wire:
    """Connections of one event loop to one origin, kept open; a request has one to itself."""

    def __init__(self, origin: str, app: Any, timeout: float) -> None:
        self._place = urlsplit(origin)
        self._app = app
        self._timeout = timeout
        self._host: Host | None = None
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._idle: list[Connection] = []

    async def send(self, outgoing: Outgoing, scrub: Callable[[bytes], bytes]) -> Answer:
        """The answer, whatever it is; status 0 if the connection broke or took longer than the deadline. `scrub` takes
        secrets out of what is not success."""
        place = self._place.netloc
        try:
            async with self._turns, asyncio.timeout(self._timeout):
                reply = await self._round_trip(self._request(outgoing))
        except TimeoutError:
            return Answer(0, lost=f"no answer from {place} within {self._timeout:g} s")
        except Unreachable as problem:
            why = printable(scrub(str(problem).encode()).decode("utf-8", "replace"), _SHOWN)
            return Answer(0, lost=f"could not connect to {place} ({why})")
        except (h11.ProtocolError, OSError):
            return Answer(0, lost=f"the connection to {place} broke before the answer was complete")
        except Oversized:
            return Answer(0, lost=f"{place} answered with more than {_LARGEST // 1024 // 1024} MiB")
        return _answer(reply, scrub)

    async def close(self) -> None:
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        # The loop lets go of what was aborted in its next round.
        await asyncio.sleep(0)

    def _request(self, outgoing: Outgoing) -> Request:
        url = urlsplit(outgoing.url)
        target = quote(url.path or "/", safe=_SAFE) + (f"?{quote(url.query, safe=_SAFE)}" if url.query else "")
        content = outgoing.content or b""
        headers = [("host", self._place.netloc), *((name.lower(), value) for name, value in outgoing.headers.items())]
        if content or outgoing.method in _WITH_BODY:
            headers.append(("content-length", str(len(content))))
        return Request(outgoing.method, target, headers, content)

    async def _round_trip(self, request: Request) -> Reply:
        if self._app is not None:
            return await ask_app(self._app, request, _LARGEST)
        connection = self._kept() or await connect(self._found())
        try:
            reply = await connection.round_trip(request, _LARGEST)
        except BaseException:
            # The rest of this answer must not be taken for that of another request.
            connection.abort()
            raise
        if connection.is_fit(_LONGEST_IDLE):
            self._idle.append(connection)
        else:
            connection.abort()
        return reply

    def _kept(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fit(_LONGEST_IDLE):
                return connection
            connection.abort()
        return None

    def _found(self) -> Host:
        if self._host is None:
            name, is_secure = self._place.hostname or "", self._place.scheme == "https"
            self._host = Host(name, self._place.port or (443 if is_secure else 80), _trust(name) if is_secure else None)
        return self._host


def _trust(name: str) -> ssl.SSLContext:
    from certifi import where

    context = ssl.create_default_context(cafile=where())
    if is_loopback(name):
        # Nobody listens in there, and plain HTTP is permitted as well.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    return context


def _answer(reply: Reply, scrub: Callable[[bytes], bytes]) -> Answer:
    headers: dict[str, str] = {}
    for raw_name, raw_value in reply.headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers.pop(UNREADABLE, None)
    if not reply.body:
        return Answer(reply.status, headers)
    is_success = 200 <= reply.status < 300
    data = reply.body if is_success else scrub(reply.body)
    try:
        body = json.loads(data)
        # Once more, for what was escaped twice: a request that is quoted within the text of a refusal.
        return Answer(reply.status, headers, body if is_success else _scrubbed(body, scrub))
    except (ValueError, RecursionError):
        shown = printable(scrub(data)[: 4 * _SHOWN].decode("utf-8", "replace"), _SHOWN)
        return Answer(reply.status, {**headers, UNREADABLE: shown})


def _scrubbed(value: Any, scrub: Callable[[bytes], bytes]) -> Any:
    if isinstance(value, str):
        return scrub(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if isinstance(value, list):
        return [_scrubbed(entry, scrub) for entry in value]
    if isinstance(value, dict):
        return {key: _scrubbed(entry, scrub) for key, entry in value.items()}
    return value
