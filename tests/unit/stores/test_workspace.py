"""Choosing a workspace."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.stores.file import FileStore, workspaces
from reconciler.stores.workspace import create_workspace, current_workspace, select_workspace


def create(directory: Path, name: str) -> None:
    create_workspace(directory, name, workspaces(directory), lambda workspace: FileStore(directory, workspace))


def select(directory: Path, name: str) -> None:
    select_workspace(directory, name, workspaces(directory))


def test_the_default_is_in_force_until_another_is_selected(tmp_path: Path) -> None:
    assert current_workspace(tmp_path) == "default"
    create(tmp_path, "prod")
    assert current_workspace(tmp_path) == "prod"
    select(tmp_path, "default")
    assert current_workspace(tmp_path) == "default"
    assert workspaces(tmp_path) == ["default", "prod"]


def test_the_environment_wins(tmp_path: Path) -> None:
    create(tmp_path, "prod")
    assert current_workspace(tmp_path, "other") == "other"
    assert current_workspace(tmp_path, "") == "prod"


def test_a_new_workspace_is_empty_and_of_its_own_lineage(tmp_path: Path) -> None:
    lineages = set()
    for name in ("a", "b"):
        create(tmp_path, name)
        made = FileStore(tmp_path, name).read()
        assert made is not None
        assert (made.serial, made.records) == (1, {})
        lineages.add(made.lineage)
    assert len(lineages) == 2


@pytest.mark.parametrize(
    ("call", "name", "code"),
    [
        (create, "a/b", "workspace.name"),
        (create, "default", "workspace.exists"),
        (select, "nope", "workspace.unknown"),
        (current_workspace, "../x", "workspace.name"),
    ],
)
def test_what_can_not_be_chosen_is_refused(tmp_path: Path, call: object, name: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        call(tmp_path, name)  # type: ignore[operator]
    assert caught.value.diagnostics[0].code == code
    assert caught.value.diagnostics[0].detail


def test_a_selection_that_was_edited_into_nonsense_is_refused(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_text("../../etc")
    with pytest.raises(Refused):
        current_workspace(tmp_path)


def test_a_selection_that_is_no_text_is_told_by_its_file(tmp_path: Path) -> None:
    (tmp_path / "workspace").write_bytes(b"pr\xffd\n")
    with pytest.raises(Refused) as refused:
        current_workspace(tmp_path)
    assert f"{tmp_path}/workspace, which holds" in refused.value.diagnostics[0].summary
    assert current_workspace(tmp_path, "default") == "default"
    select(tmp_path, "default")
    assert current_workspace(tmp_path) == "default"


def test_a_workspace_that_can_not_be_selected_is_not_made(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    with pytest.raises(Refused, match="workspace can't be"):
        create(tmp_path, "prod")
    assert workspaces(tmp_path) == ["default"]


@pytest.mark.parametrize("former", [None, "staging"])
def test_a_workspace_that_can_not_be_made_is_not_selected(tmp_path: Path, former: str | None) -> None:
    if former:
        create(tmp_path, former)
    (tmp_path / "prod.json").mkdir()
    with pytest.raises(Refused):
        create_workspace(tmp_path, "prod", ["default"], lambda workspace: FileStore(tmp_path, workspace))
    assert current_workspace(tmp_path) == (former or "default")
