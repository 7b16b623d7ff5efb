"""The wire to an org or a sandbox: where calls get an address, credentials, secrets, their turn and their budget."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any
from urllib.parse import urlencode, urlsplit

from reconciler.config.settings import OktaSettings
from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Reference, Secret, describe, is_reference
from reconciler.model.spec import is_loopback
from reconciler.okta.auth import ApiToken, Attempt, Auth, Unanswered
from reconciler.okta.names import bucket
from reconciler.okta.redaction import Redactor
from reconciler.okta.throttle import Throttle
from reconciler.okta.wire import Outgoing, Wire
from reconciler.ports import Answer, Call, Leave
from reconciler.secrets.reader import SecretReader

EMBEDDED = "http://sandbox.localhost"
_SANDBOX_TOKEN = "sandbox"
"""Known to everybody, and so a word like any other."""
_HEADERS = {"accept": "application/json", "accept-encoding": "identity", "user-agent": "reconciler"}
_FORM = "application/x-www-form-urlencoded"

Read = Callable[[Reference], Secret]
DEFAULT_READER = SecretReader()
Pause = Callable[[float], Awaitable[None]]
"""Waits for so many seconds, or raises what is to come of the call instead."""
Tell = Callable[[Secret], None]
"""Told every secret there is, so that it can be taken out of what comes back."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`budget_percent` is our share of the org's rate limit; `timeout` the seconds one request may take in all."""

    budget_percent: int = 80
    timeout: float = 30.0


DEFAULT_LIMITS = Limits()


@dataclass(slots=True)
class _Connection:
    """What can't be taken from one event loop to another."""

    loop: asyncio.AbstractEventLoop
    wire: Wire
    lanes: dict[str, asyncio.Lock] = field(default_factory=dict)


