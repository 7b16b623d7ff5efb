"""What an OAuth endpoint said, judged by the `error` of its JSON, never by its status alone (RFC 6749 section 5.2)."""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from reconciler.ports import Fetched
from reconciler.readiness.finding import quoted
from reconciler.readiness.strict_json import read_object

_ERROR = re.compile(r"[\x20\x21\x23-\x5B\x5D-\x7E]{1,60}")
_TOKENS = ("access_token", "refresh_token", "id_token")


class Said(NamedTuple):
    """`error` is the OAuth error code. `gave_token`: it answered with a token, which is looked at no further."""

    status: int
    error: str | None = None
    description: str = ""
    gave_token: bool = False
    is_json: bool = False

    def __str__(self) -> str:
        return f"{self.status} {self.error}" if self.error else str(self.status)


def read_said(answer: Fetched) -> Said:
    try:
        document = read_object(answer.body)
    except ValueError:
        return Said(answer.status)
    error = document.get("error")
    code = quoted(error) if isinstance(error, str) and _ERROR.fullmatch(error) else None
    gave = any(isinstance(document.get(name), str) for name in _TOKENS)
    return Said(answer.status, code, quoted(document.get("error_description", "")), gave, True)


def stranger(endpoint: str) -> str:
    """A client id, token or code that nobody ever issued; the same for the same endpoint, so that it leaves at most
    one trace in its log."""
    return f"reconciler-probe-{hashlib.sha256(endpoint.encode()).hexdigest()[:16]}"
