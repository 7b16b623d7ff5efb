"""GitHub and GitLab on 127.0.0.1, as far as a review needs them; both remember what they were asked.

GitHub's judges every request by GitHub's own OpenAPI description (data/github.openapi.json: five operations cut from
the npm package @octokit/openapi 23.0.2, MIT). GitLab's is written from https://docs.gitlab.com/api/notes/ and
https://docs.gitlab.com/api/commits/.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from jsonschema import Draft202012Validator

OPENAPI = json.loads((Path(__file__).parent / "data" / "github.openapi.json").read_text("utf-8"))
Reply = tuple[int, Any, dict[str, str]]


@dataclass
class Forge:
    """`faults` are answered first, in their order, instead of anything else; None breaks the connection off, once what
    was asked is done."""

    sort: str
    url: str = ""
    login: str = "review-bot"
    comments: list[dict[str, Any]] = field(default_factory=list)
    statuses: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    faults: list[Reply | None] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    tokens: set[str] = field(default_factory=set)
    page: int = 2

    def answer(self, method: str, target: str, headers: dict[str, str], body: Any) -> Reply | None:
        split = urlsplit(target)
        self.asked.append((method, split.path))
        self.tokens.add(headers.get("authorization") or headers.get("private-token") or "")
        fault = self.faults.pop(0) if self.faults else ()
        if fault:
            return fault
        if self.sort == "github":
            self._judge(method, split.path, parse_qs(split.query), body)
        reply = self._reply(method, split.path, parse_qs(split.query), body)
        return None if fault is None else reply

    def _judge(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> None:
        for template, operations in OPENAPI["paths"].items():
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and method.lower() in operations:
                operation = operations[method.lower()]
                known = {p["name"] for p in operation["parameters"] if p["in"] == "query"}
                self.complaints += [f"{path}: no parameter {name}" for name in query.keys() - known]
                wanted = (operation.get("requestBody") or {}).get("content", {}).get("application/json", {})
                if wanted:
                    found = Draft202012Validator(wanted["schema"]).iter_errors(body)
                    self.complaints += [f"{path}: {problem.message}" for problem in found]
                    unknown = set(body) - set(wanted["schema"]["properties"])
                    self.complaints += [f"{path}: no property {name}" for name in unknown]
                return
        self.complaints.append(f"{method} {path} is no operation")

    def _reply(self, method: str, path: str, query: dict[str, list[str]], body: Any) -> Reply:
        if path == "/user":
            return 200, {"login": self.login, "username": self.login}, {}
        if "/statuses/" in path:
            self.statuses.append({**body, "sha": path.rpartition("/")[2]})
            return 201, self.statuses[-1], {}
        if method == "GET":
            return self._listed(path, query)
        if method == "POST":
            self.comments.append(self.written(body["body"]))
            return 201, self.comments[-1], {}
        number = int(path.rpartition("/")[2])
        comment = next(one for one in self.comments if one["id"] == number)
        comment["body"] = body["body"]
        return 200, comment, {}

    def _listed(self, path: str, query: dict[str, list[str]]) -> Reply:
        page = int(query.get("page", ["1"])[0])
        shown = self.comments[(page - 1) * self.page : page * self.page]
        more = page * self.page < len(self.comments)
        link = {"Link": f'<{self.url}{path}?page={page + 1}>; rel="next"'} if more else {}
        return 200, shown, link

    def written(self, body: str, by: str | None = None) -> dict[str, Any]:
        who = by or self.login
        return {"id": len(self.comments) + 1, "body": body, "user": {"login": who}, "author": {"username": who}}


@contextmanager
def serving(forge: Forge) -> Iterator[Forge]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _asking(lambda *asked: forge.answer(*asked)))
    forge.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _asking(answer: Callable[..., Reply | None]) -> type[BaseHTTPRequestHandler]:
    class Asked(BaseHTTPRequestHandler):
        def _any(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = answer(self.command, self.path, headers, body)
            if reply is None:
                self.close_connection = True
                return
            status, value, more = reply
            data = json.dumps(value).encode()
            self.send_response(status)
            for name, text in {"Content-Type": "application/json", "Content-Length": str(len(data)), **more}.items():
                self.send_header(name, text)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PATCH = do_PUT = _any

        def log_message(self, *_: object) -> None:
            pass

    return Asked
