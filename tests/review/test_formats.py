"""Each format is what its readers expect, and says what is in the plan."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jsonschema import Draft4Validator

from reconciler.config.files import SourceFile
from reconciler.config.loader import load
from reconciler.model.diagnostic import error, warning
from reconciler.plan.comparison import compare
from reconciler.plan.planner import Options
from reconciler.render.formats import render_report
from reconciler.render.html import render_html
from reconciler.render.markdown import GITHUB_LIMIT, render_markdown
from reconciler.render.report import Report
from tests.review.stage import BASE

SARIF = json.loads((Path(__file__).parent / "data" / "sarif-2.1.0.schema.json").read_text("utf-8"))
LESS = BASE.replace(", protect: true", "").replace(
    "  found: {resource_url: https://found", "  other: {resource_url: https://other"
)


def configuration(text: str) -> Any:
    return load((SourceFile("main.yaml", text.encode()),))


def many(count: int, word: str) -> Any:
    server = (
        "  s{}: {{resource_url: 'https://s{}.example.com', display_name: '{} {}', authorization_servers: [todo]}}\n"
    )
    return configuration(BASE + "".join(server.format(n, n, word, n) for n in range(count)))


def report(*more: Any, base: str = BASE, head: str = LESS) -> Report:
    plan = compare(configuration(base), configuration(head), "t", Options())
    return Report(plan, more, "configs")


GUARDED = report(head=BASE.replace("https://todo.example.com/mcp, display", "https://todo2.example.com/mcp, display"))
REFUSED = Report(None, (error("config.x", "first", "what to do"), warning("config.y", "second")))


@pytest.mark.parametrize("shown", [report(), GUARDED, REFUSED, report(head=BASE)])
def test_sarif_agrees_with_its_schema(shown: Report) -> None:
    document = json.loads(render_report(shown, "sarif"))
    assert [problem.message for problem in Draft4Validator(SARIF).iter_errors(document)] == []


def test_sarif_says_where_and_how_bad() -> None:
    results = json.loads(render_report(GUARDED, "sarif"))["runs"][0]["results"]
    assert [result["level"] for result in results[:2]] == ["error", "warning"]
    place = results[0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "configs/main.yaml"
    assert BASE.split("\n")[place["region"]["startLine"] - 1].strip().startswith("todo: {resource_url")
    prints = {result["partialFingerprints"]["reconciler/v1"] for result in results}
    moved = report(head="# one line more\n" + GUARDED_HEAD)
    again = json.loads(render_report(moved, "sarif"))["runs"][0]["results"]
    assert prints == {result["partialFingerprints"]["reconciler/v1"] for result in again}
    assert len(prints) == len(results)


GUARDED_HEAD = BASE.replace("https://todo.example.com/mcp, display", "https://todo2.example.com/mcp, display")


def test_junit_has_a_case_for_each_resource_and_fails_those_with_errors() -> None:
    suite = ElementTree.fromstring(render_report(GUARDED, "junit"))[0]
    cases = {case.get("name"): case for case in suite}
    assert int(suite.get("tests")) == len(cases) == len(GUARDED.changes)
    failed = [name for name, case in cases.items() if case.find("failure") is not None]
    assert failed == ["mcp_server.todo"]
    assert suite.get("failures") == "1"
    assert "todo2.example.com" in cases["mcp_server.todo"].findtext("system-out")


def test_junit_of_a_refusal_and_of_nothing() -> None:
    refused = ElementTree.fromstring(render_report(REFUSED, "junit"))[0]
    assert [case.find("failure") is not None for case in refused] == [True, False]
    assert ElementTree.fromstring(render_report(report(head=BASE), "junit"))[0].get("failures") == "0"


def test_gitlab_counts_and_findings() -> None:
    assert json.loads(render_report(GUARDED, "gitlab-terraform")) == {"create": 2, "update": 0, "delete": 2}
    found = json.loads(render_report(GUARDED, "gitlab-codequality"))
    assert found[0]["severity"] == "blocker"
    assert found[0]["location"] == {"path": "configs/main.yaml", "lines": {"begin": 13}}
    assert len({one["fingerprint"] for one in found}) == len(found)
    for one in found:
        assert one.keys() == {"description", "check_name", "fingerprint", "severity", "location"}


def test_github_annotates_the_worst_ten() -> None:
    told = [warning("config.y", f"careful {n}") for n in range(20)] + [error("config.x", "wrong: 5%, really")]
    lines = render_report(Report(None, tuple(told)), "github").split("\n")
    assert len(lines) == 10
    assert lines[0] == "::error title=config.x::wrong: 5%25, really"


def test_markdown_begins_with_the_verdict_and_has_the_differences() -> None:
    text = render_markdown(report())
    assert text.startswith("### Plan: 1 to add, 2 to change, 1 to destroy\n")
    assert "| `-` | `mcp_server.found` | destroy | ACTIVE → DELETED |" in text
    assert "```diff\n- mcp_server.found\n" in text
    assert "It can't be applied: 1 error" in render_markdown(GUARDED).split("\n")[0]
    assert render_markdown(REFUSED).startswith("### There is no plan: 1 error\n")
    assert render_markdown(report(head=BASE)) == "### No changes\n"


def test_one_step_is_no_steps_in_their_order() -> None:
    one = report(head=BASE.replace("display_name: Todo", "display_name: Tasks"))
    assert one.plan is not None and len(one.plan.steps) == 1
    assert "<summary>1 step</summary>" in render_markdown(one)
    assert "<small>1 step</small>" in render_html(one)
    assert "steps in their order</summary>" in render_markdown(report())


def test_markdown_that_is_too_long_loses_its_middle() -> None:
    told = tuple(error("config.x", f"wrong {n} {'x' * 300}") for n in range(300))
    plan = compare(many(0, "a"), many(1000, "b"), "t", Options())
    for shown in (Report(plan), Report(plan, told)):
        text = render_markdown(shown)
        assert len(text) <= GITHUB_LIMIT
        assert "Plan: 2000 to add" in text.split("\n")[0]
        assert "mcp_server.s0`" in text and "mcp_server.s999/" in text
        assert re.search(r"… \d+ more resources", text)
        assert text.count("<details>") == text.count("</details>") > 20
        assert text.count("\n```") % 2 == 0
    assert "wrong 0" in text and "wrong 299" in text
    assert len(render_markdown(Report(plan), 5_000)) <= 5_000


def test_html_is_one_small_file_that_asks_for_nothing() -> None:
    plan = compare(many(0, "a"), many(500, "b"), "t", Options())
    text = render_html(Report(plan))
    assert len(plan.changes) == 1007
    assert len(text.encode()) < 2_000_000
    assert not re.search(r'(?:src|href)="(?!#)', text)
    assert "@import" not in text and "url(" not in text
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy[1].startswith("default-src 'none'") and "unsafe" not in policy[1]


def test_html_draws_every_resource_once_and_links_it_to_its_details() -> None:
    text = render_html(report())
    cards = re.findall(r'<a class="n \w+" href="#(r\d+)">', text)
    details = re.findall(r'<details class="res \w+" id="(r\d+)"', text)
    assert sorted(cards) == sorted(details)
    assert len(cards) == len(report().plan.changes)


def test_html_of_a_plan_that_needs_itself_is_still_drawn() -> None:
    """A saved plan may say anything."""
    from dataclasses import replace

    made = compare(None, configuration(BASE), "t", Options())
    around = tuple(replace(step, waits=(made.steps[0].id, step.id)) for step in made.steps)
    knotted = {
        a: replace(r, needs=tuple(n._replace(target=a2) for n in r.needs for a2 in made.desired))
        for a, r in made.desired.items()
    }
    text = render_html(Report(replace(made, steps=around, desired=knotted)))
    assert text.count('<a class="n ') == len(made.changes)
