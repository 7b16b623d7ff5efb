"""A served sandbox that outlives every run of the program, and the program under strace."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = [sys.executable, "-m", "reconciler"]
KINDS = ("mcp_server", "association", "client_registration")
_ISSUER = "https://issuer.example.com"
_IDS = {"client_registration": "client_auth_settings"}
_STRACE = ("strace", "-f", "-qq")
# With a filter in the kernel, calls that aren't asked for don't stop the program; but then strace 6.1 kills nothing.
_FILTER = "--seccomp-bpf"
_CALL = re.compile(r"^(\d+) +(\w+)\(", re.MULTILINE)


def can_trace() -> bool:
    """Whether strace is there and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run([*_STRACE, "-o", os.devnull, "true"], check=False, capture_output=True).returncode == 0


def configuration(url: str, servers: int, store: str = "file: {path: state}") -> str:
    """Three resources for each server: itself, its association, its client registration."""
    names = "\n".join(
        f"  s{n}: {{resource_url: 'https://mcp{n}.example.com/mcp', authorization_servers: [e]}}"
        for n in range(servers)
    )
    return f"""version: 1
provider:
  okta:
    org_url: {url}
    auth: {{token: {{env: CHAOS_TOKEN}}}}
    request_timeout_seconds: 2
    late_seconds: 0.5
state: {{{store}}}
authorization_servers:
  e: {{type: external, issuer: {_ISSUER}, authorization_endpoint: {_ISSUER}/a, token_endpoint: {_ISSUER}/t}}
client_registrations:
  app: {{authorization_server: e, client_id: abc, client_secret: {{env: CHAOS_SECRET}}}}
mcp_servers:
{names}
"""


def environment() -> dict[str, str]:
    given = {"PYTHONPATH": str(ROOT), "CHAOS_TOKEN": "sandbox", "CHAOS_SECRET": "chaos-secret", "NO_COLOR": "1"}
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
    command = [*PROGRAM, "sandbox", "serve", "--port", "0", "--settle-seconds", "0"]
    serving = subprocess.Popen(
        command, cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
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


def run(place: Path, *arguments: str, tracing: tuple[str, ...] = ()) -> Ended:
    command = [*PROGRAM, *arguments]
    if tracing:
        kills = any("signal=" in word for word in tracing)
        command = [*_STRACE, *([] if kills else [_FILTER]), "-o", os.devnull, *tracing, *command]
    # Where it has a place of its own, bytecode is kept by runs whose system calls nobody counts.
    keeps = "PYTHONPYCACHEPREFIX" in os.environ and not tracing
    given = {**environment(), "PYTHONDONTWRITEBYTECODE": "" if keeps else "1"}
    ended = subprocess.run(
        command, cwd=place, env=given, capture_output=True, text=True, timeout=300, check=False, input=""
    )
    return Ended(ended.returncode, ended.stdout + ended.stderr)


def apply(place: Path, *more: str, tracing: tuple[str, ...] = ()) -> Ended:
    return run(place, "apply", "-auto-approve", "-input=false", *more, tracing=tracing)


def calls_made(place: Path, calls: Iterable[str]) -> dict[str, int]:
    """How many of each of these system calls the busiest thread of an apply makes; strace counts by thread too."""
    log = place / "calls"
    apply(place, tracing=("-e", f"trace={','.join(calls)}", "-o", str(log)))
    made = Counter(_CALL.findall(log.read_text("utf-8", "replace")))
    return {call: max((n for (_, name), n in made.items() if name == call), default=0) for call in calls}
