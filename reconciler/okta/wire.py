"""One HTTP request and its answer, through httpx: to a network, or to an ASGI app in this very program.

It uses httpx's transports without its client: there are no cookies, redirects or proxies here, and much less to do for
each request.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import zlib
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import httpx

from reconciler.model.spec import is_loopback
from reconciler.okta.errors import printable
from reconciler.okta.names import UNREADABLE
from reconciler.ports import Answer, Leave
from reconciler.readiness.payload import Garbled, TooLarge, expander

if find_spec("sniffio") is None:
    # httpx and httpcore import it at every request, to tell asyncio from trio; each time the whole path is searched in
    # vain, which takes a third of a request's time. None says at once that it isn't there.
    cast("dict[str, Any]", sys.modules)["sniffio"] = None

_LARGEST = 8 * 1024 * 1024
_SHOWN = 120
_CONNECTIONS = 64
_ONE = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=30.0)


class Outgoing(NamedTuple):
    """One request. `leave` is taken last of all, when nothing is left to be waited for."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None
    leave: Leave | None = None


class Wire:
    """Connections of one event loop, kept open. A request has one to itself: in a shared pool of httpx every request
    looks at every connection, and those that wait wake each other in vain."""

    def __init__(self, host: str, app: Any, timeout: float) -> None:
        self._host = host
        self._app = app
        self._timeout = timeout
        self._verify: ssl.SSLContext | bool | None = None
        self._turns = asyncio.Semaphore(_CONNECTIONS)
        self._made: list[httpx.AsyncBaseTransport] = []
        self._idle: list[httpx.AsyncBaseTransport] = []

    async def send(self, outgoing: Outgoing, scrub: Callable[[bytes], bytes]) -> Answer:
        """The answer, whatever it is; status 0 if the connection broke or took longer than the deadline. `scrub` takes
        secrets out of what is not success. Raises what taking leave raises; nothing was sent then."""
        request = httpx.Request(outgoing.method, outgoing.url, headers=outgoing.headers, content=outgoing.content)
        async with self._turns:
            if outgoing.leave is not None:
                await outgoing.leave()
            return await self._exchange(request, scrub)

    async def _exchange(self, request: httpx.Request, scrub: Callable[[bytes], bytes]) -> Answer:
        try:
            async with asyncio.timeout(self._timeout):
                response, data = await self._round_trip(request)
        except (TimeoutError, httpx.TimeoutException):
            return Answer(0, lost=f"no answer from {self._host} within {self._timeout:g} s")
        except httpx.ConnectError as problem:
            why = printable(scrub(str(problem).encode()).decode("utf-8", "replace"), _SHOWN)
            return Answer(0, lost=f"could not connect to {self._host} ({why})", sent=False)
        except (Garbled, zlib.error):
            return Answer(0, lost=f"{self._host} sent what can't be unpacked")
        except (httpx.HTTPError, OSError):
            return Answer(0, lost=f"the connection to {self._host} broke before the answer was complete")
        if data is None:
            return Answer(0, lost=f"{self._host} answered with more than {_LARGEST // 1024 // 1024} MiB")
        return _answer(response, data, scrub)

    async def close(self) -> None:
        for connection in self._made:
            await connection.aclose()

    async def _round_trip(self, request: httpx.Request) -> tuple[httpx.Response, bytes | None]:
        connection = self._idle.pop() if self._idle else self._open()
        try:
            response = await connection.handle_async_request(request)
            try:
                return response, await _read(response)
            finally:
                await response.aclose()
        finally:
            self._idle.append(connection)

    def _open(self) -> httpx.AsyncBaseTransport:
        connection: httpx.AsyncBaseTransport
        if self._app is not None:
            connection = httpx.ASGITransport(app=self._app)
        else:
            if self._verify is None:
                # No certificates are loaded for loopback: that takes longer than many a request.
                host = urlsplit(f"//{self._host}").hostname
                self._verify = not is_loopback(host) and httpx.create_ssl_context(trust_env=False)
            connection = httpx.AsyncHTTPTransport(verify=self._verify, trust_env=False, limits=_ONE)
        self._made.append(connection)
        return connection


async def _read(response: httpx.Response) -> bytes | None:
    """The body; None if it is larger than any answer may be, or would unpack to more. Raises Garbled, zlib.error."""
    expand = expander(response.headers.get("content-encoding", "").strip().lower(), _LARGEST)
    chunks: list[bytes] = []
    size = 0
    try:
        async for packed in response.aiter_raw():
            chunk = expand(packed)
            size += len(chunk)
            if size > _LARGEST:
                return None
            chunks.append(chunk)
    except TooLarge:
        return None
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _answer(response: httpx.Response, data: bytes, scrub: Callable[[bytes], bytes]) -> Answer:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers.raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    headers.pop(UNREADABLE, None)
    if not data:
        return Answer(response.status_code, headers)
    if not response.is_success:
        data = scrub(data)
    try:
        body = json.loads(data)
        # Once more, for what was escaped twice: a request that is quoted within the text of a refusal.
        return Answer(response.status_code, headers, body if response.is_success else _scrubbed(body, scrub))
    except (ValueError, RecursionError):
        shown = printable(scrub(data)[: 4 * _SHOWN].decode("utf-8", "replace"), _SHOWN)
        return Answer(response.status_code, {**headers, UNREADABLE: shown})


def _scrubbed(value: Any, scrub: Callable[[bytes], bytes]) -> Any:
    if isinstance(value, str):
        return scrub(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
    if isinstance(value, list):
        return [_scrubbed(entry, scrub) for entry in value]
    if isinstance(value, dict):
        return {key: _scrubbed(entry, scrub) for key, entry in value.items()}
    return value
