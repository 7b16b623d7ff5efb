"""A run that stood still until its lease was over, and wakes up while it looks at what is there."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.stores.lease import HeldLease
from tests.drift.stage import run

HELD = 13
CONFIGURATION = """\
version: 1
provider: {sandbox: {settle_seconds: 0}}
state: {sqlite: {path: state.db}}
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read]}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, display_name: Todo, authorization_servers: [todo]}
"""


@pytest.mark.parametrize("verb", [("plan",), ("apply", "-auto-approve")], ids=" ".join)
def test_it_does_not_take_the_work_of_its_successor_for_a_strangers(
    verb: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "main.yaml").write_text(CONFIGURATION, "utf-8")
    code, told = run(tmp_path, "apply", "-auto-approve")
    assert code == 0, told
    # As it was when it was read.
    for path in tmp_path.glob("state.db*"):
        path.unlink()
    monkeypatch.setattr(HeldLease, "remaining", lambda lease: 0.0)
    code, told = run(tmp_path, *verb)
    assert code == HELD, told
    assert "was lost before the plan was made" in told
    assert "exists already" not in told
