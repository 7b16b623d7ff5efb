"""Calls get an address, credentials and secrets; answers come back as they are, or as lost; secrets stay inside."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import socket
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.interrupts import Interrupts
from reconciler.apply.waiting import Interrupted
from reconciler.config.settings import OktaAuth, OktaSettings
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.okta.auth import ApiToken, Auth
from reconciler.okta.errors import refusal
from reconciler.okta.names import UNREADABLE
from reconciler.okta.transport import HttpTransport, Limits
from reconciler.ports import Answer, Call
from tests.readiness.certificates import Authority

TOKEN = "00canary-token_value"
GET = Call("GET", "/api/v1/org")


def fixed(tell: Any) -> Auth:
    return ApiToken(lambda: Secret(TOKEN), "env:T")


def run(work: Awaitable[Any]) -> Any:
    async def awaited() -> Any:
        return await work

    return asyncio.run(awaited())


class App:
    """An ASGI app that remembers what it was asked, and answers as scripted: (status, headers, body)."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, Any]] = []
        self.at_once = 0
        self.most_at_once = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        body = (await receive())["body"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        target = scope["raw_path"].decode() + ("?" + scope["query_string"].decode() if scope["query_string"] else "")
        self.asked.append({"method": scope["method"], "target": target, "headers": headers, "body": body})
        await asyncio.sleep(0)
        status, sent, content = self.answers.pop(0) if self.answers else (200, {}, b"{}")
        raw = [(name.encode(), value.encode()) for name, value in sent.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": content})
        self.at_once -= 1


def exchange(app: Any, *calls: Call) -> Any:
    async def work() -> Any:
        transport = HttpTransport.to_app(app, token=TOKEN)
        answers = await asyncio.gather(*(transport.exchange(call) for call in calls))
        await transport.close()
        return answers if len(answers) > 1 else answers[0]

    return run(work())


def test_a_call_becomes_a_request_and_its_answer_an_answer() -> None:
    app = App((201, {"X-Thing": "A", "Content-Type": "application/json"}, b'{"id": "x"}'))
    call = Call("PATCH", "/x/y%2Fz", {"a": "b c"}, {"n": "ü"}, content_type="application/merge-patch+json")
    answer = exchange(app, call)
    assert answer == Answer(201, {"x-thing": "A", "content-type": "application/json"}, {"id": "x"})
    (asked,) = app.asked
    assert (asked["method"], asked["target"]) == ("PATCH", "/x/y%2Fz?a=b+c")
    assert asked["headers"]["content-type"] == "application/merge-patch+json"
    assert asked["headers"]["authorization"] == f"SSWS {TOKEN}"
    assert json.loads(asked["body"]) == {"n": "ü"}


def test_a_url_of_the_own_origin_is_followed_as_it_is() -> None:
    app = App()
    exchange(app, Call("GET", "http://sandbox.localhost:80/x?after=a%2Fb&limit=2"))
    assert app.asked[0]["target"] == "/x?after=a%2Fb&limit=2"


ELSEWHERE = [
    "https://evil.example.com/x",
    "//evil.example.com/x",
    "http://sandbox.localhost@evil.example.com/",
    "http://sandbox.localhost:81/x",
    "http://sandbox.localhost:x/",
    "https://sandbox.localhost/x",
    "ftp://a",
    "http://[",
    "x",
]


@pytest.mark.parametrize("url", ELSEWHERE)
def test_credentials_go_to_no_other_origin(url: str) -> None:
    app = App()
    with pytest.raises(Refused) as refused:
        exchange(app, Call("GET", url))
    assert refused.value.diagnostics[0].code == "okta.foreign-link"
    assert app.asked == []


def test_several_headers_of_one_name_are_one() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"link", b'<a>; rel="self"'), (b"Link", b'<b>; rel="next"')]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body"})

    assert exchange(app, GET).headers["link"] == '<a>; rel="self", <b>; rel="next"'


@pytest.mark.parametrize("content", [b"<html>Sign in</html>", b"{", b"\xff\xfe", b"[" * 200_000, b'{"a": 1}x'])
def test_what_is_not_json_is_only_hinted_at(content: bytes) -> None:
    answer = exchange(App((200, {"Content-Type": "text/html"}, content)), GET)
    assert answer.status == 200
    assert answer.body is None
    assert len(answer.headers[UNREADABLE]) <= 120


