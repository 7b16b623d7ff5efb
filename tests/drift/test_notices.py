"""Who is told of what a scheduled run has seen: once for each change, on loopback servers."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from reconciler.config.files import SourceFile
from reconciler.config.fleet import read_fleet
from reconciler.drift import DriftClass, Finding, Report
from reconciler.fleet.sweep import Sighting
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.notices.announce import announce
from tests.drift.stage import Applied, run, sandbox
from tests.drift.test_drift import named

AT = "2026-01-01T00:00:00Z"
KEY = "a key of the test"


@dataclass
class World:
    """A receiver of posts and a forge in one. `failing` paths answer 500."""

    url: str = ""
    login: str = "drift-bot"
    got: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    issues: list[dict[str, Any]] = field(default_factory=list)
    failing: set[str] = field(default_factory=set)

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> tuple[int, Any]:
        path = urlsplit(target).path
        self.got.append((method, path, headers, body))
        if path in self.failing:
            return 500, {}
        if path == "/user":
            return 200, {"login": self.login, "username": self.login}
        if "/issues" not in path:
            return 200, {}
        if method == "GET":
            return 200, self.issues[: int(parse_qs(urlsplit(target).query)["per_page"][0])]
        said = json.loads(body)
        if method == "POST":
            number = len(self.issues) + 1
            who = {"user": {"login": self.login}, "author": {"username": self.login}}
            self.issues.append({"number": number, "iid": number, "state": "open", **who, **said})
            return 201, self.issues[-1]
        issue = self.issues[int(path.rpartition("/")[2]) - 1]
        turned = {"close": "closed", "reopen": "opened"}.get(said.pop("state_event", ""), issue["state"])
        issue.update({"state": turned, **said})
        return 200, issue

    def posts(self, path: str) -> list[Any]:
        return [json.loads(body) for method, asked, _, body in self.got if (method, asked) == ("POST", path)]


@contextmanager
def serving(world: World) -> Iterator[World]:
    class Asked(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, value = world.answer(self.command, self.path, headers, body)
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _any

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Asked)
    world.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("HOOK_KEY", KEY)
    monkeypatch.setenv("FORGE_TOKEN", "t0ken")
    with serving(World()) as found:
        monkeypatch.setenv("SLACK_URL", f"{found.url}/services/s3cret")
        yield found


def listing(world: World, issues: str = "") -> str:
    return f"""\
version: 1
workspaces:
  - {{name: prod, directory: prod}}
  - {{name: broken, directory: broken}}
