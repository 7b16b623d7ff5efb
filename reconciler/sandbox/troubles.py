"""What a host of the world can be in trouble with, beyond being down or wrong in what it says."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from functools import cache
from itertools import count

from reconciler.sandbox.exchange import Response

TROUBLES = {
    "slow": "it answers after longer than anybody waits",
    "html": "it answers everything with a page for people, and 200",
    "huge": "it answers everything with 16 MiB",
    "gzip_bomb": "it answers everything with what unpacks to 64 MiB",
    "redirect": "it redirects everything to a cloud's metadata service",
    "flapping": "every other answer is a 503",
    "expired_certificate": "its certificate has expired",
}
SECONDS = 30.0
"""How long a slow host takes."""

Answering = Callable[[], Response]


class Unreachable(Exception):
    """Nothing answers at that address."""


class Slow(Unreachable):
    """Nothing answers in time. `response` is what comes at last."""

    def __init__(self, response: Response) -> None:
        super().__init__("slow")
        self.response = response


class Mistrusted(Unreachable):
    """TLS fails before anything is answered."""


class Troubled:
    """Answers as somebody does who is in that trouble; None: as always."""

    def __init__(self, trouble: str | None) -> None:
        self._trouble = trouble
        self._asked = count()

    def answer(self, healthy: Answering) -> Response:
        """Raises Unreachable where no answer comes in time."""
        match self._trouble:
            case None:
                return healthy()
            case "slow":
                raise Slow(healthy())
            case "expired_certificate":
                raise Mistrusted("its certificate has expired")
            case "flapping" if next(self._asked) % 2:
                return healthy()
        return _broken(self._trouble)


def _broken(trouble: str) -> Response:
    match trouble:
        case "html":
            return Response(200, b"<!doctype html><title>Welcome</title>", {"Content-Type": "text/html"})
        case "huge":
            return Response(200, b'{"padding": "' + b"x" * 16 * 2**20 + b'"}', {"Content-Type": "application/json"})
        case "gzip_bomb":
            return Response(200, _bomb(), {"Content-Type": "application/json", "Content-Encoding": "gzip"})
        case "redirect":
            return Response(302, None, {"Location": "http://169.254.169.254/latest/meta-data/"})
    return Response(503, {"error": "temporarily_unavailable"})


@cache
def _bomb() -> bytes:
    return gzip.compress(b" " * 64 * 2**20, compresslevel=9, mtime=0)
