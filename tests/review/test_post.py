"""`reconciler review`: one comment, edited in place, and a status; through outages and limits, and never twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.review.forges import Forge, serving
from tests.review.stage import BASE, write

TOKEN = "ghs_very_secret"
CHANGED = BASE.replace("display_name: Todo", "display_name: To do")


@pytest.fixture(params=["github", "gitlab"])
def forge(request, tmp_path: Path, monkeypatch, reconciler) -> Iterator[Forge]:
    """A CI run of a pull or merge request that changes a display name."""
    (tmp_path / ".git").mkdir()
    write(tmp_path / "base", BASE)
    write(tmp_path / "configs", CHANGED)
    monkeypatch.chdir(tmp_path / "configs")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with serving(Forge(request.param)) as one:
        for name, value in _environment(one, tmp_path).items():
            monkeypatch.setenv(name, value)
        yield one
        assert one.complaints == []


def _environment(forge: Forge, directory: Path) -> dict[str, str]:
    if forge.sort == "gitlab":
        gitlab = {
            "CI_API_V4_URL": forge.url,
            "CI_PROJECT_ID": "7",
            "CI_COMMIT_SHA": "c0ffee",
            "CI_JOB_URL": "https://j",
        }
        return {"CI": "true", "GITLAB_CI": "true", "CI_MERGE_REQUEST_IID": "3", "GITLAB_TOKEN": TOKEN, **gitlab}
    event = directory / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 3, "head": {"sha": "c0ffee"}}}))
    github = {"GITHUB_API_URL": forge.url, "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": "merge", "GITHUB_RUN_ID": "9"}
    return {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": str(event), "GITHUB_TOKEN": TOKEN, **github}


def review(reconciler, *more: str):
    return reconciler("review", "-base", "../base", *more)


def test_the_judge_of_requests_notices() -> None:
    forge = Forge("github")
    forge._judge("POST", "/repos/o/r/issues/3/comments", {}, {"text": "x"})
    forge._judge("POST", "/repos/o/r/statuses/c0ffee", {"x": ["1"]}, {"state": "passed"})
    forge._judge("DELETE", "/repos/o/r", {}, None)
    assert len(forge.complaints) == 5


def test_a_comment_and_a_status(forge: Forge, reconciler) -> None:
    ran = review(reconciler)
    assert ran.code == 0, ran.err
    (comment,), (status,) = forge.comments, forge.statuses
    assert comment["body"].split("\n")[1] == "### Plan: 0 to add, 1 to change, 0 to destroy"
    assert status["state"] == "success" and status["sha"] == "c0ffee"
    assert status["description"] == "Plan: 0 to add, 1 to change, 0 to destroy"
    assert status.get("context", status.get("name")) == "reconciler configs"
    assert TOKEN not in ran.out + ran.err + json.dumps([forge.comments, forge.statuses])
    assert forge.tokens == {f"Bearer {TOKEN}" if forge.sort == "github" else TOKEN}


def test_the_comment_is_edited_in_place_and_only_when_it_differs(forge: Forge, reconciler, tmp_path: Path) -> None:
    forge.comments += [forge.written(f"about something else {n}", "human") for n in range(5)]
    review(reconciler)
    first = forge.comments[-1]["body"]
    asked = len(forge.asked)
    review(reconciler)
    assert len(forge.comments) == 6
    assert not [method for method, _ in forge.asked[asked:] if method in ("PATCH", "PUT")]
    write(tmp_path / "configs", CHANGED.replace(", todo.write]", "]"))
    review(reconciler)
    assert len(forge.comments) == 6
    assert forge.comments[-1]["body"] != first
    assert "2 to change" in forge.comments[-1]["body"]


def test_each_workspace_and_each_configuration_has_its_own(
    forge: Forge, reconciler, tmp_path: Path, monkeypatch
) -> None:
    review(reconciler)
    monkeypatch.setenv("RECONCILER_WORKSPACE", "other")
    review(reconciler)
    write(tmp_path / "more", CHANGED)
    monkeypatch.chdir(tmp_path / "more")
    review(reconciler)
    review(reconciler)
    assert len(forge.comments) == 3


def test_somebody_elses_comment_with_our_marker_is_left_alone(forge: Forge, reconciler) -> None:
    review(reconciler)
    body = forge.comments.pop()["body"]
    forge.comments.append(forge.written(body, "mallory"))
    forge.comments.append(forge.written(f"look:\n{body}"))
    review(reconciler)
    assert [one["user"]["login"] for one in forge.comments] == ["mallory", "review-bot", "review-bot"]
    assert forge.comments[2]["body"] == body


@pytest.mark.parametrize("fault", [(502, {}, {}), (429, {}, {"Retry-After": "3"}), (503, {}, {})])
def test_outages_and_limits_are_waited_for(forge: Forge, reconciler, fault) -> None:
    forge.faults += [fault, fault]
    assert review(reconciler).code == 0
    assert len(forge.comments) == len(forge.statuses) == 1


def test_githubs_limit_is_waited_for_until_it_is_reset(forge: Forge, reconciler, monkeypatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    monkeypatch.setattr("time.time", lambda: 1_000.0)
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1042"}
    forge.faults.append((403, {}, spent))
    assert review(reconciler).code == 0
    assert slept == [42.0]
    forge.faults.append((403, {}, {**spent, "X-RateLimit-Reset": "9000"}))
    ran = review(reconciler)
    assert ran.code == 1
    assert "takes no more requests for 8000 seconds" in ran.err


def test_a_comment_whose_answer_is_lost_is_not_written_twice(forge: Forge, reconciler, monkeypatch) -> None:
    real, lost = forge.answer, []

    def answer(method, target, headers, body):
        reply = real(method, target, headers, body)
        if method == "POST" and "/statuses/" not in target and not lost:
            lost.append(target)
            return None
        return reply

    monkeypatch.setattr(forge, "answer", answer)
    ran = review(reconciler)
    assert lost and ran.code == 0, ran.err
    assert len(forge.comments) == len(forge.statuses) == 1


def test_a_token_without_rights_is_said(forge: Forge, reconciler, monkeypatch) -> None:
    real = forge._reply
    monkeypatch.setattr(forge, "_reply", lambda m, *rest: (403, {}, {}) if m == "POST" else real(m, *rest))
    ran = review(reconciler)
    assert ran.code == 11
    assert "lacks a permission" in ran.err and TOKEN not in ran.err


def test_the_token_of_an_actions_job_may_not_ask_who_it_is(forge: Forge, reconciler, monkeypatch) -> None:
    if forge.sort == "gitlab":
        pytest.skip("GitLab's tokens may")
    forge.login = "github-actions[bot]"
    real = forge._reply
    monkeypatch.setattr(forge, "_reply", lambda m, p, *rest: (403, {}, {}) if p == "/user" else real(m, p, *rest))
    review(reconciler)
    review(reconciler)
    assert len(forge.comments) == 1


def test_a_refused_configuration_is_what_reviewers_are_told(forge: Forge, reconciler, tmp_path: Path) -> None:
    review(reconciler)
    write(tmp_path / "configs", BASE + "nonsense: 1\n")
    ran = review(reconciler)
    assert ran.code == 10
    (comment,) = forge.comments
    assert "### There is no plan: 1 error" in comment["body"]
    assert forge.statuses[-1]["state"] in ("failure", "failed")


def test_nothing_is_posted_outside_of_ci_or_in_a_dry_run(forge: Forge, reconciler, monkeypatch) -> None:
    assert "POST " in review(reconciler, "-dry-run").out
    monkeypatch.delenv("CI")
    assert "POST " in review(reconciler).out
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    assert review(reconciler).out.startswith("<!-- reconciler:")
    assert forge.asked == []


def test_a_push_without_a_request_gets_a_status_only(forge: Forge, reconciler, monkeypatch) -> None:
    monkeypatch.delenv("CI_MERGE_REQUEST_IID", raising=False)
    monkeypatch.delenv("GITHUB_EVENT_PATH", raising=False)
    assert review(reconciler).code == 0
    assert (len(forge.comments), len(forge.statuses)) == (0, 1)


def test_a_token_is_only_ever_named(forge: Forge, reconciler, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert review(reconciler, "-token", f"file:{tmp_path}/token").code == 0
    ran = review(reconciler, "-token", TOKEN)
    assert ran.code == 1 and "takes env:NAME" in ran.err


def test_the_jobs_summary(forge: Forge, reconciler, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    review(reconciler)
    assert (tmp_path / "summary.md").exists() is (forge.sort == "github")