class HttpTransport:
    """Implements ports.Transport. `auth` makes the credentials; `app` is the ASGI app that answers instead of the
    network; `read` gives the secrets that bodies refer to; by `pause` it waits for its budget."""

    def __init__(
        self,
        base_url: str,
        auth: Callable[[Tell], Auth],
        *,
        app: Any = None,
        limits: Limits = DEFAULT_LIMITS,
        read: Read = DEFAULT_READER,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self._origin = _origin(base_url, embedded=app is not None)
        self._redactor = Redactor()
        self._auth = auth(self._redactor.add)
        self._app = app
        self._timeout = limits.timeout
        self._read = read
        self._pause = pause
        self._throttle = Throttle(limits.budget_percent)
        self._connection: _Connection | None = None

    @classmethod
    def to_org(cls, settings: OktaSettings, read: Read = DEFAULT_READER, pause: Pause = asyncio.sleep) -> HttpTransport:
        """To the org that the settings name. Refused for an address that isn't one, or no one way to authenticate."""
        limits = Limits(settings.budget_percent, settings.request_timeout_seconds)
        auth = partial(_auth_of, settings, read)
        return cls(settings.org_url, auth, limits=limits, read=read, pause=pause)

    @classmethod
    def to_app(cls, app: Any, read: Read = DEFAULT_READER, token: str = _SANDBOX_TOKEN) -> HttpTransport:
        """To an ASGI app in this program, which keeps no rate limit but its own and takes that token."""
        auth = partial(_fixed_token, token)
        return cls(EMBEDDED, auth, app=app, limits=Limits(budget_percent=100), read=read)

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        url = self._url(call)
        # A Vault or a password manager may take its time, which is not to be everybody's.
        content = await asyncio.to_thread(self._content, call) if call.secrets else self._content(call)
        connection = self._connected()
        headers = _HEADERS if content is None else {**_HEADERS, "content-type": call.content_type}
        outgoing = Outgoing(call.method, url, headers, content, leave)
        if call.lane is None:
            return await self._authenticated(connection, outgoing)
        async with connection.lanes.setdefault(call.lane, asyncio.Lock()):
            return await self._authenticated(connection, outgoing)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None and connection.loop is asyncio.get_running_loop():
            await connection.wire.close()

    async def _authenticated(self, connection: _Connection, outgoing: Outgoing) -> Answer:
        """The answer; tried once more with new credentials if there are any after a 401, by which nothing was done."""
        post = partial(self._post_form, connection.wire)
        method, url = outgoing.method, outgoing.url
        limit = bucket(method, urlsplit(url).path)
        answer: Answer | None = None
        while True:
            try:
                credentials = await self._auth.headers(Attempt(method, url, answer), post)
            except Unanswered as unanswered:
                return replace(unanswered.answer, sent=False)
            if credentials is None and answer is not None:
                return answer
            again = answer is not None
            complete = outgoing._replace(headers={**outgoing.headers, **(credentials or {})})
            answer = await self._budgeted(connection.wire, limit, complete)
            if again or answer.status != 401:
                return answer

    async def _budgeted(self, wire: Wire, limit: str, outgoing: Outgoing) -> Answer:
        clock = asyncio.get_running_loop().time
        while (pause := self._throttle.delay(limit, clock())) > 0:
            await self._pause(pause)
        self._throttle.sent(limit)
        answer = Answer(0)
        try:
            answer = await wire.send(outgoing, self._redactor.scrub)
        finally:
            self._throttle.heard(limit, answer, clock())
        return answer

    async def _post_form(self, wire: Wire, path: str, headers: Mapping[str, str], form: bytes) -> Answer:
        outgoing = Outgoing("POST", f"{self._origin}{path}", {**_HEADERS, "content-type": _FORM, **headers}, form)
        return await self._budgeted(wire, bucket("POST", path), outgoing)

    def _connected(self) -> _Connection:
        loop = asyncio.get_running_loop()
        if self._connection is None or self._connection.loop is not loop:
            host = urlsplit(self._origin).netloc
            self._connection = _Connection(loop, Wire(host, self._app, self._timeout))
        return self._connection

    def _url(self, call: Call) -> str:
        """The call's URL; Refused for any origin but our own: credentials go nowhere else."""
        url = call.path
        if url.startswith("/") and not url.startswith("//"):
            url = f"{self._origin}{url}"
        elif _bare_origin(url) != _bare_origin(self._origin):
            told = f"Okta's answer leads to another host ({_bare_origin(url)[1] or 'none'}), which is not asked"
            raise Refused([error("okta.foreign-link", told, "Check provider.okta.org_url; is a proxy in between?")])
        if call.query:
            url = f"{url}{'&' if '?' in url else '?'}{urlencode(call.query)}"
        return url

    def _content(self, call: Call) -> bytes | None:
        if call.body is None:
            return None
        body = self._revealed(call.body, call.secrets) if call.secrets else call.body
        return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")

    def _revealed(self, body: Any, secrets: frozenset[str]) -> Any:
        """The body with every secret in the place of its reference."""
        if isinstance(body, Mapping):
            return {
                key: self._reveal(value) if key in secrets and is_reference(value) else self._revealed(value, secrets)
                for key, value in body.items()
            }
        return [self._revealed(entry, secrets) for entry in body] if isinstance(body, list) else body

    def _reveal(self, reference: Reference) -> str:
        secret = self._read(reference)
        self._redactor.add(secret)
        return secret.reveal()


def _fixed_token(token: str, tell: Tell) -> Auth:
    if token != _SANDBOX_TOKEN:
        tell(Secret(token))
    return ApiToken(lambda: Secret(token), "of the sandbox")


def _auth_of(settings: OktaSettings, read: Read, tell: Tell) -> Auth:
    """The one way to authenticate that the settings give."""

    def told(reference: Reference) -> Secret:
        secret = read(reference)
        tell(secret)
        return secret

    token, app = settings.auth.token, settings.auth.private_key_jwt
    if (token is None) == (app is None):
        both = "provider.okta.auth takes exactly one of token and private_key_jwt"
        raise Refused([error("config.auth", both, "Give one of the two.")])
    if token is not None:
        return ApiToken(partial(told, token), describe(token))
    from reconciler.okta.client_credentials import ClientCredentials, ClientNames

    assert app is not None
    names = ClientNames(
        org_url=_origin(settings.org_url),
        client_id=app.client_id,
        scopes=tuple(app.scopes),
        shown=describe(app.key),
        key_id=app.key_id,
        dpop=app.dpop,
    )
    return ClientCredentials(names, partial(told, app.key), tell)


def _origin(base_url: str, *, embedded: bool = False) -> str:
    """Scheme and host of the org, without anything behind them."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.path.strip("/") or parts.query:
        told = f"{base_url} is not the address of an Okta org"
        raise Refused([error("config.org-url", told, "It looks like https://acme.okta.com, without a path.")])
    if parts.scheme == "http" and not embedded and not is_loopback(parts.hostname):
        told = f"{base_url} is not encrypted, and credentials would be sent to it"
        raise Refused([error("config.org-url", told, "Use https://; http:// is for this machine's loopback only.")])
    return f"{parts.scheme}://{parts.netloc}"


def _bare_origin(url: str) -> tuple[str, str | None, int | None]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return "", None, None
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    except ValueError:
        port = None
    return parts.scheme, parts.hostname, port
