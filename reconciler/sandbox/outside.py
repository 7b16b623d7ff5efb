"""The embedded sandbox as somebody on the internet would find it: the org and the world's hosts, and nobody else.

Served behind a port it can only be asked under a name; embedded it also plays what comes before HTTP, as the exceptions
that the network raises: names that don't exist, refused connections, bad certificates, answers that don't come.
"""

from __future__ import annotations

import errno
import socket
import ssl

from reconciler.sandbox.app import Sandbox
from reconciler.sandbox.exchange import Deliver, Receive, Scope, read_request, send_response
from reconciler.sandbox.troubles import Mistrusted, Slow, Unreachable


class Outside:
    """An ASGI application; `org_host` is the name by which the org is called. Raises OSError for a host that can't be
    reached."""

    def __init__(self, sandbox: Sandbox, org_host: str) -> None:
        self._sandbox = sandbox
        self._org_host = org_host

    async def __call__(self, scope: Scope, receive: Receive, deliver: Deliver) -> None:
        name = dict(scope["headers"]).get(b"host", b"").decode("latin-1")
        hosts = self._sandbox.hosts
        if hosts is None or not hosts.knows(name):
            if name != self._org_host:
                raise socket.gaierror(socket.EAI_NONAME, "there is no such host in the world")
            await self._sandbox(scope, receive, deliver)
            return
        try:
            response = hosts.answer(await read_request(scope, receive, None))
        except Slow:
            raise TimeoutError from None
        except Mistrusted as reason:
            broken = ssl.SSLCertVerificationError(1, str(reason))
            broken.verify_message = str(reason)
            raise broken from None
        except Unreachable:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "nobody answers") from None
        await send_response(response, deliver)
