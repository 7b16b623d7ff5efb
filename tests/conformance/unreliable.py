"""A wire that loses requests and answers, in front of any TCP server that speaks HTTP/1.1 or anything else."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

CONFLICT = (
    b"HTTP/1.1 409 Conflict\r\nContent-Type: application/xml\r\nContent-Length: 118\r\nConnection: close\r\n\r\n"
    + b"<?xml version='1.0'?><Error><Code>ConditionalRequestConflict</Code><Message>try again</Message></Error>".ljust(
        118
    )
)


@dataclass
class Wire:
    """Requests whose first bytes contain `mark` meet `fault`, `times` times: `lost` never arrives, `unanswered` is
    carried out, `conflict` is answered 409 by S3's rules, and in what is `heedless` the mark can't be read."""

    mark: bytes = b"\0"
    fault: str = ""
    times: int = 0
    met: int = 0
    mutex: threading.Lock = field(default_factory=threading.Lock)
    flowing: threading.Event = field(default_factory=threading.Event)
    """While it is cleared, nothing arrives on either side, and no connection breaks."""

    def __post_init__(self) -> None:
        self.flowing.set()

    def take(self, data: bytes) -> str:
        with self.mutex:
            if self.met < self.times and self.mark in data:
                self.met += 1
                return self.fault
        return ""


@contextmanager
def unreliable(address: str, wire: Wire) -> Iterator[str]:
    """The address by which the server at `address` is reached over `wire`."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    target = (parts.hostname, parts.port or 80)
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=_relay, args=(client, target, wire), daemon=True))
            threads[-1].start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        port = listener.getsockname()[1]
        yield address.replace(f"{target[0]}:{target[1]}", f"127.0.0.1:{port}")
    finally:
        wire.flowing.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join()


def _relay(client: socket.socket, target: tuple[str, int], wire: Wire) -> None:
    with client, socket.create_connection(target) as server:
        muted = threading.Event()

        def back() -> None:
            with suppress(OSError):
                while data := server.recv(65_536):
                    wire.flowing.wait()
                    if muted.is_set():
                        client.shutdown(socket.SHUT_RDWR)
                        return
                    client.sendall(data)
                client.shutdown(socket.SHUT_RDWR)

        answering = threading.Thread(target=back, daemon=True)
        answering.start()
        with suppress(OSError):
            while data := client.recv(65_536):
                wire.flowing.wait()
                fault = wire.take(data)
                if fault == "lost":
                    break
                if fault == "conflict":
                    client.sendall(CONFLICT)
                    break
                if fault == "unanswered":
                    muted.set()
                if fault == "heedless":
                    data = data.replace(wire.mark, b"x" * len(wire.mark))
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_WR)
        if muted.is_set():
            answering.join(10)
        with suppress(OSError):
            client.shutdown(socket.SHUT_RDWR)
