"""The fetch door against real and hostile hosts on loopback: what it lets through, and what it stops."""

from __future__ import annotations

import asyncio
import base64
import gzip
import socket
import time
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Secret
from reconciler.ports import Fetch, Fetched
from reconciler.readiness.egress import Egress
from reconciler.readiness.fetch import Door, Limits
from tests.readiness.certificates import Authority
from tests.readiness.foreign import Asked, Foreign, Reply, foreign_host

CANARY = "s3cr3t/canary+value=="
QUICK = Limits(connect=0.5, read=0.3, whole=0.6, between_credentials=0.1)
FORM = "application/x-www-form-urlencoded"


def resolve_secret(reference: object) -> Secret:
    if reference == {"env": "MISSING"}:
        raise Refused([error("auth.secret", "The secret env:MISSING is not set")])
    return Secret(CANARY)


def names(table: dict[str, list[str]]) -> Callable[[str, int], Awaitable[list[str]]]:
    async def resolve(host: str, port: int) -> list[str]:
        if host not in table:
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return table[host]

    return resolve


def ask(reply: Reply | Callable[[Asked], Reply], request: dict[str, Any] | None = None) -> tuple[Fetched, Foreign]:
    """What the door makes of one answer of a host on loopback."""

    async def run() -> tuple[Fetched, Foreign]:
        door = Door(Egress(loopback=True), resolve_secret, limits=QUICK)
        async with foreign_host(reply if callable(reply) else lambda _: reply) as host:
            try:
                wanted = {"method": "GET", **(request or {})}
                return await door.fetch(Fetch(url=f"{host.url}/x?a=b", **wanted)), host
            finally:
                await door.close()

    return asyncio.run(run())


def test_an_answer_comes_through_with_its_headers_joined() -> None:
    found, host = ask(Reply(401, {"error": "invalid_token"}, {"WWW-Authenticate": "Bearer", "X-B": "1"}))
    assert (found.status, found.problem, found.body) == (401, None, b'{"error": "invalid_token"}')
    assert found.headers["www-authenticate"] == "Bearer"
    asked = host.asked[0]
    assert (asked.path, asked.query) == ("/x", "a=b")
    assert asked.headers["accept-encoding"] == "identity"
    assert asked.headers["host"] == f"127.0.0.1:{host.port}"


def test_a_redirect_is_reported_and_not_followed() -> None:
    found, host = ask(Reply(302, b"", {"Location": "http://169.254.169.254/latest/meta-data/"}))
    assert (found.status, len(host.asked)) == (302, 1)


@pytest.mark.parametrize(
    ("reply", "problem"),
    [
        (Reply(body=b"x" * 70_000), "size"),
        (Reply(pieces=(b"x" * 40_000, b"x" * 40_000), length=False), "size"),
        (Reply(body=gzip.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "gzip"}), "size"),
        (Reply(body=zlib.compress(b"\0" * 50_000_000), headers={"Content-Encoding": "deflate"}), "size"),
        (Reply(body=b"\x01\x02", headers={"Content-Encoding": "br"}), "broken"),
        (Reply(body=b"not gzip", headers={"Content-Encoding": "gzip"}), "broken"),
        (Reply(hang=True), "timeout"),
        (Reply(pieces=(b"x",) * 40, pause=0.05, length=False), "timeout"),
        (Reply(drop=True), "broken"),
    ],
    ids=["long", "long-unsized", "gzip-bomb", "zlib-bomb", "brotli", "bad-gzip", "silent", "slow-drip", "cut"],
)
def test_a_hostile_answer_is_cut_off(reply: Reply, problem: str) -> None:
    started = time.monotonic()
    found, _ = ask(reply)
    assert (found.status, found.problem, found.body) == (0, problem, b"")
    assert found.detail
    assert time.monotonic() - started < 3


def test_small_compressed_content_is_read() -> None:
    found, _ = ask(Reply(body=gzip.compress(b'{"a": 1}'), headers={"Content-Encoding": "gzip"}))
    assert found.body == b'{"a": 1}'


def test_an_event_stream_is_read_until_it_has_answered() -> None:
    stream = (
        b"id: 0\ndata:\n\n",
        b'event: message\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n',
        b"data: x\n\n" * 9,
    )
    reply = Reply(pieces=stream, pause=0.05, headers={"Content-Type": "text/event-stream"}, length=False)
    found, _ = ask(reply)
    assert b'"result"' in found.body
    assert found.problem is None


def test_an_event_stream_that_stays_silent_keeps_what_arrived() -> None:
    reply = Reply(pieces=(b": hello\n\n", b""), pause=0.4, headers={"Content-Type": "text/event-stream"}, length=False)
    found, _ = ask(reply)
    assert (found.status, found.problem) == (200, None)


def test_secrets_are_resolved_at_the_door_and_scrubbed_from_what_comes_back() -> None:
    def echo(asked: Asked) -> Reply:
        return Reply(400, asked.body + asked.headers["authorization"].encode(), {"X-Echo": asked.form["client_secret"]})

    found, host = ask(
        echo,
        {
            "method": "POST",
            "body": {"client_id": "me", "client_secret": {"env": "X"}},
            "secrets": frozenset({"client_secret"}),
            "content_type": FORM,
            "basic": ("me:too", {"env": "X"}),
        },
    )
    assert host.asked[0].form["client_secret"] == CANARY
    user, _, secret = base64.b64decode(host.asked[0].headers["authorization"].split()[1]).decode().partition(":")
    assert (user, secret) == ("me%3Atoo", "s3cr3t%2Fcanary%2Bvalue%3D%3D")
    shown = repr(found)
    assert "s3cr3t" not in shown
    assert base64.b64encode(CANARY.encode()).decode().rstrip("=") not in shown
    assert host.asked[0].headers["authorization"] not in shown


