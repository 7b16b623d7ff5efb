"""A wire on which nothing can be written: whoever only looks is given this one."""

from __future__ import annotations

from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Answer, Call, Leave, Transport

_READING = frozenset({"GET", "HEAD"})


class ReadOnlyTransport:
    """Implements ports.Transport over another one. Refused (`okta.read-only`) for a method that could change anything;
    nothing of such a call is sent."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        if call.method not in _READING:
            told = f"{call.method} {call.path} would change the live system, which is only looked at here"
            raise Refused([error("okta.read-only", told, "This is a mistake in the program; nothing was sent.")])
        return await self._inner.exchange(call, leave)

    async def close(self) -> None:
        await self._inner.close()
