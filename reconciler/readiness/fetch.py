"""The fetch door: the only way to a URL that the configuration or a stranger names.

The address is checked inside connect and connected to as it is, so no second look-up can slip another one in; TLS
still verifies the name. No redirect is followed, no proxy or .netrc of the environment is used, and whatever arrives
is bounded in size and time, also after decompression.
"""

from __future__ import annotations

import asyncio
import base64
import errno
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore
import httpx

from reconciler.model.secret import Reference, Secret
from reconciler.ports import Fetch, Fetched
from reconciler.readiness.egress import Egress, Forbidden, Place, address_problem, place_of
from reconciler.readiness.event_stream import is_answered
from reconciler.readiness.payload import Garbled, TooLarge, encode, expander, scrub

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""The addresses of a host name; raises OSError."""

_SAFE = "/?%:@!$&'()*+,;=~-._"

App = Callable[..., Any]
"""An ASGI application."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds for connecting, for each read, and for the whole of one request; requests at once in all and to one
    host; the least seconds between two requests with credentials to one host."""

    connect: float = 3.0
    read: float = 5.0
    whole: float = 10.0
    at_once: int = 8
    at_once_per_host: int = 2
    between_credentials: float = 0.2


class Door:
    """ports.FetchDoor. `played` says which hosts (as in a Host header) are found at another origin, where somebody
    plays them; or it is the ASGI application by which every permitted URL is answered, told apart by its Host header,
    and nothing is looked up or connected to."""

    def __init__(
        self,
        egress: Egress,
        resolve_secret: Callable[[Reference], Secret],
        *,
        ca_file: Path | None = None,
        resolve: Resolve | None = None,
        limits: Limits | None = None,
        played: App | Mapping[str, str] | None = None,
    ) -> None:
        self._egress = egress
        self._resolve_secret = resolve_secret
        self._limits = limits or Limits()
        self._played = played if isinstance(played, Mapping) else {}
        self._slots = asyncio.Semaphore(self._limits.at_once)
        self._hosts: dict[str, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(self._limits.at_once_per_host)
        )
        self._credentials: dict[str, tuple[asyncio.Lock, float]] = {}
        self._pool: httpx.ASGITransport | httpcore.AsyncConnectionPool
        if played is not None and not isinstance(played, Mapping):
            self._pool = httpx.ASGITransport(played, raise_app_exceptions=True)
        else:
            self._pool = httpcore.AsyncConnectionPool(
                ssl_context=_trust(ca_file),
                network_backend=_CheckedBackend(egress, resolve or look_up),
                keepalive_expiry=5.0,
            )

    async def close(self) -> None:
        await self._pool.aclose()

    async def fetch(self, request: Fetch) -> Fetched:
        started = time.monotonic()
        try:
            place = place_of(request.url, self._egress)
        except Forbidden as reason:
            return Fetched(0, problem="policy", detail=str(reason))
        headers, body, secrets = self._prepare(request, place)
        async with self._slots, self._hosts[place.host]:
            if secrets:
                await self._take_turn(place.host)
            try:
                async with asyncio.timeout(self._limits.whole):
                    answer = await self._send(request, place, headers, body)
            except Exception as problem:
                answer = _failure(problem)
        spent = int((time.monotonic() - started) * 1000)
        return replace(scrub(answer, secrets), milliseconds=spent)

    async def _take_turn(self, host: str) -> None:
        """Authorization servers count wrong credentials in quick succession as an attack."""
        lock, _ = self._credentials.setdefault(host, (asyncio.Lock(), 0.0))
        async with lock:
            _, earliest = self._credentials[host]
            await asyncio.sleep(max(0.0, earliest - time.monotonic()))
            self._credentials[host] = (lock, time.monotonic() + self._limits.between_credentials)

    def _prepare(self, request: Fetch, place: Place) -> tuple[dict[str, str], bytes, list[str]]:
        secrets: list[str] = []

        def reveal(reference: Reference) -> str:
            secrets.append(self._resolve_secret(reference).reveal())
            return secrets[-1]

        headers = {name.lower(): value for name, value in request.headers.items()}
        headers |= {"host": _netloc(place), "accept-encoding": "identity"}
        headers.setdefault("accept", "application/json")
        headers.setdefault("user-agent", "reconciler-probe")
        if request.basic is not None:
            client, reference = request.basic
            pair = f"{quote(client, safe='')}:{quote(reveal(reference), safe='')}"
            secrets.append(base64.b64encode(pair.encode()).decode())
            headers["authorization"] = f"Basic {secrets[-1]}"
        body = request.body
        if isinstance(body, Mapping):
            body = {key: reveal(value) if key in request.secrets else value for key, value in body.items()}
        data = encode(body, request.content_type)
        if request.content_type:
            headers["content-type"] = request.content_type
        if data or request.method == "POST":
            headers["content-length"] = str(len(data))
        return headers, data, secrets

    async def _send(self, request: Fetch, place: Place, headers: Mapping[str, str], body: bytes) -> Fetched:
        parts = urlsplit(request.url)
        target = quote(parts.path or "/", safe=_SAFE) + (f"?{quote(parts.query, safe=_SAFE)}" if parts.query else "")
        pairs = [(name.encode("ascii"), value.encode()) for name, value in headers.items()]
        at = self._where(place)
        wire = httpcore.URL(scheme=at.scheme.encode(), host=at.host.encode(), port=at.port, target=target.encode())
        limits = self._limits
        waits = {"connect": limits.connect, "read": limits.read, "write": limits.read, "pool": limits.whole}
        if isinstance(self._pool, httpx.ASGITransport):
            url = f"{place.scheme}://{_netloc(place)}{target}"
            played = await self._pool.handle_async_request(
                httpx.Request(request.method, url, headers=dict(headers), content=body)
            )
            return await _collect(played.status_code, played.headers.raw, played.aiter_raw(), request.limit)
        call = httpcore.Request(request.method, wire, headers=pairs, content=body, extensions={"timeout": waits})
        response = await self._pool.handle_async_request(call)
        try:
            days = _certificate_days(response)
            answer = await _collect(response.status, response.headers, response.aiter_stream(), request.limit)
            return replace(answer, certificate_days=days)
        finally:
            with suppress(Exception):
                await response.aclose()

    def _where(self, place: Place) -> Place:
        origin = self._played.get(_netloc(place))
        return place if origin is None else place_of(origin, self._egress)


class _CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connects to the very address that was found permitted."""

    def __init__(self, egress: Egress, resolve: Resolve) -> None:
        self._egress = egress
        self._resolve = resolve
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        async with asyncio.timeout(timeout):
            found = list(dict.fromkeys(await self._resolve(host, port)))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
        for each in found:
            problem = address_problem(ip_address(each.partition("%")[0]), host, self._egress)
            if problem:
                raise Forbidden(problem)
        failure: Exception | None = None
        for each in found[:4]:
            try:
                return await self._network.connect_tcp(each, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as problem:
                failure = problem
        raise failure or httpcore.ConnectError("no address could be connected to")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


async def look_up(host: str, port: int) -> list[str]:
    """The addresses that this machine's resolver gives for `host`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _netloc(place: Place) -> str:
    host = f"[{place.host}]" if ":" in place.host else place.host
    return host if place.port == {"https": 443, "http": 80}[place.scheme] else f"{host}:{place.port}"


async def _collect(status: int, headers: Iterable[tuple[bytes, bytes]], stream: Any, limit: int) -> Fetched:
    """At most `limit` bytes of the body, as they are or decompressed. An event stream is read only until it has
    answered, since its server may keep it open."""
    joined: dict[str, str] = {}
    for raw, value in headers:
        name = raw.decode("latin-1").lower()
        text = value.decode("latin-1")
        joined[name] = f"{joined[name]}, {text}" if name in joined else text
    coding = joined.get("content-encoding", "identity").strip().lower()
    expand = expander(coding, limit)
    body = b""
    is_events = joined.get("content-type", "").startswith("text/event-stream")
    try:
        async for chunk in stream:
            body += expand(chunk)
            if len(body) > limit:
                raise TooLarge
            if is_events and is_answered(body):
                break
    except (TimeoutError, httpcore.TimeoutException):
        if not is_events:
            raise
    return Fetched(status, joined, body)


def _failure(problem: Exception) -> Fetched:
    causes: list[BaseException] = []
    cause: BaseException | None = problem
    while cause is not None and cause not in causes:
        causes.append(cause)
        cause = cause.__cause__ or cause.__context__
    name, detail = _name_failure(problem, causes)
    return Fetched(0, problem=name, detail=detail)


def _name_failure(problem: Exception, causes: list[BaseException]) -> tuple[str, str]:
    forbidden = next((c for c in causes if isinstance(c, Forbidden)), None)
    unknown = next((c for c in causes if isinstance(c, socket.gaierror)), None)
    tls = next((c for c in causes if isinstance(c, ssl.SSLError)), None)
    if forbidden is not None:
        return "policy", str(forbidden)
    if unknown is not None:
        if unknown.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", -5)):
            return "dns", "there is no such host name"
        return "timeout", "the name server didn't answer"
    if tls is not None:
        return "tls", _tls_words(tls)
    if isinstance(problem, TooLarge):
        return "size", "its answer is larger than is read"
    if isinstance(problem, Garbled):
        return "broken", str(problem)
    if any(isinstance(c, TimeoutError | httpcore.TimeoutException) for c in causes):
        return "timeout", "it didn't answer in time"
    if isinstance(problem, httpcore.ConnectError | OSError):
        refused = any(getattr(c, "errno", None) == errno.ECONNREFUSED for c in causes)
        return "connect", "it refused the connection" if refused else "it can't be connected to"
    return "broken", "it broke off, or what it sent is not HTTP"


def _tls_words(problem: ssl.SSLError) -> str:
    if isinstance(problem, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {problem.verify_message[:120]}"
    return f"TLS could not be established: {(problem.reason or 'no common ground').lower().replace('_', ' ')}"


def _certificate_days(response: httpcore.Response) -> float | None:
    stream = response.extensions.get("network_stream")
    tls = stream.get_extra_info("ssl_object") if stream is not None else None
    shown = tls.getpeercert() if tls is not None else None
    return (ssl.cert_time_to_seconds(str(shown["notAfter"])) - time.time()) / 86_400 if shown else None
