"""A served sandbox that outlives every run of the program, and the program as it is started."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos.shim import Report

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "reconciler"]
SERVE = ("sandbox", "serve", "--port", "0", "--settle-seconds", "0")
KINDS = ("mcp_server", "association", "client_registration")
SECRET = "chaos-secret"
_ISSUER = "https://issuer.example.com"
_IDS = {"client_registration": "client_auth_settings"}


def configuration(url: str, servers: int, store: str = "file: {path: state}", name: str = "", timeout: int = 2) -> str:
    """Three resources for each server, called `name` if at all: itself, its association, its client registration.
    `timeout`: seconds that a request may take."""
    called = f", display_name: {name}" if name else ""
    names = "\n".join(
        f"  s{n}: {{resource_url: 'https://mcp{n}.example.com/mcp', authorization_servers: [e]{called}}}"
        for n in range(servers)
    )
    return f"""version: 1
provider:
  okta:
    org_url: {url}
    auth: {{token: {{env: CHAOS_TOKEN}}}}
    request_timeout_seconds: {timeout}
    late_seconds: 0.5
state: {{{store}}}
authorization_servers:
  e: {{type: external, issuer: {_ISSUER}, authorization_endpoint: {_ISSUER}/a, token_endpoint: {_ISSUER}/t}}
client_registrations:
  app: {{authorization_server: e, client_id: abc, client_secret: {{env: CHAOS_SECRET}}}}
mcp_servers:
{names}
"""


def memory() -> Path | None:
    """A directory in memory, where a sync takes no time; a process that is killed loses nothing there either."""
    place = Path("/dev/shm")
    return place if os.access(place, os.W_OK) else None


def environment() -> dict[str, str]:
    given = {"PYTHONPATH": str(ROOT), "CHAOS_TOKEN": "sandbox", "CHAOS_SECRET": SECRET, "NO_COLOR": "1"}
    return {**os.environ, **given, "PYTHONDONTWRITEBYTECODE": "1"}


@dataclass
class Sandbox:
    url: str

    def empty(self) -> None:
        self._ask("DELETE", "/sandbox/objects")

    def objects(self) -> dict[str, list[str]]:
        """The ids of what is there, by kind."""
        found: Mapping[str, list[Any]] = self._ask("GET", "/sandbox/objects")["objects"]
        return {kind: sorted(one["id"] for one in found.get(_IDS.get(kind, kind), [])) for kind in KINDS}

    def _ask(self, method: str, path: str) -> Any:
        request = urllib.request.Request(f"{self.url}{path}", method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            data = answer.read()
        return json.loads(data) if data else None


@contextmanager
def served(place: Path) -> Iterator[Sandbox]:
    serving = subprocess.Popen(
        [*PROGRAM, *SERVE], cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        assert serving.stdout is not None
        match = re.fullmatch(r"listening on (http://\S+)\n", serving.stdout.readline())
        assert match
        yield Sandbox(match[1])
    finally:
        serving.kill()
        serving.wait()
        if serving.stdout is not None:
            serving.stdout.close()


@dataclass
class Ended:
    code: int
    """Negative: killed by that signal."""
    told: str
    report: Report | None = None
    """Of the shim, if it was armed."""


def run(place: Path, *arguments: str) -> Ended:
    ended = subprocess.run(
        [*PROGRAM, *arguments],
        cwd=place,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        input="",
    )
    return Ended(ended.returncode, ended.stdout + ended.stderr)


def apply(place: Path, *more: str) -> Ended:
    return run(place, "apply", "-auto-approve", "-input=false", *more)
