"""Something between the program and the live system that does to requests and answers what proxies and networks do."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

LOGIN = b"<!doctype html><title>Hotel WLAN</title><form>Please sign in</form>"


class Heard(NamedTuple):
    """The live system's answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass
class Lie:
    """What becomes of the next `times` requests of that method whose path contains `path`."""

    method: str
    path: str
    tell: Callable[[Any], None]
    times: int = 1
    met: int = 0


@dataclass
class Liar:
    """Honest but for its `lies`; `asked` are the requests that reached it."""

    address: str
    lies: list[Lie] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    under_way: list[threading.Thread] = field(default_factory=list)
    _mutex: threading.Lock = field(default_factory=threading.Lock)

    def take(self, method: str, path: str) -> Lie | None:
        with self._mutex:
            self.asked.append(f"{method} {path}")
            for lie in self.lies:
                if lie.method == method and lie.path in path and lie.met < lie.times:
                    lie.met += 1
                    return lie
        return None

    def delete(self, identity: str) -> None:
        """Delete an object as an administrator would, in the console."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        with closing(connection):
            body = json.dumps({"id": identity, "delete": True})
            connection.request("POST", "/sandbox/edit", body, {"content-type": "application/json"})
            assert connection.getresponse().status == 204


@contextmanager
def lying(address: str) -> Iterator[tuple[str, Liar]]:
    """The address by which the server at `address` is reached through a liar."""
    liar = Liar(address)

    class Exchange(_Exchange):
        liar_ = liar

    server = ThreadingHTTPServer(("127.0.0.1", 0), Exchange)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", liar
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        for late in liar.under_way:
            late.join()


class _Exchange(BaseHTTPRequestHandler):
    """One connection, and on it one request after the other."""

    liar_: Liar
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def _any(self) -> None:
        self.given = self.rfile.read(int(self.headers.get("content-length", 0)))
        lie = self.liar_.take(self.command, self.path)
        self.close_connection = lie is not None
        if lie is None:
            self.say(self.forward())
        else:
            lie.tell(self)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _any

    def forward(self) -> Heard:
        """Let the live system hear it."""
        connection = http.client.HTTPConnection(urlsplit(self.liar_.address).netloc, timeout=20)
        with closing(connection):
            kept = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
            connection.request(self.command, self.path, self.given or None, kept)
            answer = connection.getresponse()
            shown = [(name, value) for name, value in answer.getheaders() if name.lower() not in _OF_THE_CONNECTION]
            return Heard(answer.status, tuple(shown), answer.read())

    def say(self, heard: Heard, body: bytes | None = None, length: int | None = None) -> None:
        """Answer as heard, but with that `body` and that Content-Length."""
        said = heard.body if body is None else body
        self.send_response_only(heard.status)
        for name, value in heard.headers:
            self.send_header(name, value)
        if heard.status != 204:
            self.send_header("content-length", str(len(said) if length is None else length))
        self.end_headers()
        self.wfile.write(said)
        self.wfile.flush()

    def refuse(self, status: int, code: str, summary: str, **headers: str) -> None:
        """Answer in the live system's words, which hears nothing."""
        told = {"errorCode": code, "errorSummary": summary, "errorId": "x", "errorCauses": []}
        shown = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self.say(Heard(status, (("content-type", "application/json"), *shown), json.dumps(told).encode()))

    def reset(self) -> None:
        """Break the connection off, not close it."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def later(self, seconds: float) -> None:
        """The live system hears of it when nobody waits for its answer any more."""

        def carry_out() -> None:
            time.sleep(seconds)
            self.forward()

        self.liar_.under_way.append(threading.Thread(target=carry_out))
        self.liar_.under_way[-1].start()

    def log_message(self, *args: Any) -> None:
        pass

    def handle(self) -> None:
        try:
            super().handle()
        except (OSError, ValueError):
            # Whoever asked has gone away, or was sent away by `reset`.
            self.close_connection = True


_OF_THE_CONNECTION = ("content-length", "transfer-encoding", "connection", "keep-alive")


def twice(exchange: Any) -> None:
    """It is delivered a second time."""
    heard = exchange.forward()
    exchange.forward()
    exchange.say(heard)


def late(exchange: Any) -> None:
    """It arrives after the program has given up on it."""
    exchange.later(1.3)
    time.sleep(1.2)


def cut(exchange: Any) -> None:
    """The answer ends in its middle."""
    heard = exchange.forward()
    exchange.say(heard, heard.body[: len(heard.body) // 2], len(heard.body))


def broken_off(exchange: Any) -> None:
    heard = exchange.forward()
    exchange.say(heard, heard.body[:10], len(heard.body))
    exchange.reset()


def short(exchange: Any) -> None:
    """Its Content-Length is too small."""
    heard = exchange.forward()
    exchange.say(heard, length=len(heard.body) // 2)


def truncated(exchange: Any) -> None:
    """Half of its JSON is said to be all of it."""
    heard = exchange.forward()
    exchange.say(heard, heard.body[: len(heard.body) // 2])


def empty(exchange: Any) -> None:
    heard = exchange.forward()
    exchange.say(heard._replace(status=200), b"")


def login_page(exchange: Any) -> None:
    """A captive portal answers."""
    exchange.say(Heard(200, (("content-type", "text/html; charset=latin-9"),), LOGIN))


def login_page_afterwards(exchange: Any) -> None:
    exchange.forward()
    login_page(exchange)


def bad_gateway(exchange: Any) -> None:
    exchange.forward()
    exchange.say(Heard(502, (("content-type", "text/html"),), b"<h1>Bad Gateway</h1>"))


def gateway_timeout(exchange: Any) -> None:
    exchange.forward()
    exchange.say(Heard(504, (), b""))


LIES = {
    lie.__name__: lie
    for lie in (
        *(twice, late, cut, broken_off, short, truncated, empty),
        *(login_page, login_page_afterwards, bad_gateway, gateway_timeout),
    )
}
