"""What a real process does about an operation in Okta that takes its time: it can be interrupted, and is followed."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Reconciler, environment
from tests.e2e.test_process import PROGRAM, Terminal

SETTLES = 6.0
"""Seconds until a registration is completed; its operation ends after half of them."""
TOKEN = {"TOKEN": "sandbox"}
CONFIGURATION = """\
version: 1
provider: {okta: {org_url: 'ADDRESS', auth: {token: {env: TOKEN}}, request_timeout_seconds: 5, late_seconds: 60}}
authorization_servers:
  e: {type: external, issuer: https://e.example.com, authorization_endpoint: https://e.example.com/a,
      token_endpoint: https://e.example.com/t}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, authorization_servers: [e], status: inactive}
"""


def ask(address: str, path: str, body: Any = None, method: str | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"authorization": "SSWS sandbox", "content-type": "application/json"}
    request = urllib.request.Request(f"{address}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read() or b"null")


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A served sandbox whose lists show nothing new for a while, and a configuration of it."""
    serve = [*PROGRAM, "sandbox", "serve", "--port", "0", "--settle-seconds", str(SETTLES)]
    with subprocess.Popen(
        serve, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as serving:
        try:
            assert serving.stdout is not None
            match = re.fullmatch(r"listening on (http://\S+)\n", serving.stdout.readline())
            assert match
            stale = {"fault": "stale_list", "path": "/resource-servers/api/v1/mcp-servers", "method": "GET"}
            ask(match[1], "/sandbox/faults", {**stale, "seconds": 600})
            (tmp_path / "reconciler.yaml").write_text(CONFIGURATION.replace("ADDRESS", match[1]), "utf-8")
            yield match[1]
        finally:
            serving.kill()


def states(address: str) -> list[str]:
    return [operation["status"] for operation in ask(address, "/resource-servers/api/v1/operations")["data"]]


def until_accepted(address: str) -> None:
    deadline = time.monotonic() + 20
    while not states(address):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)


@pytest.mark.parametrize("way", ["interrupted", pytest.param("killed", marks=pytest.mark.long)])
def test_a_creation_that_okta_is_still_at_is_left_to_it_and_followed_by_the_next_run(
    address: str, tmp_path: Path, reconciler: Reconciler, way: str
) -> None:
    terminal = Terminal(tmp_path, "apply", "-auto-approve", "-no-color", env=TOKEN)
    until_accepted(address)
    terminal.process.send_signal(signal.SIGINT if way == "interrupted" else signal.SIGKILL)
    code = terminal.end()
    if way == "interrupted":
        told = " ".join(terminal.seen.replace("│", " ").split())
        assert code == 130
        assert "Okta has accepted to create mcp_server.todo, and is still at it" in told
        assert "Traceback" not in told
    assert "/operations/op-" in (tmp_path / "state" / "default.journal").read_text("utf-8"), "where to go on"
    began = time.monotonic()
    resumed = reconciler("apply", "-auto-approve", env=TOKEN)
    assert resumed.code == 0, resumed
    assert time.monotonic() - began < 40, "long before a lost creation could be given up"
    assert "mcp_server.todo: Creating" not in resumed.out
    assert ask(address, "/sandbox/objects")["counts"]["mcp_server"] == 1
    ask(address, "/sandbox/faults", method="DELETE")
    plan = reconciler("plan", "-detailed-exitcode", env=TOKEN)
    assert plan.code == 0, plan.out
