"""Whatever a version left behind when it was killed in the middle of an apply, every later one resumes from."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import journal
from reconciler.sandbox.database import Database, Item
from reconciler.stores import document
from tests.drift.stage import run
from tests.golden.__main__ import UNHEARD

HERE = Path(__file__).parent
LEFT = sorted(path for path in HERE.iterdir() if path.name.startswith("state-"))


def name_of(state: int, lines: int) -> str:
    return f"state-{state}-journal-{lines}"


@pytest.fixture(params=LEFT, ids=lambda path: path.name)
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What was left, with the live system as it was."""
    monkeypatch.setenv("APP_SECRET", "golden")
    shutil.copytree(request.param, tmp_path, dirs_exist_ok=True)
    there = json.loads((tmp_path / "live.json").read_text("utf-8"))
    with closing(Database(str(tmp_path / "state" / "default.sandbox.db"))) as database:
        for name, value in there["facts"].items():
            database.set_fact(name, value)
        for item in there["objects"]:
            database.add(Item(**item))
    return tmp_path


def objects(place: Path) -> dict[str, list[str]]:
    with closing(Database(str(place / "state" / "default.sandbox.db"))) as database:
        return {
            kind: sorted(item.id for item in database.items(kind))
            for kind in ("mcp_server", "association", "client_auth_settings", "authorization_server")
        }


def told(said: str) -> str:
    return " ".join(said.replace("│", " ").split())


def recorded(place: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((place / "state" / "default.json").read_text("utf-8"))["resources"]
    return found


def test_a_later_version_resumes_what_an_earlier_one_left(place: Path) -> None:
    before = objects(place)
    code, said = run(place, "state", "list")
    assert code == 0 and "mcp_server.old" in said
    code, said = run(place, "plan", "-detailed-exitcode")
    assert code == 2
    assert f"An earlier run was interrupted while creating {UNHEARD}; it was made" in told(said)
    code, said = run(place, "apply", "-auto-approve")
    assert code == 0, said
    assert "Creating..." not in said, "everything that was begun was made"
    assert "Resources: 0 added, 3 changed, 0 destroyed." in said
    assert objects(place) == before
    counts = Counter(record["kind"] for record in recorded(place))
    assert counts == {"mcp_server": 5, "association": 5, "client_registration": 2, "authorization_server": 1}
    assert {record["id"] for record in recorded(place)} == {one for ids in before.values() for one in ids}
    assert {record["status"] for record in recorded(place)} == {"ACTIVE"}
    assert (place / "state" / "default.journal").read_bytes() == b""
    code, said = run(place, "plan", "-detailed-exitcode")
    assert code == 0, said


def test_its_versions_are_part_of_the_history(place: Path) -> None:
    assert run(place, "apply", "-auto-approve")[0] == 0
    code, said = run(place, "state", "history")
    assert code == 0, said
    assert [line.split()[0] for line in said.splitlines()][-2:] == ["2", "1"]
    code, said = run(place, "state", "rollback", "-to", "2")
    assert code == 0, said


def test_a_secret_that_was_sent_is_still_known(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(place, "apply", "-auto-approve")[0] == 0
    monkeypatch.setenv("APP_SECRET", "another")
    code, said = run(place, "plan", "-detailed-exitcode")
    assert code == 2 and "secret changed" in said


def test_there_is_one_of_every_format_there_was() -> None:
    """A new format of either is to be joined by what it leaves: `python -m tests.golden tests/golden/NAME`."""
    assert LEFT[-1].name == name_of(document.FORMAT, journal.FORMAT)
    for path in LEFT:
        state = json.loads((path / "state" / "default.json").read_bytes())["format"]
        lines = {json.loads(line)["format"] for line in (path / "state" / "default.journal").read_bytes().splitlines()}
        assert [path.name] == [name_of(state, number) for number in lines]