notifications:
  webhooks:
    ops: {{url: "{world.url}/hook", secret: {{env: HOOK_KEY}}}}
  slack:
    channel: {{url: {{env: SLACK_URL}}}}
{issues}"""


GITHUB = '  issues: {{github: {{repository: o/r, token: {{env: FORGE_TOKEN}}, api: "{}"}}}}\n'
GITLAB = '  issues: {{gitlab: {{project: g/p, token: {{env: FORGE_TOKEN}}, api: "{}"}}}}\n'


def tell(directory: Path, text: str, *seen: Sighting) -> tuple[Diagnostic, ...]:
    spec = read_fleet(SourceFile("workspaces.yaml", text.encode())).notifications
    assert spec is not None
    return announce(spec, directory, seen, AT)


def clean(name: str = "prod") -> Sighting:
    return Sighting(name, Report("default", "sandbox", AT, 3))


def drifted(*addresses: str, name: str = "prod", at: str = AT) -> Sighting:
    found = tuple(Finding(DriftClass.MISSING, "mcp_server", f"id-{a}", Address(a)) for a in addresses)
    return Sighting(name, Report("default", "sandbox", at, 3, found))


def test_each_change_is_told_once(world: World, tmp_path: Path) -> None:
    text = listing(world)
    failed = Sighting("prod", None, (error("auth.token", "The token isn't valid"),))
    first, second = drifted("mcp_server.a"), drifted("mcp_server.a", "mcp_server.b")
    later = drifted("mcp_server.a", at="2026-01-02T00:00:00Z")
    for seen in (clean(), first, later, second, second, failed, failed, clean(), clean(), first):
        assert tell(tmp_path, text, seen) == ()
    told = world.posts("/hook")
    assert [(one["before"], one["status"]) for one in told] == [
        ("clean", "drift"),
        ("drift", "drift"),
        ("drift", "error"),
        ("error", "clean"),
        ("clean", "drift"),
    ]
    assert len(world.posts("/services/s3cret")) == 5
    assert told[0]["workspace"]["name"] == "prod"
    assert told[0]["workspace"]["findings"][0]["address"] == "mcp_server.a"


def test_a_webhook_is_signed_over_the_very_bytes(world: World, tmp_path: Path) -> None:
    tell(tmp_path, listing(world), drifted("mcp_server.a"))
    ((headers, body),) = [(headers, body) for _, path, headers, body in world.got if path == "/hook"]
    wanted = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()
    assert headers["x-reconciler-signature-256"] == f"sha256={wanted}"
    assert headers["x-reconciler-delivery"] == json.loads(body)["id"]
    assert KEY.encode() not in body


def test_slack_gets_text_that_can_neither_mention_nor_link(world: World, tmp_path: Path) -> None:
    hostile = "<!channel> @here `*x*` <https://evil.example|x>"
    seen = drifted("mcp_server.a", name=hostile)
    stranger = Finding(DriftClass.UNMANAGED, "mcp_server", "id", name=hostile)
    assert seen.report is not None
    tell(tmp_path, listing(world), Sighting(hostile, Report("d", "s", AT, 1, (*seen.report.findings, stranger))))
    (message,) = world.posts("/services/s3cret")
    outside = "".join(message["text"].split("`")[::2])
    assert not {"<", ">"} & set(message["text"])
    assert "here" not in outside and "evil" not in outside and "channel" not in outside
    assert "Drift: 1 missing, 1 unmanaged" in outside


def test_who_failed_is_told_next_time_and_nobody_else_again(world: World, tmp_path: Path) -> None:
    world.failing = {"/services/s3cret"}
    (failed,) = tell(tmp_path, listing(world), drifted("mcp_server.a"), drifted("mcp_server.a", name="other"))
    assert (failed.code, failed.is_error) == ("notify.failed", False)
    assert "s3cret" not in str(failed)
    assert len(world.posts("/services/s3cret")) == 1, "a channel that failed is left alone for the rest of the run"
    assert len(world.posts("/hook")) == 2
    world.failing = set()
    assert tell(tmp_path, listing(world), drifted("mcp_server.a"), drifted("mcp_server.a", name="other")) == ()
    assert len(world.posts("/hook")) == 2
    assert len(world.posts("/services/s3cret")) == 3


def test_a_memory_that_can_not_be_kept_is_a_warning(world: World, tmp_path: Path) -> None:
    (tmp_path / "notified").write_text("in the way")
    found = tell(tmp_path, listing(world), drifted("mcp_server.a"))
    assert [(one.code, one.is_error) for one in found] == [("notify.memory", False)]


def test_the_memory_may_be_in_any_store(world: World, tmp_path: Path) -> None:
    text = listing(world) + "  memory: {sqlite: {path: memory.db}}\n"
    for _ in range(2):
        assert tell(tmp_path, text, drifted("mcp_server.a"), clean("other")) == ()
    assert len(world.posts("/hook")) == 1
    assert (tmp_path / "memory.db").exists()


@pytest.mark.parametrize("form, body, opened", [(GITHUB, "body", "open"), (GITLAB, "description", "opened")])
def test_an_issue_is_opened_edited_closed_and_reopened(
    world: World, tmp_path: Path, form: str, body: str, opened: str
) -> None:
    text = listing(world, form.format(world.url))
    tell(tmp_path, text, clean())
    assert world.issues == []
    tell(tmp_path, text, drifted("mcp_server.a"), drifted("mcp_server.z", name="other"))
    assert [one["title"] for one in world.issues] == ["Drift: prod", "Drift: other"]
    assert "mcp_server.a" in world.issues[0][body]
    world.issues.insert(0, {**world.issues[0], "number": 9, "iid": 9, "user": {"login": "x"}, "author": {}})
    world.issues.append(world.issues.pop(0))
    tell(tmp_path, text, drifted("mcp_server.b"))
    assert "mcp_server.b" in world.issues[0][body] and "mcp_server.a" not in world.issues[0][body]
    tell(tmp_path, text, clean())
    assert world.issues[0]["state"] == "closed" and world.issues[1]["state"] == "open"
    tell(tmp_path, text, drifted("mcp_server.a"))
    assert world.issues[0]["state"] == opened
    assert len(world.issues) == 3, "the one that somebody else wrote is left alone"
    (tmp_path / "notified").rename(tmp_path / "lost")
    tell(tmp_path, text, drifted("mcp_server.a"))
    assert len(world.issues) == 3, "it is found by its marker"


def test_notifications_change_neither_the_result_nor_the_code(world: World, tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    Applied(tmp_path / "prod")
    with sandbox(tmp_path / "prod") as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed")
    (tmp_path / "workspaces.yaml").write_text(listing(world), "utf-8")
    code, said = run(tmp_path, "drift", "-workspaces=workspaces.yaml")
    assert code == 1 and "1 drift, 1 error" in said
    assert sorted(one["workspace"]["name"] for one in world.posts("/hook")) == ["broken", "prod"]
    world.failing = {"/hook"}
    (tmp_path / "notified").rename(tmp_path / "lost")
    code, said = run(tmp_path, "drift", "-workspaces=workspaces.yaml")
    assert code == 1 and "1 drift, 1 error" in said
    assert "webhook ops could not be told" in said and KEY not in said and "s3cret" not in said


@pytest.mark.parametrize(
    "below, line",
    [
        ("webhooks: {a: {url: 'https://x.example', secret: plain}}", 4),
        ("webhooks: {a: {url: 'http://x.example', secret: {env: A}}}", 4),
        ("slack: {a: {url: 'https://hooks.slack.com/x'}}", 4),
        ("issues: {}", 4),
        ("issues: {github: {repository: o, token: {env: A}}}", 4),
        ("memory: {file: {path: a}, sqlite: {path: b}}", 4),
        ("memory: {http: {address: 'https://x.example/state'}}", 4),
        ("pigeons: {}", 4),
    ],
)
def test_what_is_declared_wrongly_is_refused_with_its_place(below: str, line: int) -> None:
    text = f"version: 1\nworkspaces: [{{name: a, directory: b}}]\nnotifications:\n  {below}\n"
    with pytest.raises(Refused) as refused:
        read_fleet(SourceFile("workspaces.yaml", text.encode()))
    assert [d.span.line for d in refused.value.diagnostics if d.span] == [line]
