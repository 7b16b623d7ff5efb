"""Encrypted state as its users meet it: switched on, rotated, lost, and taken from elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Reconciler

A, B = {"STATE_KEY": "0a" * 32}, {"STATE_KEY": "0b" * 32}
CONFIGURATION = """\
version: 1
provider: {sandbox: {settle_seconds: 0}}
state: {file: {path: state}%s}
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read]}
mcp_servers:
  todo: {resource_url: "https://todo.example.com/mcp", display_name: %s, authorization_servers: [todo]}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home"))


def configure(place: Path, encryption: str = "key: {env: STATE_KEY}", name: str = "Todo") -> None:
    said = f", encryption: {{{encryption}}}" if encryption else ""
    (place / "reconciler.yaml").write_text(CONFIGURATION % (said, name))


def test_state_journal_and_plan_are_encrypted_from_the_first_apply_on(tmp_path: Path, reconciler: Reconciler) -> None:
    configure(tmp_path)
    assert reconciler("plan", "-out", "plan.json", env=A).code == 0
    assert b"todo" not in (tmp_path / "plan.json").read_bytes()
    assert "mcp_server.todo" in reconciler("show", "plan.json", env=A).out
    assert reconciler("apply", "plan.json", env=A).code == 0
    for path in (tmp_path / "state").rglob("*"):
        assert not path.is_file() or path.name.endswith(".sandbox.db") or b"mcp_server" not in path.read_bytes(), path
    assert "mcp_server.todo" in reconciler("state", "list", env=A).out
    assert reconciler("plan", "-detailed-exitcode", env=A).code == 0
    before = (tmp_path / "state" / "default.json").read_bytes()
    lost = reconciler("apply", "-auto-approve", env=B)
    assert (lost.code, "none of those under state.encryption" in lost.err) == (1, True)
    unset = reconciler("plan", env={})
    assert (unset.code, "STATE_KEY is not set" in unset.err) == (11, True)
    configure(tmp_path, "")
    assert "the configuration names no key" in reconciler("plan").err
    assert (tmp_path / "state" / "default.json").read_bytes() == before


def test_encryption_is_switched_on_later_and_its_key_replaced(tmp_path: Path, reconciler: Reconciler) -> None:
    configure(tmp_path, "")
    assert reconciler("apply", "-auto-approve").code == 0
    configure(tmp_path, name="To do")
    assert "is not encrypted" in reconciler("plan", env=A).err
    configure(tmp_path, "key: {env: STATE_KEY}, accept_plain: true", name="To do")
    assert reconciler("apply", "-auto-approve", env=A).code == 0
    assert json.loads((tmp_path / "state" / "default.json").read_bytes())["sealed"]["alg"] == "A256GCM"
    configure(tmp_path, "key: {env: NEW}, previous: [{env: STATE_KEY}]", name="To do")
    new = {**A, "NEW": "0c" * 32}
    assert reconciler("plan", "-detailed-exitcode", env=new).code == 0
    assert "under the current key now" in reconciler("state", "rewrap", env=new).out
    assert "already" in reconciler("state", "rewrap", env=new).out
    configure(tmp_path, "key: {env: NEW}", name="To do")
    assert reconciler("plan", "-detailed-exitcode", env=new).code == 0


def test_a_migrated_state_stays_encrypted(tmp_path: Path, reconciler: Reconciler) -> None:
    configure(tmp_path)
    assert reconciler("apply", "-auto-approve", env=A).code == 0
    moved = reconciler("state", "migrate", "--to", "sqlite: {path: s.db}", env=A)
    assert (moved.code, "with the encryption as it is" in moved.out) == (0, True)
    assert b"todo.example.com" not in (tmp_path / "s.db").read_bytes()
    text = (tmp_path / "reconciler.yaml").read_text().replace("file: {path: state}", "sqlite: {path: s.db}")
    (tmp_path / "reconciler.yaml").write_text(text)
    assert "mcp_server.todo" in reconciler("state", "list", env=A).out


def test_going_back_to_an_older_version_on_purpose_is_no_rollback(tmp_path: Path, reconciler: Reconciler) -> None:
    for name in ("One", "Two", "Three"):
        configure(tmp_path, name=name)
        assert reconciler("apply", "-auto-approve", env=A).code == 0
    assert reconciler("state", "rollback", "--to", "1", "-auto-approve", env=A).code == 0
    assert reconciler("apply", "-auto-approve", env=A).code == 0
    assert reconciler("plan", "-detailed-exitcode", env=A).code == 0


def test_both_keys_or_none_is_no_encryption(tmp_path: Path, reconciler: Reconciler) -> None:
    for encryption in ("accept_plain: true", "key: {env: A}, aws_kms: {key_id: b}", "key: hunter2hunter2"):
        configure(tmp_path, encryption)
        ended = reconciler("validate")
        assert ended.code == 10
        assert "reconciler.yaml:3:" in ended.err
        assert "hunter2" not in ended.out + ended.err


def test_two_projects_on_one_machine_are_not_taken_for_each_other(tmp_path: Path, reconciler: Reconciler) -> None:
    """What was seen of a state is remembered by where it is, not by what it is called from there."""
    one, other = tmp_path / "one", tmp_path / "other"
    for place in (one, other):
        place.mkdir()
        configure(place)
        assert reconciler("apply", "-auto-approve", env=A, cwd=place).code == 0
    for place in (one, other):
        assert reconciler("plan", "-detailed-exitcode", env=A, cwd=place).code == 0
    old = (one / "state" / "default.json").read_bytes()
    configure(one, name="To do")
    assert reconciler("-C", "one", "apply", "-auto-approve", env=A).code == 0
    (one / "state" / "default.json").write_bytes(old)
    (one / "state" / "default.history").rename(tmp_path / "gone")
    assert "is older than it was" in reconciler("plan", env=A, cwd=one).err
    assert "is older than it was" in reconciler("-C", "one", "plan", env=A).err
