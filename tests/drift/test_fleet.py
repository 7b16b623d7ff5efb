"""Many workspaces in one run: one summary, and none that fails hides another."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.config.files import SourceFile
from reconciler.config.fleet import WorkspaceSpec, read_fleet
from reconciler.drift import Report
from reconciler.fleet.sweep import Sighting, code_of, part, shard_of, sweep
from reconciler.model.diagnostic import Refused, error
from tests.drift.stage import Applied, run, sandbox, write
from tests.drift.test_drift import named

LISTED = """\
version: 1
workspaces:
  - {name: clean, directory: clean}
  - {name: drifted, directory: drifted}
  - {name: broken, directory: broken}
  - {name: gone, directory: gone}
  - {name: other, directory: clean, workspace: other}
"""


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("fleet")
    for name in ("clean", "drifted"):
        (root / name).mkdir()
        Applied(root / name)
    with sandbox(root / "drifted") as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed")
    write(root / "broken", "version: 1\nmcp_servers: {a: {resource_ulr: x}}\n")
    assert run(root / "clean", "workspace", "new", "other")[0] == 0
    assert run(root / "clean", "workspace", "select", "default")[0] == 0
    (root / "workspaces.yaml").write_text(LISTED, "utf-8")
    yield root


def test_one_summary_in_which_every_workspace_has_its_say(fleet: Path) -> None:
    code, said = run(fleet, "drift", "-workspaces=workspaces.yaml", "-json", "-prometheus=fleet.prom")
    document = json.loads(said)
    statuses = {w["name"]: w["summary"]["status"] for w in document["workspaces"]}
    assert statuses == {"clean": "clean", "drifted": "drift", "broken": "error", "gone": "error", "other": "clean"}
    assert document["summary"] == {"exit_code": 1, "workspaces": 5, "clean": 2, "drift": 1, "error": 2}
    assert code == 1
    checked = {w["name"]: w["summary"]["checked"] for w in document["workspaces"]}
    assert (checked["clean"], checked["other"]) == (11, 0)
    metrics = (fleet / "fleet.prom").read_text("utf-8").splitlines()
    assert 'reconciler_drift{workspace="drifted",class="attribute"} 1' in metrics
    assert 'reconciler_drift_success{workspace="broken"} 0' in metrics
    text = run(fleet, "drift", "-workspaces=workspaces.yaml", "-parallel=1")[1]
    assert "Workspaces: 5 checked: 2 clean, 1 drift, 2 error." in text.splitlines()
    assert "resource_ulr" in text


def test_the_shards_are_the_whole(fleet: Path) -> None:
    found: list[str] = []
    codes = set()
    for index in (1, 2, 3):
        code, said = run(fleet, "drift", "-workspaces=workspaces.yaml", f"-shard={index}/3", "-json")
        document = json.loads(said)
        assert code == document["summary"]["exit_code"]
        codes.add(code)
        found += [w["name"] for w in document["workspaces"]]
    assert sorted(found) == ["broken", "clean", "drifted", "gone", "other"]
    assert 1 in codes


@given(st.sets(st.text("abc", min_size=1), max_size=20), st.integers(1, 5), st.text("abc", min_size=1))
def test_another_workspace_moves_none(names: set[str], count: int, other: str) -> None:
    def parts(chosen: set[str]) -> dict[str, int]:
        listed = [WorkspaceSpec(name=name, directory=".") for name in sorted(chosen)]
        return {w.name: index for index in range(1, count + 1) for w in part(listed, (index, count))}

    before, after = parts(names), parts(names | {other})
    assert before.keys() == names
    assert {name: after[name] for name in names} == before


def test_none_that_fails_hides_another_and_no_more_run_at_once_than_asked() -> None:
    listed = [WorkspaceSpec(name=f"w{number}", directory=".") for number in range(12)]
    lock, running, most = threading.Lock(), 0, 0

    def look(workspace: WorkspaceSpec) -> Report:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
        if workspace.name == "w3":
            raise RuntimeError("with a secret in it")
        if workspace.name == "w5":
            raise Refused([error("auth.token", "refused")])
        return Report(workspace.name, "x", "2026-01-01T00:00:00Z", 1)

    seen = sweep(listed, look, 3)
    assert [sighting.name for sighting in seen] == [w.name for w in listed]
    assert [s.name for s in seen if s.status == "error"] == ["w3", "w5"]
    assert "secret" not in repr(seen)
    assert 1 < most <= 3
    assert code_of(seen) == 1
    assert code_of([s for s in seen if s.status != "error"]) == 0
    assert code_of([]) == 0
    assert code_of([Sighting("a", None)]) == 1


@pytest.mark.parametrize("text", ["0/1", "2/1", "1", "1/0", "a/b", "", "-1/2", "1/2/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        shard_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "version: 1",
        "version: 2\nworkspaces: [{name: a, directory: b}]",
        "version: 1\nworkspaces: []",
        "version: 1\nworkspaces: [{name: a, directory: b}, {name: a, directory: c}]",
        "version: 1\nworkspaces: [{name: a, directory: ../b}]",
        "version: 1\nworkspaces: [{name: a, directory: /etc}]",
        "version: 1\nworkspaces: [{name: a, directory: b, more: 1}]",
        "version: 1\nworkspaces: [",
    ],
)
def test_what_lists_no_workspaces_is_refused(text: str) -> None:
    with pytest.raises(Refused) as refused:
        read_fleet(SourceFile("workspaces.yaml", text.encode()))
    assert all(d.code.startswith("config.") for d in refused.value.diagnostics)


def test_what_is_for_one_workspace_is_refused_with_many(fleet: Path) -> None:
    code, said = run(fleet, "drift", "-workspaces=workspaces.yaml", "-accept")
    assert code == 1
    assert "-accept is for one workspace" in said
