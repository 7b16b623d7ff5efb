"""Serve the sandbox on this machine's loopback interface, until it is interrupted."""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from reconciler.model.diagnostic import Refused, error


def serve(app: Any, port: int, announce: Callable[[str], None]) -> None:
    """Serve `app` on 127.0.0.1; port 0 takes a free one.

    `announce` is called once with the address (`http://127.0.0.1:PORT`) when it accepts requests. Returns after
    SIGINT or SIGTERM. Raises Refused if the port can't be had.
    """
    listening = _listen(port)
    with listening, _interruptible(), suppress(KeyboardInterrupt):
        asyncio.run(_serve(app, listening, announce))


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM interrupt as SIGINT does: uvicorn stops gracefully and then raises the signal again."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, _interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, action in previous.items():
            signal.signal(number, action)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _listen(port: int) -> socket.socket:
    # The protocol is named, for only then does asyncio set TCP_NODELAY; without it answers wait for acknowledgements.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(128)
    except (OSError, OverflowError) as problem:
        listening.close()
        summary = f"The port {port} can't be listened on: {problem}"
        raise Refused([error("sandbox.port", summary, "Name another port, or 0 for any that is free.")]) from None
    return listening


async def _serve(app: Any, listening: socket.socket, announce: Callable[[str], None]) -> None:
    import uvicorn

    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        # The app's own clock tells the date, against which rate limits are to be read.
        date_header=False,
        server_header=False,
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)
    # The socket listens already, so whoever calls from now on is answered as soon as the loop runs.
    announce(f"http://127.0.0.1:{listening.getsockname()[1]}")
    await server.serve(sockets=[listening])
