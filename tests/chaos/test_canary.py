"""Secrets are planted in every place that one may come from; after every command, and after crashes, none of them is in
any file, output, command line or environment of a child."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from jwt.algorithms import ECAlgorithm

from reconciler.sandbox.app import create_app
from reconciler.sandbox.options import SandboxOptions, ServiceApp
from tests.chaos.watch import Hunt, Watch, forms
from tests.conformance.terraform_http import StateServer, serving
from tests.e2e.conftest import environment

KEY = generate_private_key(SECP256R1())
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PLANTED = {
    "token": 'CANARY-token"+/%~1',
    "by env": 'CANARY by env "é+/%"',
    "by file": 'CANARY by file "é+/%"',
    "by file, rotated": 'CANARY rotated "é+/%"',
    "by command": 'CANARY by command "é+/%"',
    "by vault": 'CANARY by vault "é+/%"',
    "vault token": "hvs.CANARY-vault-token",
    "store password": 'CANARY-store"+/%',
    "state key": "c0ffee" * 10 + "0123",
    "plan key": "facade" * 10 + "4567",
    "private key": "".join(PEM.splitlines()[1:-1]),
}
SCOPES = ["okta.resourceServers.mcpServers.manage", "okta.authorizationServers.manage"]
CONFIGURATION = """\
version: 1
provider: {okta: {org_url: "%(org)s", auth: %(auth)s, request_timeout_seconds: 4, late_seconds: 0}}
state:
  http: {address: "%(store)s/state/{workspace}", username: me, password: {env: STORE_PASSWORD}}
  encryption: {key: {env: STATE_KEY}}
guards: {plan_signing_key: {env: PLAN_KEY}}
authorization_servers:
  github:
    type: external
    issuer: https://github.example.com
    authorization_endpoint: https://github.example.com/authorize
    token_endpoint: https://github.example.com/token
defaults:
  client_registrations: {authorization_server: github, client_id: id}
  mcp_servers: {authorization_servers: [github]}
client_registrations:
  a: {mcp_servers: [a], client_secret: {env: SECRET_A}}
  b: {mcp_servers: [b], client_secret: {file: ../secrets/b}}
  c: {mcp_servers: [c], client_secret: {command: ["%(python)s", ../secrets/show.py]}}
  d: {mcp_servers: [d], client_secret: {vault: "kv/okta/d#secret"}}
mcp_servers:
  a: {resource_url: "https://a.example.com/mcp"}
  b: {resource_url: "https://b.example.com/mcp"}
  c: {resource_url: "https://c.example.com/mcp"}
  d: {resource_url: "https://d.example.com/mcp"}
"""
SHOW = "import pathlib, time; time.sleep(0.1); print(pathlib.Path(__file__).with_name('c').read_text(), end='')"


class Echo:
    """The sandbox, which knows what it was sent, and when told to quotes all of it in its refusals."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.quotes: str | None = None
        """In the path of what is refused."""
        self.heard = b""

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        sent = b"".join(value for _, value in scope["headers"]) + body
        self.heard += sent

        async def again() -> Any:
            return {"type": "http.request", "body": body, "more_body": False}

        if self.quotes is None or self.quotes not in scope["path"] or not body:
            await self._app(scope, again, send)
            return
        text = sent.decode("utf-8", "replace")
        told = {"errorCode": "E0000999", "errorSummary": text, "errorCauses": [{"errorSummary": text}], "errorId": "x"}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(told).encode()})


@contextmanager
def org(db: Path) -> Iterator[tuple[str, Echo]]:
    import uvicorn

    client = ServiceApp(({**ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "k"},), frozenset(SCOPES))
    options = SandboxOptions(db=str(db), token=PLANTED["token"], settle_seconds=0.0, clients={"service": client})
    app = create_app(options)
    echo = Echo(app)
    config = uvicorn.Config(echo, host="127.0.0.1", port=0, log_level="critical", lifespan="off", ws="none")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run)
    thread.start()
    while not served.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}", echo
    served.should_exit = True
    thread.join()
    app.close()


