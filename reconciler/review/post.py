"""Posting a review: one comment for each configuration and workspace, edited in place, and a status at the commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.review.client import ForgeClient, require
from reconciler.review.forge import Forge, Message

_ACTIONS_BOT = "github-actions[bot]"
_SHORT = {"github": 140, "gitlab": 255}
"""The longest description of a status."""
_HEADERS = {"accept": "application/vnd.github+json", "x-github-api-version": "2022-11-28", "user-agent": "reconciler"}


class Request(NamedTuple):
    """One call that would be made, for a dry run to show."""

    method: str
    path: str
    body: Mapping[str, Any]


def headers_for(sort: str, token: Secret) -> dict[str, Secret | str]:
    if sort == "github":
        return {**_HEADERS, "authorization": Secret(f"Bearer {token.reveal()}")}
    return {"private-token": token, "user-agent": "reconciler"}


def requests_for(forge: Forge, message: Message) -> tuple[Request, ...]:
    """What is sent where no comment is there yet; where one is, it is edited instead."""
    comment = () if forge.number is None else (_comment(forge, message),)
    return (*comment, _status(forge, message))


def post(client: ForgeClient, forge: Forge, message: Message) -> None:
    """Raises Refused where the forge does; a comment is written at most once."""
    if forge.number is not None:
        _upsert(client, forge, message)
    status = _status(forge, message)
    require(client.send(status.method, status.path, status.body), "set the commit's status")


def _upsert(client: ForgeClient, forge: Forge, message: Message) -> None:
    comment = _comment(forge, message)
    known = _find(client, forge, message.marker)
    if known is None:
        try:
            require(client.send(comment.method, comment.path, comment.body, may_repeat=False), "write a comment")
        except Refused as refused:
            # Whether it arrived is not known; a second one would be worse than a look.
            lost = all(diagnostic.code == "review.unreachable" for diagnostic in refused.diagnostics)
            if not lost or _find(client, forge, message.marker) is None:
                raise
        return
    if known["body"] != message.body:
        method = "PATCH" if forge.sort == "github" else "PUT"
        require(client.send(method, _edited(forge, known["id"]), comment.body), "edit its comment")


def _find(client: ForgeClient, forge: Forge, marker: str) -> dict[str, Any] | None:
    """Our comment with that marker. Anybody can write the marker; only a comment of our own is edited."""
    author = login(client, forge.sort)
    name, key = ("user", "login") if forge.sort == "github" else ("author", "username")
    for one in client.listed(f"{_comments(forge)}?per_page=100"):
        mine = (one.get(name) or {}).get(key) == author
        if mine and str(one.get("body", "")).split("\n", 1)[0].strip() == marker:
            return {"id": one["id"], "body": one["body"]}
    return None


def login(client: ForgeClient, sort: str) -> str:
    """Who we are. The token of a GitHub Actions job may not ask, and is always the same bot's."""
    answer = client.send("GET", "/user")
    if sort == "github" and answer.status_code in (401, 403):
        return _ACTIONS_BOT
    return str(require(answer, "say whose token this is")["login" if sort == "github" else "username"])


def _comments(forge: Forge) -> str:
    if forge.sort == "github":
        return f"{forge.project}/issues/{forge.number}/comments"
    return f"{forge.project}/merge_requests/{forge.number}/notes"


def _edited(forge: Forge, comment: int) -> str:
    if forge.sort == "github":
        return f"{forge.project}/issues/comments/{comment}"
    return f"{_comments(forge)}/{comment}"


def _comment(forge: Forge, message: Message) -> Request:
    return Request("POST", _comments(forge), {"body": message.body})


def _status(forge: Forge, message: Message) -> Request:
    """https://docs.github.com/rest/commits/statuses, https://docs.gitlab.com/api/commits/#set-commit-pipeline-status"""
    limit = _SHORT[forge.sort]
    text = message.verdict if len(message.verdict) <= limit else f"{message.verdict[: limit - 1]}…"
    link = {"target_url": forge.link} if forge.link else {}
    if forge.sort == "github":
        state = "success" if message.passed else "failure"
        body = {"state": state, "context": message.context, "description": text, **link}
        return Request("POST", f"{forge.project}/statuses/{quote(forge.commit)}", body)
    state = "success" if message.passed else "failed"
    body = {"state": state, "name": message.context, "description": text, **link}
    return Request("POST", f"{forge.project}/statuses/{quote(forge.commit)}", body)
