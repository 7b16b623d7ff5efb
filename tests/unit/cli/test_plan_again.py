"""A saved plan that is applied again, as by a CI job that is run again, is done once; and only what is whole counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.hub import HUB
from tests.unit.cli.conftest import Ran, Reconciler
from tests.unit.cli.test_state_versions import edit


def told(ran: Ran) -> str:
    return " ".join((ran.err + ran.out).replace("│", " ").split())


def files(directory: Path) -> dict[Path, bytes]:
    """All that a run may have written; not the lock, nor what SQLite keeps beside its file."""
    found = [path for path in (directory / "state").rglob("*") if path.is_file()]
    return {path: path.read_bytes() for path in found if path.suffix not in (".lock", ".db-wal", ".db-shm")}


@pytest.mark.parametrize("before", ["nothing", "an apply"])
def test_the_second_time_it_is_told_and_nothing_is_done(configured: Path, reconciler: Reconciler, before: str) -> None:
    if before == "an apply":
        assert reconciler("apply", "-auto-approve").code == 0
        edit(configured, "display_name: Todo", "display_name: Tasks")
    assert reconciler("plan", "-out", "p.json").code == 0
    assert reconciler("apply", "p.json").code == 0
    was = files(configured)
    for _ in range(2):
        again = reconciler("apply", "p.json")
        assert again.code == 0, again
        assert "This plan was applied already" in told(again)
        assert "Nothing was done now." in told(again) and "has changed since" not in told(again)
        assert "Resources: 0 added, 0 changed, 0 destroyed." in again.out
        assert files(configured) == was


def test_programs_are_told_too(configured: Path, reconciler: Reconciler) -> None:
    assert reconciler("plan", "-out", "p.json").code == 0
    assert reconciler("apply", "p.json").code == 0
    lines = [json.loads(line) for line in reconciler("apply", "-json", "p.json").out.splitlines()]
    assert [line["diagnostic"]["severity"] for line in lines if line["type"] == "diagnostic"] == ["warning"]
    assert lines[-1]["changes"]["add"] == 0


def test_what_was_done_since_is_said(applied: Path, reconciler: Reconciler) -> None:
    edit(applied, "display_name: Todo", "display_name: Tasks")
    assert reconciler("plan", "-out", "p.json").code == 0
    assert reconciler("apply", "p.json").code == 0
    edit(applied, "display_name: Tasks", "display_name: Chores")
    assert reconciler("apply", "-auto-approve").code == 0
    again = reconciler("apply", "p.json")
    assert again.code == 0, again
    assert "version 2 of the state is the result" in told(
        again
    ) and "The state has changed since, to version 3" in told(again)
    assert "Chores" in reconciler("show").out


def test_another_plan_of_the_same_is_stale(applied: Path, reconciler: Reconciler) -> None:
    edit(applied, "display_name: Todo", "display_name: Tasks")
    assert reconciler("plan", "-out", "p.json").code == 0
    assert reconciler("plan", "-destroy", "-out", "other.json").code == 0
    assert reconciler("apply", "p.json").code == 0
    assert reconciler("apply", "other.json").code == 14


def test_a_plan_of_a_refresh_is_done_once(applied: Path, reconciler: Reconciler) -> None:
    assert reconciler("plan", "-refresh-only", "-out", "p.json").code == 0
    assert reconciler("apply", "p.json").code == 0
    again = reconciler("apply", "p.json")
    assert again.code == 0 and "applied already" in told(again)
    assert [line.split()[0] for line in reconciler("state", "history").out.splitlines()] == ["2", "1"]


CLOSED = """\
version: 1
mcp_servers: [{url: https://mcp.hub.example.com/mcp, authorization_servers: [https://hub.example.com]}]
authorization_servers:
  - {issuer: https://hub.example.com, registration_endpoint: https://hub.example.com/register, status: 403}
"""


def test_what_was_applied_in_part_was_not_applied(tmp_path: Path, reconciler: Reconciler) -> None:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "sandbox" / "world.yaml").write_text(CLOSED, "utf-8")
    (tmp_path / "reconciler.yaml").write_text(HUB, "utf-8")
    assert reconciler("plan", "-out", "p.json").code == 0
    fingerprint = json.loads((tmp_path / "p.json").read_text("utf-8"))["x_fingerprint"]
    assert reconciler("apply", "p.json").code == 15
    assert f"plan {fingerprint[:12]} in part" in reconciler("state", "history").out
    again = reconciler("apply", "p.json")
    assert again.code == 14, again
    assert "This plan was applied in part already" in told(again) and "Run plan again for what is left" in told(again)
    assert reconciler("plan", "-out", "p.json").code == 0
    (tmp_path / "sandbox" / "world.yaml").write_text(CLOSED.replace(", status: 403", ""), "utf-8")
    assert reconciler("apply", "p.json").code == 0
    assert "applied already" in told(reconciler("apply", "p.json"))
