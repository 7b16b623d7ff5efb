"""Every directory of examples/ is planned and applied, in a copy, by the command line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from reconciler.schema import text_of

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/sandbox"))


class Checkout:
    """A copy of examples/ whose state is its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        shutil.copytree(ROOT / "examples", root / "examples")

    def directory(self, example: str) -> Path:
        return self.root / "examples" / example

    def run(self, example: str, *argv: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "reconciler", "-C", str(self.directory(example)), *argv]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": ""}
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=self.root, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def plan(self, example: str, *argv: str) -> dict[str, Any]:
        file = self.root / "plan.json"
        self.run(example, "plan", "-out", str(file), *argv)
        document = json.loads(self.run(example, "show", "-json", str(file)))
        Draft202012Validator(json.loads(text_of("plan"))).validate(document)
        assert isinstance(document, dict)
        return document

    def state(self, example: str) -> dict[str, Any]:
        document = json.loads((self.root / "state" / example / "default.json").read_text("utf-8"))
        Draft202012Validator(json.loads(text_of("state"))).validate(document)
        assert isinstance(document, dict)
        return document


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def actions(plan: dict[str, Any]) -> Counter[str]:
    return Counter("+".join(change["change"]["actions"]) for change in plan["resource_changes"])


def types(plan: dict[str, Any]) -> Counter[str]:
    return Counter(change["type"] for change in plan["resource_changes"])


@pytest.mark.parametrize("example", EXAMPLES)
class TestEveryExample:
    def test_is_valid_and_well_formatted(self, checkout: Checkout, example: str) -> None:
        assert "Warning" not in checkout.run(example, "validate")
        checkout.run(example, "fmt", "-check")

    def test_is_applied_once_and_then_in_order(self, checkout: Checkout, example: str) -> None:
        planned = actions(checkout.plan(example))
        assert set(planned) == {"create"}
        told = checkout.run(example, "apply", "-auto-approve")
        assert f"{planned['create']} added, 0 changed, 0 destroyed" in told
        records = checkout.state(example)["resources"]
        assert len(records) == planned["create"]
        assert {record["status"] for record in records} == {"ACTIVE"}
        checkout.run(example, "plan", "-detailed-exitcode")

    def test_tells_its_events_in_the_published_form(self, checkout: Checkout, example: str) -> None:
        events = Draft202012Validator(json.loads(text_of("events")))
        lines = checkout.run(example, "apply", "-auto-approve", "-json").splitlines()
        for line in lines:
            events.validate(json.loads(line))
        kinds = Counter(json.loads(line)["type"] for line in lines)
        assert kinds["version"] == 1
        assert kinds["apply_start"] == kinds["apply_complete"] > 0
        assert kinds["apply_errored"] == 0


def test_the_quickstart_is_changed_and_taken_down_again(checkout: Checkout) -> None:
    checkout.run("quickstart", "apply", "-auto-approve")
    path = checkout.directory("quickstart") / "reconciler.yaml"
    path.write_text(path.read_text("utf-8").replace("display_name: Todo", "display_name: Tasks"), "utf-8")
    told = checkout.run("quickstart", "plan", "-detailed-exitcode", code=2)
    assert len(re.findall(r"^ *~ mcp_server", told, re.MULTILINE)) == 1
    assert '"Todo" -> "Tasks"' in told
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in told
    assert "0 added, 1 changed, 0 destroyed" in checkout.run("quickstart", "apply", "-auto-approve")
    planned = actions(checkout.plan("quickstart", "-destroy"))
    assert set(planned) == {"delete"}
    told = checkout.run("quickstart", "destroy", "-auto-approve")
    assert f"{planned['delete']} destroyed" in told
    assert checkout.state("quickstart")["resources"] == []
    assert set(actions(checkout.plan("quickstart"))) == {"create"}


def test_an_edited_configuration_makes_the_plan_stale(checkout: Checkout) -> None:
    file = checkout.root / "p.json"
    checkout.run("quickstart", "plan", "-out", str(file))
    path = checkout.directory("quickstart") / "reconciler.yaml"
    path.write_text(path.read_text("utf-8").replace("display_name: Todo", "display_name: Tasks"), "utf-8")
    assert "configuration" in checkout.run("quickstart", "apply", str(file), code=14)
    assert not (checkout.root / "state" / "quickstart" / "default.json").exists()


def test_the_catalog_plans_every_resource(checkout: Checkout) -> None:
    found = types(checkout.plan("catalog"))
    assert found["mcp_server"] == 42
    assert found["association"] == 42
    assert found["client_registration"] == 40
    assert found["authorization_server"] == 2


def merged(example: str) -> dict[str, dict[str, Any]]:
    sections: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "examples" / example).glob("*.yaml")):
        for section, body in yaml.safe_load(path.read_text("utf-8")).items():
            if isinstance(body, dict):
                sections.setdefault(section, {}).update(body)
    return sections


def public(catalog: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {name: body for name, body in catalog["mcp_servers"].items() if "for_each" not in body}


def test_the_catalog_shows_every_way() -> None:
    catalog = merged("catalog")
    servers = public(catalog)
    assert len(servers) == 40
    assert Counter(body.get("registration", "manual") for body in servers.values()).keys() == {"manual", "discovered"}
    uses = Counter(name for body in servers.values() for name in body["authorization_servers"])
    assert len([name for name, count in uses.items() if count > 1]) >= 3
    assert len({body["resource_url"] for body in servers.values()}) == 40
    assert {body["type"] for body in catalog["authorization_servers"].values()} == {"okta", "external"}


def test_the_world_of_the_catalog_plays_the_servers_of_the_catalog() -> None:
    catalog = merged("catalog")
    world = yaml.safe_load((ROOT / "examples/catalog/sandbox/world.yaml").read_text("utf-8"))
    played = {body["url"]: body for body in world["mcp_servers"]}
    issuers = {body["issuer"]: body for body in world["authorization_servers"]}
    definitions = catalog["authorization_servers"]
    for body in public(catalog).values():
        assert body["resource_url"] in played
        for name in body["authorization_servers"]:
            answer = issuers[definitions[name]["issuer"]]
            for key in ("authorization_endpoint", "token_endpoint", "registration_endpoint", "grant_types"):
                assert answer.get(key) == definitions[name].get(key), (name, key)
            if body.get("registration") == "discovered":
                assert played[body["resource_url"]]["authorization_servers"] == [definitions[name]["issuer"]]


def test_no_example_holds_a_secret_that_could_be_one() -> None:
    for path in (ROOT / "examples").rglob("*secret"):
        assert path.read_text("utf-8").startswith("not-a-real-secret")
