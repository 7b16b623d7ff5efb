"""Runs the program inside the test, in a directory of its own: quicker than a process, and the same main()."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from reconciler.cli.main import main

CONFIGURATION = """\
version: 1
provider: {sandbox: {settle_seconds: 0}}
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read]}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, display_name: Todo, authorization_servers: [todo]}
  tasks: {resource_url: https://tasks.example.com/mcp, authorization_servers: [todo], status: inactive}
"""


class Ran(NamedTuple):
    code: int
    out: str
    err: str


Reconciler = Callable[..., Ran]


@pytest.fixture
def reconciler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Reconciler:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "RECONCILER_WORKSPACE", "RECONCILER_DEBUG"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Ran:
        code = main(list(arguments))
        return Ran(code, *capsys.readouterr())

    return run


@pytest.fixture
def configured(tmp_path: Path) -> Path:
    """A small configuration, with sandbox and state beside it."""
    (tmp_path / "reconciler.yaml").write_text(CONFIGURATION, "utf-8")
    return tmp_path


@pytest.fixture
def applied(configured: Path, reconciler: Reconciler) -> Path:
    assert reconciler("apply", "-auto-approve").code == 0
    return configured
