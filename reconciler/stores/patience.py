"""An end to waiting on a socket: a server that is frozen keeps a connection up for ever, and with it whoever waits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from socket import SHUT_RDWR, socket
from threading import Timer


@contextmanager
def cut_after(seconds: float, fileno: Callable[[], int | None]) -> Iterator[None]:
    """Shuts the socket with that number (None: there is none), if what is done here takes longer than that."""

    def cut() -> None:
        number = fileno()
        if number is not None:
            with suppress(OSError), socket(fileno=os.dup(number)) as found:
                found.shutdown(SHUT_RDWR)

    watch = Timer(seconds, cut)
    watch.daemon = True
    watch.start()
    try:
        yield
    finally:
        watch.cancel()
