"""The user's wish to stop, as an asyncio driver learns of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from reconciler.apply.waiting import Interrupted


class Interrupts:
    """`press` may be called by a signal handler, or from any thread. The first time, no new step is started and nothing
    is waited for any longer; the second time, everything stops at once."""

    def __init__(self) -> None:
        self.count = 0
        self.stopping = asyncio.Event()
        self.stopped = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def press(self) -> None:
        self.count += 1
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._announce)

    def attach(self) -> None:
        """Wake those who wait in the running loop, from now on."""
        self._loop = asyncio.get_running_loop()
        self._announce()

    async def heed(self, waiting: Awaitable[None]) -> None:
        """Waits, or gives that up and raises Interrupted as soon as the user wants to stop."""
        waited = asyncio.ensure_future(waiting)
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            await asyncio.wait({waited, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waited.cancel()
            stopping.cancel()
        if self.stopping.is_set():
            raise Interrupted

    async def sleep(self, seconds: float) -> None:
        """As asyncio's, for as long as the user doesn't want to stop."""
        await self.heed(asyncio.sleep(seconds))

    def _announce(self) -> None:
        if self.count > 0:
            self.stopping.set()
        if self.count > 1:
            self.stopped.set()
