"""What a newcomer is promised, each sentence as a test."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import jsonschema
import pytest

from tests.e2e.conftest import ROOT, Reconciler

PLAN_SCHEMA = ROOT / "schemas" / "plan.schema.json"


def statuses(reconciler: Reconciler, place: Path) -> dict[str, str]:
    shown = json.loads(reconciler("show", "-json", cwd=place).out)
    resources = shown.get("values", {}).get("root_module", {}).get("resources", [])
    return {resource["address"]: resource["values"]["status"] for resource in resources}


def test_the_quickstart_from_yaml_to_active_and_away_again(reconciler: Reconciler, quickstart: Path) -> None:
    applied = reconciler("apply", "-auto-approve", cwd=quickstart)
    assert applied.code == 0, applied.err
    assert re.search(r"^Apply complete! Resources: \d+ added, 0 changed, 0 destroyed\.$", applied.out, re.M)
    states = statuses(reconciler, quickstart)
    assert len([a for a in states if "/" not in a and a.startswith("mcp_server.")]) == 3
    assert set(states.values()) == {"ACTIVE"}

    unchanged = reconciler("plan", "-detailed-exitcode", cwd=quickstart)
    assert (unchanged.code, unchanged.err) == (0, "")
    assert unchanged.out.strip() == "No changes. Your infrastructure matches the configuration."

    file = quickstart / "reconciler.yaml"
    file.write_text(file.read_text("utf-8").replace("display_name: GitHub", "display_name: Octocat"), "utf-8")
    edited = reconciler("plan", "-detailed-exitcode", cwd=quickstart)
    assert edited.code == 2
    assert edited.out.count("~") == 1
    assert '"GitHub" -> "Octocat"' in edited.out
    assert "Plan: 0 to add, 1 to change, 0 to destroy." in edited.out.splitlines()
    assert reconciler("apply", "-auto-approve", cwd=quickstart).code == 0
    assert reconciler("plan", "-detailed-exitcode", cwd=quickstart).code == 0

    destroyed = reconciler("destroy", "-auto-approve", cwd=quickstart)
    assert destroyed.code == 0, destroyed.err
    assert "Destroy complete! Resources:" in destroyed.out
    assert statuses(reconciler, quickstart) == {}
    assert reconciler("plan", "-destroy", cwd=quickstart).out.startswith("No changes.")


def test_a_plan_of_the_catalog_is_a_valid_document_that_lists_every_resource(
    reconciler: Reconciler, tmp_path: Path
) -> None:
    place = tmp_path / "examples" / "catalog"
    shutil.copytree(ROOT / "examples" / "catalog", place)
    planned = reconciler("-C", str(place), "plan", "-out", "p.json")
    assert planned.code == 0, planned.err
    shown = json.loads(reconciler("-C", str(place), "show", "-json", "p.json").out)
    jsonschema.validate(shown, json.loads(PLAN_SCHEMA.read_text("utf-8")))
    types = [change["type"] for change in shown["resource_changes"]]
    assert types.count("mcp_server") >= 40
    assert shown["format_version"] == "1.2"


def test_a_plan_is_stale_once_the_configuration_was_edited(reconciler: Reconciler, quickstart: Path) -> None:
    assert reconciler("plan", "-out=p.json", cwd=quickstart).code == 0
    file = quickstart / "reconciler.yaml"
    file.write_text(file.read_text("utf-8").replace("display_name: GitHub", "display_name: Octocat"), "utf-8")
    refused = reconciler("apply", "p.json", cwd=quickstart)
    assert refused.code == 14
    assert "configuration" in refused.err
    assert statuses(reconciler, quickstart) == {}


def test_a_saved_plan_is_performed_once_and_no_second_time(reconciler: Reconciler, quickstart: Path) -> None:
    reconciler("plan", "-out=p.json", cwd=quickstart)
    first = reconciler("apply", "p.json", cwd=quickstart)
    assert first.code == 0, first.err
    again = reconciler("apply", "p.json", cwd=quickstart)
    assert again.code == 0
    assert "This plan was applied already" in again.err
    assert "Resources: 0 added, 0 changed, 0 destroyed." in again.out


def test_an_edited_plan_file_is_refused(reconciler: Reconciler, quickstart: Path) -> None:
    reconciler("plan", "-out=p.json", cwd=quickstart)
    file = quickstart / "p.json"
    file.write_text(file.read_text("utf-8").replace("Octo", "Evil").replace("GitHub", "Evil"), "utf-8")
    assert reconciler("apply", "p.json", cwd=quickstart).code == 14


BROKEN = [
    ("version: 1\nmcp_servers: {a: {resource_ulr: https://x.example.com}}\n", "reconciler.yaml:2:"),
    ("version: 1\nmcp_servers: [\n", "reconciler.yaml:"),
    ("version: 1\nmcp_servers: {a: {resource_url: nonsense, registration: discovered}}\n", "reconciler.yaml:2:"),
    ("[" * 100_000, "reconciler.yaml:1:"),
    ("version: 2\n", "reconciler.yaml:1:"),
]


@pytest.mark.parametrize(("text", "place"), BROKEN)
def test_a_broken_configuration_exits_10_and_says_where(
    reconciler: Reconciler, tmp_path: Path, text: str, place: str
) -> None:
    (tmp_path / "reconciler.yaml").write_text(text, "utf-8")
    run = reconciler("plan")
    assert run.code == 10
    assert place in run.err
    assert run.out == ""
