"""Drift in the formats of reports: each says what was found, where, and nothing of what didn't count."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest
from jsonschema import Draft4Validator

from reconciler.drift import Report as DriftReport
from reconciler.render.formats import FORMATS, render_report
from reconciler.render.report import Report
from tests.drift.stage import Applied, run, sandbox
from tests.drift.test_drift import named

SARIF = json.loads((Path(__file__).parent.parent / "review" / "data" / "sarif-2.1.0.schema.json").read_text("utf-8"))
FORMS = [form for form in FORMATS if form not in ("text", "json", "gitlab-terraform")]


@pytest.fixture(scope="module")
def drifted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("formats")
    Applied(root)
    with sandbox(root) as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed")
    yield root


def told(directory: Path, form: str) -> str:
    code, said = run(directory, "drift", f"-format={form}")
    assert code == 2, said
    return said


def test_markdown_and_html_show_the_difference(drifted: Path) -> None:
    for form, before in (("markdown", '"Todo"'), ("html", "&quot;Todo&quot;")):
        said = told(drifted, form)
        assert "Drift: 1 changed; 11 resources checked" in said
        assert "mcp_server.todo" in said and before in said and "Renamed" in said


def test_sarif_points_at_the_declaration(drifted: Path) -> None:
    document = json.loads(told(drifted, "sarif"))
    assert [problem.message for problem in Draft4Validator(SARIF).iter_errors(document)] == []
    (result,) = document["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("drift.attribute", "warning")
    line = result["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert "todo: {resource_url" in (drifted / "reconciler.yaml").read_text("utf-8").splitlines()[line - 1]


def test_machines_get_one_entry_for_each_finding(drifted: Path) -> None:
    suite = ElementTree.fromstring(told(drifted, "junit"))
    assert [failure.get("type") for failure in suite.iter("failure")] == ["drift.attribute"]
    (found,) = json.loads(told(drifted, "gitlab-codequality"))
    assert (found["check_name"], found["severity"]) == ("drift.attribute", "major")
    assert told(drifted, "github").startswith("::warning file=reconciler.yaml,line=")


def test_no_drift_is_no_finding(drifted: Path) -> None:
    clean = Report(drift=DriftReport("default", "sandbox", "2026-01-01T00:00:00Z", 3))
    assert json.loads(render_report(clean, "sarif"))["runs"][0]["results"] == []
    assert not list(ElementTree.fromstring(render_report(clean, "junit")).iter("failure"))
    assert render_report(clean, "markdown").startswith("### No drift. 3 resources checked\n")


@pytest.mark.parametrize("form", FORMS)
def test_what_can_not_be_looked_at_is_an_error_in_every_format(tmp_path: Path, form: str) -> None:
    code, said = run(tmp_path, "drift", f"-format={form}")
    assert code == 10
    assert "configuration" in said
