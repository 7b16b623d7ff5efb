"""examples/ci: what the forges' own schemas say of it, what keeps it safe, and that the action's script works."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.cli.main import VERBS
from tests.review.stage import BASE, commit, git, write

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "examples" / "ci"
ACTION = yaml.safe_load((CI / "action.yml").read_text("utf-8"))
WORKFLOWS = sorted((CI / "github").glob("*.yml"))
PINNED = re.compile(r"actions/[a-z-]+@[0-9a-f]{40}|OWNER/reconciler/examples/ci@COMMIT")


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-actions", [CI / "action.yml"]),
        ("vendor.github-workflows", WORKFLOWS),
        ("vendor.gitlab-ci", [CI / "gitlab" / "reconciler.gitlab-ci.yml"]),
    ],
)
def test_the_forges_schemas_agree(schema: str, files: list[Path]) -> None:
    transform = ["--data-transform", "gitlab-ci"] if "gitlab" in schema else []
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *transform, *map(str, files)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_others_wrote_is_pinned_and_no_pull_request_gets_our_secrets() -> None:
    for path in (CI / "action.yml", *WORKFLOWS):
        text = path.read_text("utf-8")
        uses = re.findall(r"^[ -]+uses: (\S+)", text, re.MULTILINE)
        assert uses and all(PINNED.fullmatch(one) for one in uses), path
        assert "pull_request_target:" not in text
    for path in WORKFLOWS:
        workflow = yaml.safe_load(path.read_text("utf-8"))
        assert workflow["permissions"] == {}, "a job has what it names and nothing else"
        for job in workflow["jobs"].values():
            assert "contents" in job["permissions"]
            assert ("secrets." in str(job)) == ("environment" in job)


def test_no_text_of_a_pull_request_is_part_of_a_command() -> None:
    for path in (CI / "action.yml", *WORKFLOWS):
        assert not [script for script in _scripts(yaml.safe_load(path.read_text("utf-8"))) if "${{" in script]


def test_the_hooks_are_commands_of_ours() -> None:
    hooks = yaml.safe_load((CI / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert all(hook["args"][0] in VERBS and hook["entry"] == "reconciler" for hook in hooks)


@pytest.mark.parametrize("command", ["diff", "plan", "apply", "nonsense"])
def test_the_script_of_the_action(tmp_path: Path, command: str) -> None:
    work = write(tmp_path / "work", BASE.replace("version: 1", "version: 1\nprovider: {sandbox: {settle_seconds: 0}}"))
    git(work, "init", "-q")
    before = commit(work)
    write(work, (work / "main.yaml").read_text().replace("Todo", "To do"))
    ran, told = _run_action(tmp_path, work, command, before)
    plan = tmp_path / "plan.json"
    if command == "diff":
        assert (ran.returncode, told["exit-code"], told["changes"]) == (0, "2", "true")
        assert "1 to change" in (tmp_path / "summary.md").read_text("utf-8")
    elif command == "plan":
        assert (ran.returncode, told["exit-code"], told["changes"], told["plan-path"]) == (0, "2", "true", str(plan))
        assert "7 to add" in (tmp_path / "summary.md").read_text("utf-8")
        assert "/statuses/c0ffee" in (tmp_path / "review").read_text("utf-8")
    else:
        assert (ran.returncode, told["changes"]) == (1, "false")


def _run_action(root: Path, work: Path, command: str, base: str) -> tuple[Any, dict[str, str]]:
    tool = root / "reconciler" / "bin" / "reconciler"
    tool.parent.mkdir(parents=True)
    tool.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m reconciler "$@"\n')
    tool.chmod(0o755)
    step = next(step for step in ACTION["runs"]["steps"] if step.get("id") == "run")
    given = {"COMMAND": command, "BASE": base, "PLAN": str(root / "plan.json"), "COMMENT": "false"}
    assert set(step["env"]) == set(given)
    github = {"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "c0ffee", "CI": "true"}
    files = {"GITHUB_OUTPUT": str(root / "output"), "GITHUB_STEP_SUMMARY": str(root / "summary.md")}
    environment = {**os.environ, **given, **github, **files, "RUNNER_TEMP": str(root), "PYTHONPATH": str(ROOT)}
    bash = shutil.which("bash")
    assert bash
    script = [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    ran = subprocess.run(script, cwd=work, env=environment, capture_output=True, text=True, check=False)
    lines = (root / "output").read_text("utf-8").splitlines()
    return ran, dict(line.split("=", 1) for line in lines)


def _scripts(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["run"]] if isinstance(value.get("run"), str) else []
        return own + [one for inner in value.values() for one in _scripts(inner)]
    return [one for inner in value for one in _scripts(inner)] if isinstance(value, list) else []
