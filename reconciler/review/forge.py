"""Where a review goes: the pull or merge request that a CI run is about, read from the variables of that CI."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from reconciler.model.diagnostic import Refused, error

MARKER = "<!-- reconciler:{} -->"


@dataclass(frozen=True, slots=True)
class Forge:
    """`sort` is github or gitlab; `project` the path of its API (`/repos/o/r`, `/projects/7`) below `api`; `number` the
    pull or merge request, None where there is none; `link` the page of the CI run; `token` its default reference."""

    sort: str
    api: str
    project: str
    number: int | None
    commit: str
    link: str
    token: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Message:
    """What is said: a comment that is found again by its `marker`, and a status under `context`."""

    marker: str
    body: str
    context: str
    passed: bool
    verdict: str


def find_forge(environment: Mapping[str, str]) -> Forge | None:
    """What the environment says of the CI run; None outside of GitHub Actions and GitLab CI.

    https://docs.github.com/actions/reference/workflows-and-actions/variables
    https://docs.gitlab.com/ci/variables/predefined_variables/
    """
    if environment.get("GITHUB_ACTIONS") == "true":
        return _github(environment)
    if environment.get("GITLAB_CI") == "true":
        return _gitlab(environment)
    return None


def marker_of(folder: str, workspace: str) -> str:
    """The first line of a comment, by which it is found: one for each configuration and workspace. Names are hashed,
    since nothing of theirs may end the comment that hides the marker."""
    told = json.dumps(["reconciler", folder, workspace])
    return MARKER.format(hashlib.sha256(told.encode()).hexdigest()[:24])


def _github(environment: Mapping[str, str]) -> Forge:
    event = _event(environment.get("GITHUB_EVENT_PATH", ""))
    request = event.get("pull_request") or {}
    repository = environment.get("GITHUB_REPOSITORY", "")
    server, run = environment.get("GITHUB_SERVER_URL", "https://github.com"), environment.get("GITHUB_RUN_ID", "")
    # GITHUB_SHA is the merge that was tried; a status belongs to the commit that people see.
    commit = (request.get("head") or {}).get("sha") or environment.get("GITHUB_SHA", "")
    if repository.count("/") != 1 or not commit:
        raise Refused([_incomplete("GITHUB_REPOSITORY and GITHUB_SHA")])
    return Forge(
        sort="github",
        api=environment.get("GITHUB_API_URL", "https://api.github.com").rstrip("/"),
        project=f"/repos/{quote(repository)}",
        number=request.get("number"),
        commit=commit,
        link=f"{server}/{repository}/actions/runs/{run}" if run else "",
        token={"env": "GITHUB_TOKEN"},
    )


def _gitlab(environment: Mapping[str, str]) -> Forge:
    api, project = environment.get("CI_API_V4_URL", ""), environment.get("CI_PROJECT_ID", "")
    commit, number = environment.get("CI_COMMIT_SHA", ""), environment.get("CI_MERGE_REQUEST_IID", "")
    if not (api and project and commit):
        raise Refused([_incomplete("CI_API_V4_URL, CI_PROJECT_ID and CI_COMMIT_SHA")])
    return Forge(
        sort="gitlab",
        api=api.rstrip("/"),
        project=f"/projects/{quote(project, safe='')}",
        number=int(number) if number.isdigit() else None,
        commit=environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or commit,
        link=environment.get("CI_JOB_URL", ""),
        token={"env": "GITLAB_TOKEN"},
    )


def _event(path: str) -> dict[str, Any]:
    try:
        found = json.loads(Path(path).read_bytes()) if path else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _incomplete(names: str) -> Any:
    return error("review.environment", f"{names} must be set to post a review", "CI sets them; or give -dry-run.")
