"""A foreign host on loopback: a small HTTP server whose every answer, sane or hostile, the test decides."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl


@dataclass(frozen=True, slots=True)
class Asked:
    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"null")


@dataclass(frozen=True, slots=True)
class Reply:
    """`pieces` are sent after the head one by one, `pause` seconds apart; `length` False leaves the end open until
    the connection closes; `hang` answers nothing at all; `drop` closes in the middle of the head."""

    status: int = 200
    body: bytes | str | dict[str, Any] | list[Any] = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[bytes, ...] = ()
    pause: float = 0.0
    length: bool = True
    hang: bool = False
    drop: bool = False


Answer = Callable[[Asked], Reply]


class Foreign:
    """`answer` may be replaced at any time; `asked` is everything that arrived."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self.port = 0
        self.scheme = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.connections[task] = writer
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._exchange(reader, writer):
                pass
        writer.transport.abort() if writer.is_closing() else writer.close()

    async def close(self) -> None:
        for task in self.connections:
            task.cancel()
        await asyncio.gather(*self.connections, return_exceptions=True)
        for writer in self.connections.values():
            writer.transport.abort()
            with suppress(Exception):
                await writer.wait_closed()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        method, target, _ = head[0].split(" ")
        headers = {n.strip().lower(): v.strip() for n, _, v in (line.partition(":") for line in head[1:] if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        path, _, query = target.partition("?")
        asked = Asked(method, path, query, headers, body)
        self.asked.append(asked)
        return await _send(self.answer(asked), writer)


async def _send(reply: Reply, writer: asyncio.StreamWriter) -> bool:
    if reply.hang:
        await asyncio.sleep(60)
    if reply.drop:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-le")
        await writer.drain()
        return False
    body = reply.body
    kind = "application/json"
    if isinstance(body, str):
        body, kind = body.encode(), "text/html"
    elif not isinstance(body, bytes):
        body = json.dumps(body).encode()
    headers = {"content-type": kind, **{name.lower(): value for name, value in reply.headers.items()}}
    is_sized = reply.length and not reply.pieces
    headers |= {"content-length": str(len(body))} if is_sized else {"connection": "close"}
    lines = [f"HTTP/1.1 {reply.status} Whatever", *(f"{n}: {v}" for n, v in headers.items())]
    writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)
    await writer.drain()
    for piece in reply.pieces:
        await asyncio.sleep(reply.pause)
        writer.write(piece)
        await writer.drain()
    return is_sized


@asynccontextmanager
async def foreign_host(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[Foreign]:
    """Listens on a free port of 127.0.0.1 until the block ends."""
    host = Foreign(answer)
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=tls)
    host.port = server.sockets[0].getsockname()[1]
    host.scheme = "https" if tls else "http"
    try:
        yield host
    finally:
        server.close()
        await host.close()
