"""What the README says is run: its commands, its example, its tables, and the output it shows."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from reconciler.cli.main import VERBS, verbs
from reconciler.kinds import association, mcp_server
from reconciler.model.diagnostic import EXIT_CODES
from reconciler.model.lifecycle import Sort
from reconciler.schema import schemas

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
ENVIRONMENT = {**os.environ, "NO_COLOR": "1", "COLUMNS": "100", "PYTHONDONTWRITEBYTECODE": ""}


def text() -> str:
    return README.read_text("utf-8")


def block(marker: str) -> str:
    """The fenced block after `<!-- marker -->`."""
    found = re.search(rf"<!-- {re.escape(marker)} -->\n```\w*\n(.*?)```", text(), re.DOTALL)
    assert found, marker
    return found[1]


def table(header: str) -> list[list[str]]:
    """The rows of the table whose first heading cell is `header`."""
    rows = re.search(rf"^\| {re.escape(header)} \|.*\n\|[-| ]+\n((?:\|.*\n)+)", text(), re.MULTILINE)
    assert rows, header
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows[1].splitlines()]


def reconciler(*argv: str, cwd: Path, code: int = 0) -> str:
    """Run the command line; what it printed."""
    command = [sys.executable, "-m", "reconciler", *argv]
    environment = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=cwd, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A fresh copy of the repository, as somebody has just got it."""
    copy = tmp_path / "checkout"
    names = (".git", ".venv", "__pycache__", ".*_cache", "*.egg-info", "build")
    made = shutil.ignore_patterns(*names, "*.json", "*.db", "*.backup", "*.history", "*.journal", "*.lock")
    shutil.copytree(ROOT, copy, ignore=made)
    return copy


def test_the_first_command_brings_the_quickstart_up(checkout: Path) -> None:
    (command,) = block("first command").splitlines()
    parts = command.split(" && ")
    assert [part.split(" ")[0] for part in parts] == ["python3", ".venv/bin/pip", ".venv/bin/reconciler"]
    if "CI" in os.environ:
        done = subprocess.run(command, shell=True, cwd=checkout, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        told = done.stdout
    else:
        told = reconciler(*shlex.split(parts[-1])[1:], cwd=checkout)
    assert "Apply complete! Resources:" in told
    assert "ACTIVE" in reconciler("-C", "examples/quickstart", "show", cwd=checkout)


def test_the_second_command_is_the_one_that_ci_runs(tmp_path: Path) -> None:
    """`.ci/run` reads it from the README, so the two can't part; this shows that it finds it."""
    (command,) = block("test command").splitlines()
    assert command.startswith("python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && ")
    found = [line for line in (ROOT / ".ci" / "run").read_text("utf-8").splitlines() if line.startswith("command=")]
    script = f'cd {shlex.quote(str(ROOT))}\n{found[0]}\nprintf %s "$command"'
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == command


def test_the_commands_stand_on_the_first_screen() -> None:
    first = "\n".join(text().splitlines()[:45])
    assert block("first command") in first
    assert block("test command") in first
    assert "──▶" in first


@pytest.fixture
def shown(checkout: Path) -> dict[str, str]:
    """What the commands print whose output the README shows."""
    directory = checkout / "examples" / "quickstart"
    (command,) = re.findall(r"`reconciler (-C \S+ plan [^`]*)`", text())
    before = reconciler(*shlex.split(command), cwd=checkout)
    reconciler("-C", str(directory), "apply", "-auto-approve", cwd=checkout)
    path = directory / "reconciler.yaml"
    path.write_text(path.read_text("utf-8").replace("display_name: Todo", "display_name: Tasks"), "utf-8")
    edited = reconciler("-C", str(directory), "plan", cwd=checkout)
    world = directory / "sandbox" / "world.yaml"
    wrong = "url: https://api.githubcopilot.com/mcp/\n    published_resource: https://mcp.github.com/"
    world.write_text(world.read_text("utf-8").replace("url: https://api.githubcopilot.com/mcp/", wrong), "utf-8")
    checked = reconciler("-C", str(directory), "check", cwd=checkout, code=EXIT_CODES["gate"])
    return {"plan": before, "edited plan": edited, "check": checked}


def trimmed(output: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in output.strip("\n").splitlines())


def test_the_output_it_shows_is_the_output_there_is(shown: dict[str, str], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--accept", default=False):
        changed = text()
        for name, output in shown.items():
            changed = changed.replace(
                f"<!-- output: {name} -->\n```\n{block(f'output: {name}')}```",
                f"<!-- output: {name} -->\n```\n{trimmed(output)}```",
            )
        README.write_text(changed, "utf-8")
    for name, output in shown.items():
        assert block(f"output: {name}") == trimmed(output), "pytest --accept tests/test_readme.py rewrites it"


def test_the_configuration_it_shows_is_valid(tmp_path: Path) -> None:
    (sample,) = re.findall(r"```yaml\n(.*?)```", text(), re.DOTALL)
    (tmp_path / "reconciler.yaml").write_text(sample, "utf-8")
    reconciler("-C", str(tmp_path), "validate", cwd=tmp_path)


def test_the_verbs_it_lists_are_the_verbs_there_are() -> None:
    listed = {word for row in table("verb") for word in re.findall(r"`([a-z-]+)", row[0])}
    assert listed == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_the_words_and_flags_it_lists_exist(verb: str) -> None:
    (usage,) = re.findall(rf"`({verb}\b[^`]*)`", " ".join(row[0] for row in table("verb")))
    told = CliRunner().invoke(verbs, [verb, "--help"]).output
    flags = re.findall(r"(?<=[\[ ])-{1,2}([a-z-]+)", usage)
    assert [flag for flag in flags if f"-{flag}" not in told] == []
    choices = re.match(rf"{verb} ((?:[a-z]+\\\|)+[a-z]+)", usage)
    assert [word for word in (choices[1].split("\\|") if choices else []) if word not in told] == []


def test_the_schemas_it_lists_are_the_schemas_there_are() -> None:
    (row,) = [row[0] for row in table("verb") if row[0].startswith("`schema")]
    assert sorted(re.sub(r"[`\\]", "", row).removeprefix("schema ").split("|")) == sorted(schemas())


def test_the_exit_codes_it_lists_are_the_exit_codes_there_are() -> None:
    listed = {int(row[0]) for row in table("exit code")}
    assert listed == {0, 1, 2, 130} | set(EXIT_CODES.values()) - {EXIT_CODES["verify"]}


def test_the_lifecycle_it_shows_is_the_lifecycle_there_is() -> None:
    told = set()
    for sources, _, target, who in table("from"):
        for source in sources.split(", "):
            told.add((None if source == "-" else source, target, "commanded" in who))
    for lifecycle in (mcp_server.LIFECYCLE, association.DECLARED):
        assert told == {(t.source, t.target, t.sort is Sort.COMMANDED) for t in lifecycle.transitions}


def test_the_catalog_is_as_large_as_it_says() -> None:
    servers: dict[str, dict[str, object]] = {}
    definitions: dict[str, dict[str, object]] = {}
    for path in (ROOT / "examples" / "catalog").glob("*.yaml"):
        document = yaml.safe_load(path.read_text("utf-8"))
        servers |= {k: v for k, v in document.get("mcp_servers", {}).items() if "for_each" not in v}
        definitions |= {k: v for k, v in document.get("authorization_servers", {}).items() if "for_each" not in v}
    assert (len(servers), len(definitions)) == (40, 33)
    assert "forty public MCP servers behind thirty-three authorization servers" in re.sub(r"\s+", " ", text())


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", text()):
        assert (ROOT / target).exists(), target
