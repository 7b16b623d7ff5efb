from __future__ import annotations

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from reconciler.model.diagnostic import Refused
from reconciler.sandbox.serve import serve
from tests.unit.sandbox.played import AUTHORIZATION_SERVERS, MCP

PROGRAM = """
import sys
from reconciler.sandbox.app import SandboxOptions, create_app
from reconciler.sandbox.serve import serve
serve(create_app(SandboxOptions(settle_seconds=0.0)), 0, lambda url: print(url, flush=True))
"""
HEADERS = {"Authorization": "SSWS sandbox"}


@contextmanager
def served(stop: signal.Signals = signal.SIGTERM) -> Iterator[httpx.Client]:
    """A client of a served sandbox, which must end well when it is stopped."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert program.stdout is not None
        address = program.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:")
        with httpx.Client(base_url=address, headers=HEADERS, trust_env=False, timeout=10.0) as client:
            yield client
        program.send_signal(stop)
        _, complaints = program.communicate(timeout=15)
        assert (program.returncode, complaints) == (0, "")
    finally:
        program.kill()
        program.communicate()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_is_served_quietly_until_it_is_stopped(stop: signal.Signals) -> None:
    with served(stop) as client:
        answer = client.post(MCP, json={"resourceUrl": "https://mcp.example.com/mcp", "type": "MANUAL"})
        assert answer.status_code == 202
        operation = client.get(answer.headers["location"]).json()
        assert operation["status"] == "COMPLETED"
        assert operation["resource"]["_links"]["self"]["href"].startswith(str(client.base_url).rstrip("/"))
        assert len(client.get(MCP).headers.get_list("date")) == 1
        assert client.get(MCP, headers={"Authorization": "SSWS wrong"}).status_code == 401


def test_a_lost_answer_is_a_broken_connection() -> None:
    with served() as client:
        client.post("/sandbox/faults", json={"fault": "lost_after", "path": MCP, "method": "POST", "count": 1})
        with pytest.raises(httpx.TransportError):
            client.post(MCP, json={"resourceUrl": "https://mcp.example.com/mcp"})
        assert len(client.get(MCP).json()["data"]) == 1
        assert client.delete(f"{AUTHORIZATION_SERVERS}/aus404").status_code == 404


def test_a_port_that_is_taken_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Refused) as refusal:
        serve(None, taken.getsockname()[1], print)
    assert refusal.value.diagnostics[0].code == "sandbox.port"
    with pytest.raises(Refused):
        serve(None, 99999, print)
