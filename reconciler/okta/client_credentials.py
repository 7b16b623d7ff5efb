"""A service app's credentials: client credentials with a private_key_jwt assertion, at the org's token endpoint.

Okta, "Implement OAuth for Okta with a service app"; RFC 7523 (assertion), RFC 9449 (DPoP). Tokens are kept until
shortly before they expire, and renewed once when one is refused earlier.
"""

from __future__ import annotations

import asyncio
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any
from urllib.parse import urlencode, urlsplit

from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.secret import Secret
from reconciler.okta.auth import Attempt, Headers, Post, Unanswered
from reconciler.okta.errors import printable
from reconciler.okta.keys import SigningKey, new_key, read_key
from reconciler.okta.names import TOKEN, dig, text
from reconciler.ports import Answer

_ASSERTION_SECONDS = 300
_EARLY = 60.0
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class ClientNames:
    """`shown` is the key's reference, as people are told it. `org_url` has no slash at its end."""

    org_url: str
    client_id: str
    scopes: tuple[str, ...]
    shown: str
    key_id: str | None = None
    dpop: bool = False


class ClientCredentials:
    """Credentials that renew themselves. `read` gives the private key; `tell` is told every token."""

    def __init__(self, names: ClientNames, read: Callable[[], Secret], tell: Callable[[Secret], None]) -> None:
        self._names = names
        self._read = read
        self._tell = tell
        self._key: SigningKey | None = None
        self._bound = new_key() if names.dpop else None
        self._nonce: str | None = None
        self._token: Secret | None = None
        self._good_until = 0.0
        self._turn: tuple[Any, asyncio.Lock] | None = None

    async def headers(self, attempt: Attempt, post: Post) -> Headers | None:
        refused = self._token
        if attempt.again is not None:
            self._nonce = attempt.again.headers.get("dpop-nonce", self._nonce)
        async with self._lock():
            # Another call may have renewed it while this one waited for its turn.
            stale = self._token is None or time.monotonic() >= self._good_until
            if stale or (attempt.again is not None and self._token is refused):
                await self._renew(post)
        token = self._token
        if token is None:
            return None
        if self._bound is None:
            return {"authorization": f"Bearer {token.reveal()}"}
        proof = self._proof(self._bound, attempt.method, attempt.url, token)
        return {"authorization": f"DPoP {token.reveal()}", "dpop": proof}

    def _lock(self) -> asyncio.Lock:
        """One renewal at a time; locks can't be taken from one event loop to another."""
        loop = asyncio.get_running_loop()
        if self._turn is None or self._turn[0] is not loop:
            self._turn = (loop, asyncio.Lock())
        return self._turn[1]

    async def _renew(self, post: Post) -> None:
        answer = await self._ask(post)
        if self._bound is not None and dig(answer.body, "error") == "use_dpop_nonce":
            self._nonce = answer.headers.get("dpop-nonce")
            answer = await self._ask(post)
        token = text(dig(answer.body, "access_token"))
        if answer.ok and token is not None:
            self._token = Secret(token)
            self._tell(self._token)
            seconds = dig(answer.body, "expires_in")
            lifetime = float(seconds) if isinstance(seconds, int | float) else 3600.0
            self._good_until = time.monotonic() + lifetime - min(_EARLY, lifetime / 10)
        elif answer.status in (0, 408, 429) or answer.status >= 500:
            raise Unanswered(answer)
        else:
            raise Refused([_denied(answer, self._names)])

    async def _ask(self, post: Post) -> Answer:
        form = {
            "grant_type": "client_credentials",
            "scope": " ".join(self._names.scopes),
            "client_assertion_type": _ASSERTION_TYPE,
            "client_assertion": self._assertion(),
        }
        url = f"{self._names.org_url}{TOKEN}"
        proof = {} if self._bound is None else {"dpop": self._proof(self._bound, "POST", url)}
        return await post(TOKEN, proof, urlencode(form).encode())

    def _assertion(self) -> str:
        if self._key is None:
            self._key = read_key(self._read(), self._names.key_id, self._names.shown)
        now = int(time.time())
        client = self._names.client_id
        claims = {
            "iss": client,
            "sub": client,
            "aud": f"{self._names.org_url}{TOKEN}",
            "iat": now,
            "exp": now + _ASSERTION_SECONDS,
            "jti": token_urlsafe(16),
        }
        return self._key.sign(claims, {"kid": self._key.key_id} if self._key.key_id else {})

    def _proof(self, key: SigningKey, method: str, url: str, token: Secret | None = None) -> str:
        """RFC 9449 section 4.2: for this method and URL only, and for this token if there is one yet."""
        claims = {
            "htm": method,
            "htu": urlsplit(url)._replace(query="", fragment="").geturl(),
            "iat": int(time.time()),
            "jti": token_urlsafe(16),
        }
        if self._nonce is not None:
            claims["nonce"] = self._nonce
        if token is not None:
            claims["ath"] = urlsafe_b64encode(sha256(token.reveal().encode()).digest()).rstrip(b"=").decode()
        return key.sign(claims, {"typ": "dpop+jwt", "jwk": key.public_jwk()})


def _denied(answer: Answer, names: ClientNames) -> Diagnostic:
    code = text(dig(answer.body, "error")) or text(dig(answer.body, "errorCode")) or f"status {answer.status}"
    said = text(dig(answer.body, "error_description")) or text(dig(answer.body, "errorSummary")) or "no reason given"
    if not names.dpop and (code in ("use_dpop_nonce", "invalid_dpop_proof") or "dpop" in said.lower()):
        return error(
            "auth.dpop-required",
            f"The service app {names.client_id} requires proof of possession (DPoP) for its tokens",
            "Set dpop: true under provider.okta.auth.private_key_jwt, or switch off "
            '"Require Demonstrating Proof of Possession" in the app.',
        )
    hints = {
        "invalid_client": "Check client_id, and that the app has the public half of this key"
        + (f" under the kid {names.key_id}." if names.key_id else "."),
        "invalid_scope": "Grant these okta.* scopes to the app, or ask for fewer under scopes.",
    }
    return error(
        "auth.token-refused",
        f"Okta refused a token for the service app {names.client_id}: {printable(said)} ({printable(code)})",
        hints.get(code, ""),
    )
