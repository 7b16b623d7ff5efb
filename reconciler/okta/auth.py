"""Who we are to Okta: an API token (SSWS), or a service app that gets its own tokens (see client_credentials.py)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol

from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.secret import Secret
from reconciler.ports import Answer

Headers = dict[str, str]
Post = Callable[[str, Mapping[str, str], bytes], Awaitable[Answer]]
"""Sends a form to a path of the org, with those headers and nothing else."""


class Attempt(NamedTuple):
    """The request that is to be authenticated. `again` if the last attempt was answered with 401."""

    method: str
    url: str
    again: Answer | None = None


class Unanswered(Exception):
    """No credentials, because the token endpoint gave no verdict: its answer stands for that of the call."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(f"status {answer.status}")
        self.answer = answer


class Auth(Protocol):
    """Credentials. They are resolved when first needed, not before."""

    async def headers(self, attempt: Attempt, post: Post) -> Headers | None:
        """Headers for the attempt; None if there is nothing new to try after a 401. Raises Refused, Unanswered."""
        ...


class ApiToken:
    """A static token. It is read once more after a 401: a file may have been rotated meanwhile."""

    def __init__(self, read: Callable[[], Secret], shown: str) -> None:
        self._read = read
        self._shown = shown
        self._token: Secret | None = None

    async def headers(self, attempt: Attempt, post: Post) -> Headers | None:
        if self._token is None or attempt.again is not None:
            token = self._read()
            if not token.reveal().isascii() or not token.reveal().isprintable() or " " in token.reveal():
                raise Refused([_malformed(self._shown)])
            if attempt.again is not None and token == self._token:
                return None
            self._token = token
        return {"authorization": f"SSWS {self._token.reveal()}"}


def _malformed(shown: str) -> Diagnostic:
    return error(
        "auth.token",
        f"The API token {shown} holds characters that no token has",
        "Check that it is the bare token, without quotes, blanks or line breaks.",
    )