class Vault(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        known = self.headers["x-vault-token"] == PLANTED["vault token"]
        data = json.dumps({"data": {"data": {"secret": PLANTED["by vault"]}}}).encode()
        self.send_response(200 if known else 403)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@contextmanager
def vault() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class Place:
    """The directories of one user, the servers they use, and what is found of their secrets."""

    def __init__(self, root: Path, addresses: Mapping[str, str], echo: Echo, store: StateServer) -> None:
        self.root, self.addresses, self.echo, self.store = root, addresses, echo, store
        self.hunt = Hunt(PLANTED)
        self.children: set[int] = set()
        self.project, self.secrets = root / "project", root / "secrets"
        for name in ("project", "secrets", "home", "tmp"):
            (root / name).mkdir()
        (self.secrets / "b").write_text(PLANTED["by file"] + "\n")
        (self.secrets / "c").write_text(PLANTED["by command"] + "\n")
        (self.secrets / "key.pem").write_text(PEM)
        (self.secrets / "show.py").write_text(SHOW)
        self.environment = environment(
            {
                "OKTA_TOKEN": PLANTED["token"],
                "SECRET_A": PLANTED["by env"],
                "STORE_PASSWORD": PLANTED["store password"],
                "STATE_KEY": PLANTED["state key"],
                "PLAN_KEY": PLANTED["plan key"],
                "VAULT_ADDR": addresses["vault"],
                "VAULT_TOKEN": PLANTED["vault token"],
                "RECONCILER_SECRET_COMMANDS": sys.executable,
                "HOME": str(root / "home"),
                "XDG_STATE_HOME": str(root / "home" / "state"),
                "TMPDIR": str(root / "tmp"),
            }
        )

    def configure(self, auth: str = "{token: {env: OKTA_TOKEN}}") -> None:
        said = {"org": self.addresses["org"], "store": self.addresses["store"], "auth": auth, "python": sys.executable}
        (self.project / "reconciler.yaml").write_text(CONFIGURATION % said)

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "reconciler", *arguments]
        env = {**self.environment, **more}
        return subprocess.Popen(command, cwd=self.project, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def run(self, *arguments: str, expect: int = 0, **more: str) -> str:
        """Standard output and error of a command that ends as expected, after looking everywhere."""
        with self.start(*arguments, **more) as child, Watch(self.hunt, child.pid) as watch:
            out, err = child.communicate(timeout=60)
        self.children |= watch.children
        shown = (out + err).decode("utf-8", "replace")
        assert child.returncode == expect, shown
        self.search(" ".join(arguments), out, err)
        return shown

    def search(self, why: str, *texts: bytes) -> None:
        for text in texts:
            self.hunt.look(text, f"the output of {why}")
        count = self.hunt.look_through([self.project, self.root / "home", self.root / "tmp"], why)
        assert count >= 1
        for name, data in self.store.states.items():
            self.hunt.look(data, f"the store, {name} ({why})")
        assert self.hunt.found == []


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    store = StateServer()
    with org(tmp_path / "org.db") as (address, echo), serving(store) as kept, vault() as vaulted:
        yield Place(tmp_path, {"org": address, "store": kept, "vault": vaulted}, echo, store)


def faults(place: Place, method: str, body: Any = None) -> None:
    headers = {"authorization": f"SSWS {PLANTED['token']}"}
    httpx.request(method, f"{place.addresses['org']}/sandbox/faults", json=body, headers=headers).raise_for_status()


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_no_command_leaves_a_secret_anywhere(place: Place) -> None:
    place.configure()
    place.run("plan", "-out", "plan.json")
    place.run("show", "plan.json")
    place.run("show", "-json", "plan.json")
    place.run("apply", "plan.json")
    for name in ("token", "by env", "by file", "by command", "by vault"):
        assert any(form in place.echo.heard for form in forms(PLANTED[name])), f"{name} was never sent"
    assert place.children, "no program was seen running"
    place.run("plan", "-detailed-exitcode")
    (place.secrets / "b").write_text(PLANTED["by file, rotated"] + "\n")
    assert "secret changed" in place.run("plan", "-detailed-exitcode", expect=2)
    place.run("apply", "-auto-approve", "-json")
    assert any(form in place.echo.heard for form in forms(PLANTED["by file, rotated"]))
    for arguments in (
        ("show",),
        ("show", "-json"),
        ("state", "list"),
        ("state", "pull"),
        ("state", "history"),
        ("graph",),
    ):
        place.run(*arguments)
    place.run("destroy", "-auto-approve")


def test_no_failure_quotes_a_secret(place: Place) -> None:
    place.configure()
    for debug, path in (("", "mcp-servers"), ("1", "client-auth-settings")):
        place.echo.quotes = path
        assert "***" in place.run("apply", "-auto-approve", expect=15, RECONCILER_DEBUG=debug)
    place.echo.quotes = None
    place.run("apply", "-auto-approve", expect=11, SECRET_A="")
    place.run("apply", "-auto-approve", expect=11, VAULT_TOKEN=f"{PLANTED['vault token']}x")
    place.run("apply", "-auto-approve", expect=11, RECONCILER_SECRET_COMMANDS="")
    place.run("plan", expect=11, OKTA_TOKEN=f"{PLANTED['token']}x")
    place.run("plan", expect=11, OKTA_TOKEN=f"{PLANTED['token']} x")
    place.run("plan", expect=11, STATE_KEY=f"{PLANTED['state key']}x")
    place.run("plan", "-out", "plan.json", expect=11, PLAN_KEY=f"{PLANTED['plan key']}x")
    service = "{private_key_jwt: {client_id: %s, key: {file: ../secrets/key.pem}, key_id: k}}"
    place.configure(service % "service")
    place.run("apply", "-auto-approve", OKTA_TOKEN="")
    place.configure(service % "nobody")
    place.run("plan", expect=11, OKTA_TOKEN="")
    (place.secrets / "key.pem").write_text(PEM.replace("A", "B"))
    place.run("plan", expect=11, OKTA_TOKEN="")


def test_no_crash_leaves_a_secret_behind(place: Place) -> None:
    place.configure()
    path = "/resource-servers/api/v1/client-auth-settings"
    faults(place, "POST", {"fault": "latency", "path": path, "method": "POST", "seconds": 3})
    with place.start("apply", "-auto-approve") as child, Watch(place.hunt, child.pid):
        wait_for(lambda: any(form in place.echo.heard for form in forms(PLANTED["by env"])))
        child.kill()
        out, err = child.communicate()
    place.search("a killed apply", out, err)
    place.store.locks.clear()
    faults(place, "DELETE")
    place.run("apply", "-auto-approve")
    place.run("plan", "-detailed-exitcode")


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_the_hunt_finds_what_it_looks_for(name: str, tmp_path: Path) -> None:
    hunt = Hunt(PLANTED)
    (tmp_path / "file").write_text(f'{{"x": {json.dumps(PLANTED[name])}}}')
    hunt.look_through([tmp_path], "a test")
    assert hunt.found
    assert os.fspath(tmp_path) in hunt.found[0]