def test_an_unresolvable_secret_refuses_before_anything_is_sent() -> None:
    with pytest.raises(Refused):
        ask(Reply(), {"method": "POST", "body": {"s": {"env": "MISSING"}}, "secrets": frozenset({"s"})})


def test_credentials_to_one_host_are_spaced() -> None:
    async def run() -> float:
        door = Door(Egress(loopback=True), resolve_secret, limits=QUICK)
        async with foreign_host(lambda _: Reply()) as host:
            request = Fetch("POST", host.url, basic=("a", {"env": "X"}))
            started = time.monotonic()
            await asyncio.gather(*(door.fetch(request) for _ in range(3)))
            await door.close()
            return time.monotonic() - started

    assert asyncio.run(run()) >= 0.2


def through_tls(
    tmp_path: Path, host: str, *, days: float = 90.0, certified: str | None = None, trusted: bool = True
) -> Fetched:
    authority = Authority(tmp_path)

    async def run() -> Fetched:
        door = Door(
            Egress(loopback=True, ports=frozenset(range(1, 65536))),
            resolve_secret,
            ca_file=authority.ca_file if trusted else None,
            resolve=names({host: ["127.0.0.1"]}),
            limits=QUICK,
        )
        async with foreign_host(lambda _: Reply(body={}), authority.context(certified or host, days)) as server:
            found = await door.fetch(Fetch("GET", f"https://{host}:{server.port}/"))
            await door.close()
            return found

    return asyncio.run(run())


def test_tls_with_a_trusted_certificate_passes_and_tells_its_age(tmp_path: Path) -> None:
    found = through_tls(tmp_path, "good.test", days=5)
    assert found.status == 200
    assert found.certificate_days is not None
    assert 4 < found.certificate_days <= 5


@pytest.mark.parametrize(
    "how", [{"days": -1.0}, {"certified": "other.test"}, {"trusted": False}], ids=["expired", "other-name", "unknown"]
)
def test_tls_is_always_verified(tmp_path: Path, how: dict[str, Any]) -> None:
    found = through_tls(tmp_path, "good.test", **how)
    assert (found.status, found.problem) == (0, "tls")
    assert "certificate" in found.detail


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["169.254.169.254"], ["93.184.216.34", "127.0.0.1"], ["::ffff:10.0.0.1"], ["64:ff9b::a9fe:a9fe"]],
)
def test_every_address_a_name_has_must_be_permitted(addresses: list[str]) -> None:
    async def run() -> Fetched:
        door = Door(Egress(), resolve_secret, resolve=names({"rebind.test": addresses}), limits=QUICK)
        found = await door.fetch(Fetch("GET", "https://rebind.test/"))
        await door.close()
        return found

    found = asyncio.run(run())
    assert found.problem == "policy"
    assert found.detail.endswith(("itself", "address", "allowed to have one"))


def test_the_address_that_was_checked_is_the_one_connected_to() -> None:
    """A second look-up that answers differently (rebinding) is never made."""
    looked_up: list[str] = []

    async def resolve(host: str, port: int) -> list[str]:
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) == 1 else ["10.0.0.1"]

    async def run() -> Fetched:
        async with foreign_host(lambda _: Reply(body={"ok": True})) as host:
            door = Door(Egress(loopback=True), resolve_secret, resolve=resolve, limits=QUICK)
            found = await door.fetch(Fetch("GET", f"http://localhost:{host.port}/"))
            await door.close()
            return found

    assert asyncio.run(run()).status == 200
    assert looked_up == ["localhost"]


def test_an_unknown_name_and_a_closed_port_are_told_apart() -> None:
    async def run() -> tuple[Fetched, Fetched]:
        door = Door(Egress(loopback=True), resolve_secret, resolve=names({"127.0.0.1": ["127.0.0.1"]}), limits=QUICK)
        unknown = await door.fetch(Fetch("GET", "https://nowhere.test/"))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            closed = await door.fetch(Fetch("GET", f"http://127.0.0.1:{taken.getsockname()[1]}/"))
        await door.close()
        return unknown, closed

    unknown, closed = asyncio.run(run())
    assert (unknown.problem, closed.problem) == ("dns", "connect")


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    found, _ = ask(Reply(body={"ok": 1}))
    assert found.status == 200


def played(answer: dict[str, Any] | None) -> Callable[..., Awaitable[None]]:
    """An ASGI application that says which host was asked, or breaks the connection."""

    async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
        if answer is None:
            raise ConnectionRefusedError
        host = dict(scope["headers"])[b"host"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-host", host)]})
        await send({"type": "http.response.body", "body": scope["path"].encode()})

    return app


def test_an_application_can_play_every_permitted_host() -> None:
    async def run() -> list[Fetched]:
        door = Door(Egress(), resolve_secret, played=played({}))
        dead = Door(Egress(), resolve_secret, played=played(None))
        return [
            await door.fetch(Fetch("GET", "https://mcp.example.com/some/path")),
            await door.fetch(Fetch("GET", "https://10.0.0.1/")),
            await dead.fetch(Fetch("GET", "https://mcp.example.com/")),
        ]

    found, refused, dead = asyncio.run(run())
    assert (found.headers["x-host"], found.body) == ("mcp.example.com", b"/some/path")
    assert refused.problem == "policy"
    assert dead.problem == "connect"
