"""An end to waiting on a socket: a server that is frozen, or that drips, keeps a connection up for ever, and with it
whoever waits."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, socket
from threading import Timer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import httpx


@contextmanager
def cut_after(seconds: float, fileno: Callable[[], int | None]) -> Iterator[None]:
    """Shuts the socket with that number (None: there is none), if what is done here takes longer than that."""
    watch = Timer(seconds, lambda: _cut(fileno()))
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()


def _cut(number: int | None) -> None:
    if number is not None:
        with suppress(OSError), socket(fileno=os.dup(number)) as found:
            found.shutdown(SHUT_RDWR)


def can_be_asked(address: str) -> bool:
    """Whether httpx can make a request of that URL, and the system look its host up."""
    import httpx

    try:
        _ = urlsplit(address).port
        httpx.URL(address).raw_host.decode("ascii").encode("idna")
    except (httpx.InvalidURL, ValueError):
        return False
    return True


class Unreadable(Exception):
    """An answer came with that status, and its body can't be had; `why` says it of the answer."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(status, why)
        self.status, self.why = status, why


class Patient:
    """Asks one request after the other, each for `seconds` at most, from connecting to the last byte of the answer:
    httpx itself begins anew to count with every byte. An answer has `largest` bytes at most."""

    def __init__(self, client: httpx.Client, seconds: float, largest: int) -> None:
        self._client, self._seconds, self._largest = client, seconds, largest
        self._deadline = 0.0
        self._number: int | None = None
        """That of the socket of the latest connection, which may be used again."""

    def ask(self, request: httpx.Request) -> httpx.Response:
        """Status and body. Raises httpx.TransportError, also at the deadline, and Unreadable."""
        import httpx

        request.extensions = {**request.extensions, "trace": self._trace}
        self._deadline = time.monotonic() + self._seconds
        with cut_after(self._seconds, lambda: self._number):
            answer = self._client.send(request, stream=True)
            try:
                data = self._body(answer)
            except httpx.DecodingError:
                raise Unreadable(answer.status_code, "is not encoded as it says") from None
            finally:
                answer.close()
        # Where a body ends with its connection, one that was cut looks whole.
        if time.monotonic() >= self._deadline:
            raise httpx.ReadTimeout("the answer took too long", request=request)
        return httpx.Response(answer.status_code, content=data)

    def close(self) -> None:
        self._client.close()

    def _body(self, answer: httpx.Response) -> bytes:
        data = bytearray()
        for chunk in answer.iter_bytes():
            data += chunk
            if len(data) > self._largest:
                size, unit = (self._largest >> 20, "MiB") if self._largest >> 20 else (self._largest >> 10, "KiB")
                raise Unreadable(answer.status_code, f"is longer than {size} {unit}")
        return bytes(data)

    def _trace(self, event: str, about: dict[str, Any]) -> None:
        """https://www.encode.io/httpcore/extensions/#trace"""
        if event.endswith("connect_tcp.started"):
            self._number = None
        elif event.endswith("connect_tcp.complete"):
            self._number = about["return_value"].get_extra_info("socket").fileno()
            if time.monotonic() >= self._deadline:
                _cut(self._number)
