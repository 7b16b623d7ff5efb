"""One connection serves many requests, and is given up rather than that one answer be taken for another's."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reconciler.okta.wire import Outgoing, Wire
from reconciler.ports import Answer
from tests.readiness.certificates import Authority

Answering = Callable[["Server", asyncio.StreamWriter, int], Awaitable[None]]


@dataclass
class Server:
    """Reads requests of any number of connections, and has each answered; `asked` holds their heads and bodies."""

    answering: Answering
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("ascii")
                lengths = [line.split(":")[1] for line in head.lower().splitlines() if line.startswith("content-len")]
                self.asked.append((head, await reader.readexactly(int(lengths[0])) if lengths else b""))
                await self.answering(self, writer, len(self.asked))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @asynccontextmanager
    async def wire(self, timeout: float = 5.0) -> AsyncIterator[Wire]:
        listening = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        wire = Wire(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", None, timeout)
        try:
            yield wire
        finally:
            await wire.close()
            listening.close()
            await listening.wait_closed()


def raw(*answers: bytes) -> Answering:
    """The nth request is answered by the nth of `answers`; an empty one breaks the connection off."""

    async def answering(server: Server, writer: asyncio.StreamWriter, count: int) -> None:
        writer.write(answers[count - 1])
        if not answers[count - 1]:
            writer.close()

    return answering


def plain(body: bytes, *headers: bytes) -> bytes:
    lines = [b"HTTP/1.1 200 OK", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join([*lines, b"", body])


async def get(wire: Wire, path: str = "/x") -> Answer:
    return await wire.send(Outgoing("GET", f"http://ignored.example.com{path}", {"Accept": "a/b"}), lambda data: data)


def ask(server: Server, *paths: str, pause: float = 0.0, timeout: float = 5.0) -> list[Answer]:
    """The answers to requests made one after another."""

    async def work() -> list[Answer]:
        found = []
        async with server.wire(timeout) as wire:
            for path in paths:
                found.append(await get(wire, path))
                await asyncio.sleep(pause)
        return found

    return asyncio.run(work())


def test_a_request_goes_to_its_own_origin_with_what_it_carries() -> None:
    server = Server(raw(plain(b"1"), plain(b"2")))

    async def work() -> None:
        async with server.wire() as wire:
            await wire.send(Outgoing("PUT", "http://a/ü b%2Fc?q=1 2", {"X-A": "b"}, b"{}"), lambda data: data)
            await wire.send(Outgoing("POST", "http://a", {}), lambda data: data)

    asyncio.run(work())
    (first, body), (second, _) = server.asked
    assert first.startswith("PUT /%C3%BC%20b%2Fc?q=1%202 HTTP/1.1\r\nhost: 127.0.0.1:")
    assert "x-a: b\r\n" in first
    assert body == b"{}"
    assert second.startswith("POST / HTTP/1.1\r\n")
    assert "content-length: 0\r\n" in second


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n4\r\n1\r\n2\r\n0\r\n\r\n"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"


@pytest.mark.parametrize("sent", [plain(b"42"), CHUNKED, EARLY + plain(b"42")])
def test_whole_answers_leave_the_connection_to_others(sent: bytes) -> None:
    server = Server(raw(sent, sent, sent))
    assert [answer.body for answer in ask(server, "/1", "/2", "/3")] == [42, 42, 42]
    assert server.connections == 1


def test_a_server_that_closes_is_connected_to_again() -> None:
    async def answering(server: Server, writer: asyncio.StreamWriter, count: int) -> None:
        writer.write(plain(b"%d" % count, *([b"Connection: close"] if count == 1 else [])))
        if count == 2:
            writer.close()

    server = Server(answering)
    assert [answer.body for answer in ask(server, "/1", "/2", "/3", pause=0.02)] == [1, 2, 3]
    assert server.connections == 3


def test_an_answer_that_ends_with_the_connection_is_whole() -> None:
    async def answering(server: Server, writer: asyncio.StreamWriter, count: int) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\n42")
        writer.close()

    assert [answer.body for answer in ask(Server(answering), "/1", "/2")] == [42, 42]


@pytest.mark.parametrize("pause", [0.0, 0.02])
def test_what_nobody_asked_for_answers_no_request(pause: float) -> None:
    server = Server(raw(plain(b'"mine"') + plain(b'"smuggled"'), plain(b'"yours"')))
    assert [answer.body for answer in ask(server, "/1", "/2", pause=pause)] == ["mine", "yours"]
    assert server.connections == 2


def test_what_comes_late_answers_no_request() -> None:
    async def answering(server: Server, writer: asyncio.StreamWriter, count: int) -> None:
        if count == 1:
            await asyncio.sleep(0.15)
        writer.write(plain(b"%d" % count))

    late, fine = ask(Server(answering), "/1", "/2", timeout=0.1)
    assert late.lost is not None
    assert late.lost.endswith("within 0.1 s")
    assert fine.body == 2


def test_a_cancelled_request_takes_its_connection_along() -> None:
    async def answering(server: Server, writer: asyncio.StreamWriter, count: int) -> None:
        if count > 1:
            writer.write(plain(b"%d" % count))

    server = Server(answering)

    async def work() -> Answer:
        async with server.wire() as wire:
            asking = asyncio.create_task(get(wire))
            while not server.asked:
                await asyncio.sleep(0.005)
            asking.cancel()
            await asyncio.wait([asking])
            return await get(wire)

    assert asyncio.run(work()).body == 2
    assert server.connections == 2


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
    ],
)
def test_after_a_broken_answer_comes_a_fresh_connection(sent: bytes) -> None:
    server = Server(raw(sent, plain(b"2")))
    broken, fine = ask(server, "/1", "/2")
    assert broken.status == 0
    assert "broke before the answer was complete" in str(broken.lost)
    assert fine.body == 2
    assert server.connections == 2


def test_an_answer_without_end_is_cut_off() -> None:
    server = Server(raw(b"HTTP/1.1 200 OK\r\n\r\n" + b" " * (9 * 1024 * 1024), plain(b"2")))
    endless, fine = ask(server, "/1", "/2")
    assert "8 MiB" in str(endless.lost)
    assert fine.body == 2


def test_requests_at_once_have_a_connection_each_and_leave_them_to_the_next() -> None:
    server = Server(raw(*[plain(b"1")] * 30))

    async def work() -> None:
        async with server.wire() as wire:
            for _ in range(3):
                await asyncio.gather(*(get(wire) for _ in range(10)))

    asyncio.run(work())
    assert (len(server.asked), server.connections) == (30, 10)


ORG = "acme.okta.example"


@pytest.mark.parametrize(
    ("name", "days", "is_known", "why"),
    [
        (ORG, 90.0, True, None),
        (ORG, 90.0, False, "CERTIFICATE_VERIFY_FAILED"),
        ("evil.okta.example", 90.0, True, "CERTIFICATE_VERIFY_FAILED"),
        (ORG, -1.0, True, "CERTIFICATE_VERIFY_FAILED"),
    ],
)
def test_who_can_not_prove_his_name_is_told_nothing(
    name: str, days: float, is_known: bool, why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    if is_known:
        monkeypatch.setattr("certifi.where", lambda: str(authority.ca_file))
    server = Server(raw(plain(b"42")))

    async def work() -> Answer:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=authority.context(name, days))
        port = listening.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)

        async def look_up(*asked: object, **named: object) -> object:
            return found

        monkeypatch.setattr(loop, "getaddrinfo", look_up)
        wire = Wire(f"https://{ORG}:{port}", None, 5.0)
        try:
            return await get(wire)
        finally:
            await wire.close()
            listening.close()
            await listening.wait_closed()

    answer = asyncio.run(work())
    if why is None:
        assert (answer.body, len(server.asked)) == (42, 1)
    else:
        assert f"could not connect to {ORG}" in str(answer.lost)
        assert why in str(answer.lost)
        assert server.asked == []
