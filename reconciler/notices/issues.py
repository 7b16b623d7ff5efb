"""One issue for each workspace, found again by the hidden marker in its first line: opened, edited, closed, reopened.

https://docs.github.com/rest/issues/issues, https://docs.gitlab.com/api/issues/
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple
from urllib.parse import quote

from reconciler.config.fleet import IssuesSpec
from reconciler.model.secret import Reference, Secret
from reconciler.notices.notice import CLEAN, Notice, issue_body
from reconciler.notices.posts import Connect
from reconciler.render.markdown import GITHUB_LIMIT, GITLAB_LIMIT
from reconciler.render.page import safe
from reconciler.review.client import ForgeClient, require
from reconciler.review.forge import MARKER
from reconciler.review.post import headers_for, login

_LONGEST_TITLE = 200


class Tracker(NamedTuple):
    """Where issues are, and how this forge calls what they have."""

    sort: str
    api: str
    path: str
    query: str
    token: Reference
    number: str
    body: str
    author: tuple[str, str]
    edit: str
    switch: tuple[str, str, str]
    """The key of the state, and its values that close and that reopen."""
    limit: int


def tracker_of(spec: IssuesSpec) -> Tracker:
    if spec.github is not None:
        path, query = f"/repos/{quote(spec.github.repository)}/issues", "state=all&sort=updated&per_page=100"
        names = ("number", "body", ("user", "login"), "PATCH", ("state", "closed", "open"), GITHUB_LIMIT)
        return Tracker("github", spec.github.api.rstrip("/"), path, query, spec.github.token, *names)
    assert spec.gitlab is not None
    path = f"/projects/{quote(spec.gitlab.project, safe='')}/issues"
    query = "scope=created_by_me&order_by=updated_at&per_page=100"
    changed = ("state_event", "close", "reopen")
    lab = ("iid", "description", ("author", "username"), "PUT", changed, GITLAB_LIMIT)
    return Tracker("gitlab", spec.gitlab.api.rstrip("/"), path, query, spec.gitlab.token, *lab)


@dataclass(frozen=True, slots=True)
class Issues:
    """Channel."""

    name: str
    tracker: Tracker
    resolve: Callable[[Reference], Secret]
    connect: Connect

    def tell(self, notice: Notice) -> None:
        tracker = self.tracker
        headers = headers_for(tracker.sort, self.resolve(tracker.token))
        with closing(self.connect(tracker.api, headers)) as client:
            self._upsert(client, notice)

    def _upsert(self, client: ForgeClient, notice: Notice) -> None:
        tracker, is_clean = self.tracker, notice.sighting.status == CLEAN
        marker = _marker(notice.sighting.name)
        known = self._find(client, marker)
        if known is None and is_clean:
            return
        limit = tracker.limit - len(marker) - 1
        title = f"Drift: {safe(notice.sighting.name)}"[:_LONGEST_TITLE]
        said = {"title": title, tracker.body: f"{marker}\n{issue_body(notice, limit)}".rstrip("\n")}
        if known is None:
            # What may have arrived isn't sent again: the next run finds it by its marker, or opens it.
            require(client.send("POST", tracker.path, said, may_repeat=False), "open an issue")
            return
        key, closed, opened = tracker.switch
        if (known["state"] == "closed") is not is_clean:
            said[key] = closed if is_clean else opened
        require(client.send(tracker.edit, f"{tracker.path}/{known[tracker.number]}", said), "edit its issue")

    def _find(self, client: ForgeClient, marker: str) -> dict[str, Any] | None:
        """Ours with that marker. Anybody can write the marker; only an issue of our own is edited."""
        tracker, who = self.tracker, login(client, self.tracker.sort)
        whose, key = tracker.author
        for one in client.listed(f"{tracker.path}?{tracker.query}"):
            is_ours = (one.get(whose) or {}).get(key) == who and "pull_request" not in one
            if is_ours and str(one.get(tracker.body) or "").split("\n", 1)[0].strip() == marker:
                return dict(one)
        return None


def _marker(workspace: str) -> str:
    told = json.dumps(["reconciler drift", workspace])
    return MARKER.format(hashlib.sha256(told.encode()).hexdigest()[:24])
