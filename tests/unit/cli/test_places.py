"""Every file that a message names can be opened from where the command was typed, wherever -C leads."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.unit.cli.conftest import CONFIGURATION, Reconciler

PLACE = re.compile(r"(?<![^\s(])([^\s:()]+\.ya?ml):\d+:\d+")


@pytest.fixture
def elsewhere(tmp_path: Path, reconciler: Reconciler) -> Path:
    """Where the configuration is: below the directory that the commands are typed in."""
    folder = tmp_path / "envs" / "prod"
    folder.mkdir(parents=True)
    (folder / "reconciler.yaml").write_text(CONFIGURATION, "utf-8")
    return folder


def places(text: str) -> list[str]:
    found = PLACE.findall(text)
    assert found and all(Path(name).is_file() for name in found), text
    return found


@pytest.mark.parametrize("given", ["envs/prod", "./envs/prod/", "envs/../envs/prod", None])
def test_places_in_the_configuration(elsewhere: Path, reconciler: Reconciler, given: str | None) -> None:
    (elsewhere / "b.yaml").write_text("mcp_servers:\n  todo: {resource_url: https://b.example.com/mcp}\nodd: 1\n")
    ran = reconciler("-C", given or str(elsewhere), "validate")
    assert ran.code == 10
    assert {Path(name).name for name in places(ran.err)} == {"reconciler.yaml", "b.yaml"}
    assert "The first one is at" in ran.err


def test_a_file_that_cannot_be_read_is_named_from_where_the_command_was_typed(
    elsewhere: Path, reconciler: Reconciler
) -> None:
    (elsewhere / "b.yaml").symlink_to("nowhere")
    assert "envs/prod/b.yaml can't be read: no such file or directory" in reconciler("-C", "envs/prod", "validate").err


def test_in_the_directory_itself_files_have_their_bare_names(
    elsewhere: Path, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    (elsewhere / "b.yaml").write_text("odd: 1\n")
    monkeypatch.chdir(elsewhere)
    assert places(reconciler("validate").err) == ["b.yaml"]
    assert places(reconciler("-C", ".", "validate").err) == ["b.yaml"]


def test_a_warning_in_one_line_too(elsewhere: Path, reconciler: Reconciler) -> None:
    (elsewhere / "b.yaml").write_text(
        "authorization_servers:\n  gh: {type: external, issuer: https://a.example.com, "
        "authorization_endpoint: https://a.example.com/a, token_endpoint: https://a.example.com/t}\n"
    )
    ran = reconciler("-C", "envs/prod", "validate", "-compact-warnings")
    assert places(ran.err) == ["envs/prod/b.yaml"]


def test_a_file_of_variables_is_found_where_the_command_was_typed(elsewhere: Path, reconciler: Reconciler) -> None:
    Path("more.yaml").write_text("domain: [1]\n")
    with (elsewhere / "reconciler.yaml").open("a") as file:
        file.write("variables: {domain: {type: string, default: x}}\n")
    ran = reconciler("-C", "envs/prod", "validate", "-var-file=more.yaml")
    assert ran.code == 10
    assert "./more.yaml" in places(ran.err)


def test_files_to_be_formatted_count_from_there_and_those_of_the_directory_are_named_from_there(
    elsewhere: Path, reconciler: Reconciler
) -> None:
    Path("more.yaml").write_text("version:   1\n")
    assert reconciler("-C", "envs/prod", "fmt", "more.yaml").out == "more.yaml\n"
    assert Path("more.yaml").read_text() == "version: 1\n"
    (elsewhere / "b.yaml").write_text("mcp_servers:   {}\n")
    assert "envs/prod/b.yaml" in reconciler("-C", "envs/prod", "fmt").out.splitlines()
    Path("broken.yaml").write_text("a: [\n")
    assert places(reconciler("-C", "envs/prod", "fmt", "broken.yaml").err)[0] == "./broken.yaml"


def test_the_state_is_kept_in_the_same_place_and_named_from_there(elsewhere: Path, reconciler: Reconciler) -> None:
    assert reconciler("-C", "envs/prod", "apply", "-auto-approve").code == 0
    state = elsewhere / "state" / "default.json"
    state.write_text("{")
    ran = reconciler("-C", "envs/prod", "plan")
    assert "envs/prod/state/default.json is cut off or damaged" in ran.err
    assert not (elsewhere.parent.parent / "state").exists()


def test_programs_get_the_names_as_they_are_in_the_configuration(elsewhere: Path, reconciler: Reconciler) -> None:
    """As Terraform's with -chdir; and a plan must not depend on where it was made."""
    (elsewhere / "b.yaml").write_text("odd: 1\n")
    (line,) = [json.loads(line) for line in reconciler("-C", "envs/prod", "plan", "-json").out.splitlines()][-1:]
    assert line["diagnostic"]["range"]["filename"] == "b.yaml"
    (elsewhere / "b.yaml").unlink()
    assert reconciler("-C", "envs/prod", "plan", "-out=p.json").code == 0
    saved = json.loads(Path("p.json").read_text())
    assert {found["span"].partition(":")[0] for found in saved["x_desired"]} == {"reconciler.yaml"}


def test_where_nothing_can_be_entered_it_is_said_why(reconciler: Reconciler) -> None:
    Path("file").touch()
    assert '"nowhere" can\'t be entered: there is no such directory.' in reconciler("-C", "nowhere", "plan").err
    assert '"file" can\'t be entered: it is not a directory.' in reconciler("-C", "file", "plan").err


def test_what_is_advised_can_be_typed(reconciler: Reconciler) -> None:
    Path("my env").mkdir()
    ran = reconciler("-C", "my env", "init")
    assert ran.out.startswith("Wrote my env/reconciler.yaml")
    assert "    reconciler -C 'my env' plan\n" in ran.out
    assert "reconciler -C 'my env' plan" in reconciler("-C", "my env", "init").err
