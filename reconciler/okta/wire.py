"""One HTTP request and its answer, through httpx: to a network, or to an ASGI app in this very program.

It uses httpx's transports without its client: there are no cookies, redirects or proxies here, and much less to do for
each request.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import httpx

from reconciler.model.spec import is_loopback
from reconciler.okta.errors import printable
from reconciler.okta.names import UNREADABLE
from reconciler.ports import Answer

_LARGEST = 8 * 1024 * 1024
_SHOWN = 120
_LIMITS = httpx.Limits(max_connections=64, max_keepalive_connections=64, keepalive_expiry=30.0)


class Outgoing(NamedTuple):
    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None


class Wire:
    """Connections of one event loop. `scrub` takes secrets out of what is not success."""

    def __init__(self, host: str, app: Any, timeout: float) -> None:
        self._host = host
        self._timeout = timeout
        self._transport: httpx.AsyncBaseTransport
        if app is not None:
            self._transport = httpx.ASGITransport(app=app)
        else:
            # No certificates are loaded for loopback: they take longer than many a request.
            self._transport = httpx.AsyncHTTPTransport(
                verify=not is_loopback(host.rpartition(":")[0].strip("[]") or host), trust_env=False, limits=_LIMITS
            )

    async def send(self, outgoing: Outgoing, scrub: Callable[[bytes], bytes]) -> Answer:
        """The answer, whatever it is; status 0 if the connection broke or took longer than the deadline."""
        try:
            async with asyncio.timeout(self._timeout):
                request = httpx.Request(
                    outgoing.method, outgoing.url, headers=outgoing.headers, content=outgoing.content
                )
                response = await self._transport.handle_async_request(request)
                try:
                    data = await _read(response)
                finally:
                    await response.aclose()
        except (TimeoutError, httpx.TimeoutException):
            return Answer(0, lost=f"no answer from {self._host} within {self._timeout:g} s")
        except httpx.ConnectError as problem:
            why = printable(scrub(str(problem).encode()).decode("utf-8", "replace"), _SHOWN)
            return Answer(0, lost=f"could not connect to {self._host} ({why})")
        except (httpx.HTTPError, OSError):
            return Answer(0, lost=f"the connection to {self._host} broke before the answer was complete")
        if data is None:
            return Answer(0, lost=f"{self._host} answered with more than {_LARGEST // 1024 // 1024} MiB")
        return _answer(response, data, scrub)

    async def close(self) -> None:
        await self._transport.aclose()


async def _read(response: httpx.Response) -> bytes | None:
    """The body; None if it is larger than any answer may be."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.aiter_bytes():
        size += len(chunk)
        if size > _LARGEST:
            return None
        chunks.append(chunk)
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
        return Answer(response.status_code, headers, json.loads(data))
    except (ValueError, RecursionError):
        shown = printable(scrub(data)[: 4 * _SHOWN].decode("utf-8", "replace"), _SHOWN)
        return Answer(response.status_code, {**headers, UNREADABLE: shown})
