"""The published JSON Schemas: sound, fresh, and true of the documents that the tool really reads and writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from reconciler.cli.main import verbs
from reconciler.schema import schemas, text_of, write

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
CONFIGURATIONS = sorted(path for world in EXAMPLES.glob("*/sandbox") for path in world.parent.glob("*.yaml"))
WORLDS = sorted(EXAMPLES.glob("*/sandbox/world.yaml"))


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(json.loads(text_of(name)))


def problems(name: str, document: Any) -> list[str]:
    return [f"{list(found.absolute_path)}: {found.message}" for found in validator(name).iter_errors(document)]


def shown(path: Path) -> str:
    return str(path.relative_to(EXAMPLES))


@pytest.mark.parametrize("name", sorted(schemas()))
class TestEverySchema:
    def test_is_sound(self, name: str) -> None:
        schema = json.loads(text_of(name))
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert schema["title"]

    def test_is_checked_in_fresh(self, name: str) -> None:
        checked_in = (ROOT / "schemas" / f"{name}.schema.json").read_text("utf-8")
        assert checked_in == text_of(name), "run: python -m reconciler.schema schemas"

    def test_refers_only_to_what_it_holds(self, name: str) -> None:
        text = text_of(name)
        schema = json.loads(text)
        targets = {line.split('"')[3] for line in text.splitlines() if line.strip().startswith('"$ref"')}
        for target in targets:
            assert target.startswith("#/$defs/"), target
            assert target.removeprefix("#/$defs/") in schema["$defs"]

    def test_refuses_what_is_no_such_document(self, name: str) -> None:
        assert problems(name, ["not", "a", "document"])
        assert problems(name, 7)


def test_no_schema_file_is_left_over(tmp_path: Path) -> None:
    write(tmp_path)
    assert {path.name for path in (ROOT / "schemas").iterdir()} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("path", CONFIGURATIONS, ids=shown)
def test_every_example_is_a_configuration(path: Path) -> None:
    assert problems("config", yaml.safe_load(path.read_text("utf-8"))) == []


@pytest.mark.parametrize("path", WORLDS, ids=shown)
def test_every_world_file_is_one(path: Path) -> None:
    assert problems("world", yaml.safe_load(path.read_text("utf-8"))) == []


LISTED = {"version": 1, "workspaces": [{"name": "a", "directory": "b"}]}
OPS = {"url": "https://ops.example.com/drift", "secret": {"env": "OPS_KEY"}}


def test_an_editor_knows_a_list_of_workspaces_and_who_is_told() -> None:
    assert problems("workspaces", LISTED) == []
    assert problems("workspaces", {**LISTED, "notifications": {"webhooks": {"ops": OPS}}}) == []
    assert problems("workspaces", {**LISTED, "notifications": {"webhooks": {"ops": {**OPS, "secret": "x"}}}})


QUICKSTART = yaml.safe_load((EXAMPLES / "quickstart" / "reconciler.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    "change",
    [
        {"mcp_server": {}},
        {"mcp_servers": {"todo": {"resource_url": "https://todo.example.com", "colour": "red"}}},
        {"mcp_servers": {"todo": {"status": "active"}}},
        {"mcp_servers": {"todo": {"resource_url": "https://todo.example.com", "status": "on"}}},
        {"mcp_servers": ["todo"]},
        {"authorization_servers": {"todo": {"type": "okta"}}},
        {"authorization_servers": {"todo": {"type": "keycloak", "issuer": "https://a.example.com"}}},
        {"client_registrations": {"app": {"authorization_server": "github", "client_secret": "hunter2"}}},
        {"version": 2},
        {"provider": {"okta": {"org_url": "https://acme.okta.com", "auth": {"token": "secret"}}}},
    ],
    ids=str,
)
def test_an_editor_is_told_of_mistakes(change: dict[str, Any]) -> None:
    assert problems("config", {**QUICKSTART, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"mcp_servers": {"a": {"for_each": ["x"], "resource_url": "https://${each.key}.example.com/mcp"}}},
        {"mcp_servers": {"a": {"resource_url": "https://a.example.com/mcp", "protect": "${var.careful}"}}},
        {"authorization_servers": {"a": {"type": "okta", "audiences": ["x"], "scopes": "${var.scopes}"}}},
        {"moved": [{"from": "mcp_server.a", "to": "mcp_server.todo"}]},
    ],
    ids=str,
)
def test_an_editor_knows_interpolation_and_instructions(change: dict[str, Any]) -> None:
    assert problems("config", {**QUICKSTART, **change}) == []


@pytest.mark.parametrize("name", sorted(schemas()))
def test_the_command_line_prints_the_same(name: str) -> None:
    assert json.loads(CliRunner().invoke(verbs, ["schema", name]).output) == json.loads(text_of(name))


@pytest.mark.skipif("CI" not in os.environ, reason="builds and installs from the package index; CI does")
def test_the_wheel_works_outside_the_repository(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(tmp_path), str(ROOT)]
    subprocess.run(argv, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    held = zipfile.ZipFile(wheel).namelist()
    assert "reconciler/py.typed" in held
    assert {Path(name).name for name in held if "/share/reconciler/schemas/" in name} == {
        f"{name}.schema.json" for name in schemas()
    }
    assert not [name for name in held if name.startswith(("tests/", "examples/"))]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    scripts = tmp_path / "env" / "bin"
    subprocess.run([scripts / "python", "-m", "pip", "install", "-q", str(wheel)], check=True)
    for argv in (["--version"], ["schema", "config"], ["--help"]):
        subprocess.run([scripts / "reconciler", *argv], check=True, cwd=tmp_path, stdout=subprocess.DEVNULL)
    listed = {path.name for path in (tmp_path / "env" / "share" / "reconciler" / "schemas").iterdir()}
    assert listed == {f"{name}.schema.json" for name in schemas()}