def test_a_server_can_not_make_an_answer_unreadable() -> None:
    assert UNREADABLE not in exchange(App((200, {UNREADABLE: "x"}, b"{}")), GET).headers


def test_an_answer_without_end_is_cut_off() -> None:
    answer = exchange(App((200, {}, b" " * (8 * 1024 * 1024 + 1))), GET)
    assert answer.status == 0
    assert answer.lost is not None
    assert "8 MiB" in answer.lost


def endless() -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        with suppress(ConnectionError):
            while True:
                writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
                await writer.drain()

    return serve


def packed(data: bytes, coding: bytes = b"gzip") -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n"
    return head % (coding, len(data)) + data


@pytest.mark.parametrize(
    ("serve", "words"),
    [
        (lambda: raw(packed(gzip.compress(bytes(200_000_000), 1))), "8 MiB"),
        (lambda: raw(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n", bytes(9_000_000)), "8 MiB"),
        (endless, "8 MiB"),
        (lambda: raw(packed(b"no gzip")), "can't be unpacked"),
        (lambda: raw(packed(b"{}", b"br")), "can't be unpacked"),
        (lambda: raw(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 500_000 + b"\r\n\r\n{}"), "broke"),
    ],
    ids=["gzip bomb", "one that is said to be long", "endless chunks", "no gzip", "brotli", "a header without end"],
)
def test_a_hostile_answer_costs_little(serve: Callable[[], Serve], words: str) -> None:
    served = serve()
    tracemalloc.start()
    try:
        (answer,) = over_tcp(served)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert words in str(answer.lost)
    assert peak < 40_000_000


def test_what_is_compressed_all_the_same_is_read() -> None:
    assert over_tcp(raw(packed(gzip.compress(b'{"a": 1}'))))[0].body == {"a": 1}


def test_ten_thousand_headers_are_only_headers() -> None:
    many = b"".join(b"X-%d: y\r\n" % n for n in range(10_000))
    (answer,) = over_tcp(raw(b"HTTP/1.1 200 OK\r\n" + many + b"Content-Length: 2\r\n\r\n{}"))
    assert answer.body == {}


def test_calls_of_one_lane_are_never_in_flight_together() -> None:
    app = App()
    exchange(app, *(Call("PUT", f"/x/{n}", body={}, lane="l") for n in range(5)))
    assert (app.most_at_once, len(app.asked)) == (1, 5)
    exchange(app, *(Call("PUT", f"/x/{n}", body={}, lane=str(n)) for n in range(5)))
    assert app.most_at_once == 5


def test_one_transport_serves_one_loop_after_another() -> None:
    app = App()
    transport = HttpTransport.to_app(app)
    for _ in range(2):
        assert asyncio.run(transport.exchange(Call("PUT", "/x", body={}, lane="l"))).ok


def test_secrets_take_the_place_of_their_references_on_the_wire_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_SECRET", 'p"ss')
    app = App()
    body = {
        "clientSecret": {"env": "APP_SECRET"},
        "nested": [{"clientSecret": {"env": "APP_SECRET"}}],
        "env": {"env": "A"},
    }
    call = Call("POST", "/x", body=body, secrets=frozenset({"clientSecret"}))
    exchange(app, call)
    sent = json.loads(app.asked[0]["body"])
    assert sent == {"clientSecret": 'p"ss', "nested": [{"clientSecret": 'p"ss'}], "env": {"env": "A"}}
    assert call.body["clientSecret"] == {"env": "APP_SECRET"}


def test_a_secret_that_can_not_be_read_is_refused_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("APP_SECRET", raising=False)
    app = App()
    call = Call("POST", "/x", body={"clientSecret": {"env": "APP_SECRET"}}, secrets=frozenset({"clientSecret"}))
    with pytest.raises(Refused, match="env:APP_SECRET"):
        exchange(app, call)
    assert app.asked == []


def test_an_echoed_secret_shows_nowhere(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    secret = "s3cret/of the+client"
    monkeypatch.setenv("APP_SECRET", secret)
    echo = json.dumps({"errorCode": "E0000001", "errorSummary": f"bad value {secret} by {TOKEN}"}).encode()
    app = App((400, {}, echo), (500, {"Content-Type": "text/html"}, f"<h1>{secret} {TOKEN}".encode()))
    call = Call("POST", "/x", body={"clientSecret": {"env": "APP_SECRET"}}, secrets=frozenset({"clientSecret"}))
    with caplog.at_level(logging.DEBUG):
        transport = HttpTransport.to_app(app, token=TOKEN)
        answers = [run(transport.exchange(call)) for _ in range(2)]
    shown = [repr(transport), repr(vars(transport)), repr(call), caplog.text]
    shown += [f"{answer!r} {refusal(call, answer).diagnostics!r}" for answer in answers]
    for text in shown:
        assert secret not in text
        assert TOKEN not in text
    assert "bad value *** by ***" in shown[-2]


# ----------------------------------------------------------------------------------------------------------------


def test_a_token_that_was_rotated_is_read_again_after_a_401() -> None:
    tokens = iter(["old-token", "new-token"])
    app = App((401, {}, b"{}"), (200, {}, b"{}"))
    answer = run(_with(app, lambda tell: ApiToken(lambda: Secret(next(tokens)), "env:T")).exchange(GET))
    assert answer.ok
    assert [asked["headers"]["authorization"] for asked in app.asked] == ["SSWS old-token", "SSWS new-token"]


def test_the_same_token_is_not_tried_twice() -> None:
    app = App((401, {}, b"{}"))
    assert run(_with(app, lambda tell: ApiToken(lambda: Secret("token"), "env:T")).exchange(GET)).status == 401
    assert len(app.asked) == 1


@pytest.mark.parametrize("token", ["canary\nX: y", "canary token", "canary\u2028", "canarü"])
def test_a_malformed_token_is_refused_unseen(token: str) -> None:
    with pytest.raises(Refused) as refused:
        run(_with(App(), lambda tell: ApiToken(lambda: Secret(token), "env:T")).exchange(GET))
    assert "env:T" in refused.value.diagnostics[0].summary
    assert "canar" not in f"{refused.value.diagnostics} {refused.value}"


def _with(app: Any, auth: Callable[[Any], Auth]) -> HttpTransport:
    return HttpTransport("http://sandbox.localhost", auth, app=app)


@pytest.mark.parametrize(
    ("url", "accepted"),
    [
        ("https://acme.okta.com", True),
        ("https://acme.okta.com/", True),
        ("http://127.0.0.1:8080", True),
        ("http://localhost", True),
        ("http://[::1]:99", True),
        ("http://acme.okta.com", False),
        ("http://127.0.0.1.example.com", False),
        ("https://acme.okta.com/admin", False),
        ("ftp://acme.okta.com", False),
        ("acme.okta.com", False),
    ],
)
def test_credentials_are_never_sent_in_the_clear(url: str, accepted: bool) -> None:
    settings = OktaSettings(org_url="https://acme.okta.com", auth=OktaAuth(token={"env": "T"}))
    settings = settings.model_copy(update={"org_url": url})
    if accepted:
        HttpTransport.to_org(settings)
        return
    with pytest.raises(Refused) as refused:
        HttpTransport.to_org(settings)
    assert refused.value.diagnostics[0].code == "config.org-url"


def test_one_way_to_authenticate_is_needed() -> None:
    with pytest.raises(Refused, match="exactly one of token and private_key_jwt"):
        HttpTransport.to_org(OktaSettings(org_url="https://acme.okta.com", auth=OktaAuth()))


# ----------------------------------------------------------------------------------------------------------------

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def _served(serve: Serve, timeout: float = 5.0) -> AsyncIterator[HttpTransport]:
    async def serve_and_close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        finally:
            writer.close()

    server = await asyncio.start_server(serve_and_close, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    transport = HttpTransport(f"http://127.0.0.1:{port}", fixed, limits=Limits(timeout=timeout))
    try:
        yield transport
    finally:
        await transport.close()
        server.close()
        await server.wait_closed()


def over_tcp(serve: Serve, count: int = 1, timeout: float = 5.0) -> list[Answer]:
    async def work() -> list[Answer]:
        async with _served(serve, timeout) as transport:
            return [await transport.exchange(GET) for _ in range(count)]

    found: list[Answer] = run(work())
    return found


def raw(*parts: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()

    return serve


def test_a_redirect_is_not_followed() -> None:
    (answer,) = over_tcp(raw(b"HTTP/1.1 302 Found\r\nLocation: https://evil.example.com/\r\nContent-Length: 0\r\n\r\n"))
    assert answer.status == 302


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"nonsense\r\n\r\n",
    ],
)
def test_a_connection_that_breaks_is_lost(sent: bytes) -> None:
    (answer,) = over_tcp(raw(sent))
    assert answer.status == 0
    assert answer.lost is not None
    assert "127.0.0.1" in answer.lost


def test_an_answer_that_drips_is_given_up_at_the_deadline() -> None:
    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(8):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    (answer,) = over_tcp(drip, timeout=0.2)
    assert answer.lost is not None
    assert answer.lost.endswith("within 0.2 s")


def test_nobody_there() -> None:
    async def work() -> Any:
        dead = HttpTransport("http://127.0.0.1:1", fixed)
        try:
            return await dead.exchange(GET)
        finally:
            await dead.close()

    answer = run(work())
    assert answer.status == 0
    assert "could not connect to 127.0.0.1:1" in str(answer.lost)
    assert not answer.sent


@pytest.mark.parametrize(
    ("host", "days", "is_trusted", "why"),
    [
        ("org.example.test", 90.0, True, None),
        ("org.example.test", -1.0, True, "certificate has expired"),
        ("another.example.test", 90.0, True, "org.example.test"),
        ("org.example.test", 90.0, False, "unable to get local issuer certificate"),
    ],
    ids=["good", "expired", "of another host", "untrusted"],
)
def test_a_certificate_that_is_not_good_is_named_and_nothing_is_sent(
    host: str, days: float, is_trusted: bool, why: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority, requests = Authority(tmp_path), 0
    found = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *more, **named: found("127.0.0.1", *more, **named))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await reader.readuntil(b"\r\n\r\n")
        requests += 1
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    async def work() -> Answer:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=authority.context(host, days))
        port = server.sockets[0].getsockname()[1]
        transport = HttpTransport(f"https://org.example.test:{port}", fixed, limits=Limits(timeout=5.0))
        if is_trusted:
            transport._connected().wire._verify = ssl.create_default_context(cafile=str(authority.ca_file))
        try:
            return await transport.exchange(Call("POST", "/x", body={}))
        finally:
            await transport.close()
            server.close()

    answer = run(work())
    assert (answer.sent, requests) == ((True, 1) if why is None else (False, 0))
    assert why is None or why in str(answer.lost)


def test_connections_are_kept_and_used_again() -> None:
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while await reader.readline():
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    answers = over_tcp(serve, 5)
    assert [answer.body for answer in answers] == [{}] * 5
    assert connections == 1


def spent(seconds: int) -> App:
    """Of the budget nothing is left for that long."""
    now = 1_790_000_000
    headers = {
        "X-Rate-Limit-Limit": "10",
        "X-Rate-Limit-Remaining": "2",
        "X-Rate-Limit-Reset": str(now + seconds),
        "Date": formatdate(now, usegmt=True),
    }
    return App((200, headers, b"{}"), (200, {}, b"{}"))


def test_the_budget_is_waited_for() -> None:
    app = spent(0)

    async def work() -> float:
        transport = HttpTransport("http://sandbox.localhost", fixed, app=app)
        await transport.exchange(GET)
        began = asyncio.get_running_loop().time()
        await transport.exchange(GET)
        return asyncio.get_running_loop().time() - began

    assert 0.05 < run(work()) < 1


def test_whoever_wants_to_stop_waits_for_no_budget() -> None:
    app, presses = spent(60), Interrupts()
    left: list[bool] = []

    async def leave() -> None:
        left.append(True)

    async def work() -> None:
        presses.attach()
        transport = HttpTransport("http://sandbox.localhost", fixed, app=app, pause=presses.sleep)
        await transport.exchange(GET)
        asyncio.get_running_loop().call_later(0.05, presses.press)
        with pytest.raises(Interrupted):
            await asyncio.wait_for(transport.exchange(GET, leave), 5)

    run(work())
    assert (len(app.asked), left) == (1, [])
