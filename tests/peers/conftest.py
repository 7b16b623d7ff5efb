"""Starts servers that nobody here wrote, on loopback, for as long as the tests of this folder run.

The npm ones are installed from the lock file beside this one into a cache outside the tree. Where npm or the Python
packages are missing the tests are skipped and say so, but never in CI.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests import npm

HERE = Path(__file__).resolve().parent
SECRET = "a-perfectly-good-client-secret"
CALLBACK = "https://acme.okta.test/oauth2/v1/sts/callback"


def need(package: str) -> None:
    if find_spec(package) is None:
        npm.miss(f"the Python package {package}")


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The folder `node_modules` of the peers."""
    return npm.node_modules(HERE)


@contextmanager
def started(command: list[str], cwd: Path) -> Iterator[dict[str, Any]]:
    """The JSON object that the server prints once it listens; it ends when its standard input is closed."""
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as server,
    ):
        assert server.stdout is not None and server.stdin is not None
        try:
            for line in server.stdout:
                if line.startswith("{"):
                    yield json.loads(line)
                    return
            errors.seek(0)
            pytest.fail(f"{command[-1]} didn't start: {errors.read()[-1000:]}")
        finally:
            server.stdin.close()
            try:
                server.wait(5)
            except subprocess.TimeoutExpired:
                server.kill()


@pytest.fixture(scope="session")
def oidc(node_modules: Path) -> Iterator[dict[str, str]]:
    """oidc-provider: the URLs `external` (an external authorization server) and `org` (an org with a custom one)."""
    script = node_modules.parent / "oidc.mjs"
    shutil.copy(HERE / "oidc.mjs", script)
    with started(["node", str(script), SECRET, CALLBACK], node_modules.parent) as urls:
        yield urls


@pytest.fixture(scope="session")
def everything(node_modules: Path) -> Iterator[str]:
    """The URL of @modelcontextprotocol/server-everything, an MCP server of the era before 2026-07-28."""
    main = node_modules / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
    command = ["node", "--import", str(HERE / "loopback.mjs"), str(main), "streamableHttp"]
    with started(command, node_modules.parent) as said:
        yield f"http://127.0.0.1:{said['port']}/mcp"


@pytest.fixture(scope="session")
def python_peers(oidc: dict[str, str]) -> Iterator[dict[str, str]]:
    """Servers of the official MCP SDK and of FastMCP, by name; the protected ones trust `oidc['external']`."""
    need("fastmcp")
    need("mcp")
    with started([sys.executable, "-W", "ignore", str(HERE / "python_peers.py"), oidc["external"]], HERE) as urls:
        yield urls


@pytest.fixture(scope="session")
def toolkit() -> Iterator[str]:
    """The issuer of django-oauth-toolkit, an authorization server; it knows the client app-1."""
    need("oauth2_provider")
    with started([sys.executable, "-W", "ignore", str(HERE / "django_peer.py"), SECRET, CALLBACK], HERE) as said:
        yield str(said["url"])
