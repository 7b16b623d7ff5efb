"""One HTTP/1.1 connection, kept open from request to request: asyncio moves the bytes, h11 speaks the protocol.

There is nothing between the two, because observing a large org is thousands of small requests: a general client's
pools, hooks and locks take twice as long for each of them as all the rest does.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import NamedTuple

import h11

_HEADER_BYTES = 100 * 1024
_FALLBACK = 0.25
"""Seconds after which another address of the same host is tried besides (RFC 8305)."""


class Host(NamedTuple):
    """Where requests go; `tls` is None for plain HTTP."""

    name: str
    port: int
    tls: ssl.SSLContext | None = None


class Request(NamedTuple):
    """`target` is path and query as they stand in a request line; header names are lower-case."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    content: bytes = b""


class Reply(NamedTuple):
    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Oversized(Exception):
    """The answer is larger than any may be."""


class Unreachable(OSError):
    """There is nobody to connect to, or nobody who is who he should be."""


class Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=_HEADER_BYTES)
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[None] | None = None
        self._is_open = True
        self._idle_since = self._loop.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if self._http.our_state is h11.IDLE:
            # Nobody has asked: the next request must not find its answer ready.
            self.abort()
            return
        self._http.receive_data(data)
        self._wake()

    def eof_received(self) -> None:
        self._is_open = False
        self._http.receive_data(b"")
        self._wake()

    def connection_lost(self, problem: Exception | None) -> None:
        self._is_open = False
        self._wake()

    def is_fit(self, longest: float) -> bool:
        """Whether it may carry another request: whole so far, and idle for no more than `longest` seconds."""
        fresh = self._loop.time() - self._idle_since <= longest
        return self._is_open and fresh and self._http.our_state is h11.IDLE

    def abort(self) -> None:
        self._is_open = False
        if self._transport is not None:
            self._transport.abort()

    async def round_trip(self, request: Request, largest: int) -> Reply:
        """Raises Oversized for a body of more than `largest` bytes; OSError or h11.ProtocolError if the connection
        breaks, or what arrives is not HTTP. It is not fit for anything then, and neither is it after a cancellation."""
        assert self._transport is not None
        start = h11.Request(method=request.method, target=request.target, headers=request.headers)
        parts = [self._http.send(start), request.content and self._http.send(h11.Data(data=request.content))]
        parts.append(self._http.send(h11.EndOfMessage()))
        self._transport.write(b"".join(part for part in parts if part))
        reply = await self._receive(largest)
        if self._http.states == {h11.CLIENT: h11.DONE, h11.SERVER: h11.DONE} and not self._http.trailing_data[0]:
            self._http.start_next_cycle()
            self._idle_since = self._loop.time()
        return reply

    async def _receive(self, largest: int) -> Reply:
        status, headers, chunks, size = 0, list[tuple[bytes, bytes]](), list[bytes](), 0
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                await self._more()
            elif isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                size += len(event.data)
                if size > largest:
                    raise Oversized
                chunks.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                return Reply(status, headers, b"".join(chunks))
            elif not isinstance(event, h11.InformationalResponse):
                raise ConnectionResetError

    async def _more(self) -> None:
        if not self._is_open:
            raise ConnectionResetError
        self._waiting = self._loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


async def connect(host: Host) -> Connection:
    """Raises Unreachable."""
    loop = asyncio.get_running_loop()
    try:
        _, connection = await loop.create_connection(
            Connection, host.name, host.port, ssl=host.tls, happy_eyeballs_delay=_FALLBACK
        )
    except (OSError, UnicodeError) as problem:
        raise Unreachable(str(problem)) from problem
    return connection
