"""An applied configuration whose sandbox can be edited behind the tool's back, again and again from the same start."""

from __future__ import annotations

import asyncio
import contextlib
import io
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from reconciler import pipeline
from reconciler.apply.clock import SystemClock
from reconciler.apply.drive import Hands, perform
from reconciler.cli.main import main
from reconciler.config.configuration import Configuration
from reconciler.drift import Finding, compare
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot
from reconciler.okta.provider import OktaProvider
from reconciler.okta.read_only import ReadOnlyTransport
from reconciler.okta.transport import HttpTransport
from reconciler.ports import Answer, Call, Conversation
from reconciler.project import Project, validate
from reconciler.sandbox.app import Sandbox, create_app
from reconciler.sandbox.options import SandboxOptions

CONFIGURATION = """\
version: 1
provider: {sandbox: {settle_seconds: 0, world: sandbox/world.yaml}}
authorization_servers:
  todo:
    type: okta
    name: Todo MCP
    description: Issues tokens for the list
    audiences: ["https://todo.example.com/mcp"]
    scopes:
      - {name: todo.read, display_name: Read, description: Read the list, consent: REQUIRED}
      - todo.write
    access_policy:
      clients: [ALL_CLIENTS]
      grant_types: ["urn:ietf:params:oauth:grant-type:jwt-bearer", "client_credentials"]
      scopes: [todo.read, todo.write]
      access_token_lifetime_minutes: 30
  spare: {type: okta, audiences: ["https://spare.example.com"], scopes: [use], status: inactive}
  hub:
    type: external
    issuer: https://hub.example.com/oauth/
    authorization_endpoint: https://hub.example.com/oauth/authorize
    token_endpoint: https://hub.example.com/oauth/token
    registration_endpoint: https://hub.example.com/oauth/register
    grant_types: [authorization_code, refresh_token]
client_registrations:
  hub-app:
    authorization_server: hub
    client_id: hub-1
    client_secret: {file: sandbox/secret}
    scopes: [write, read]
  hub-dynamic: {authorization_server: hub, method: dynamic}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, display_name: Todo, description: The list,
         authorization_servers: [todo]}
  hub: {resource_url: https://mcp.hub.example.com/mcp/, display_name: Hub, authorization_servers: [hub]}
  asleep: {resource_url: https://asleep.example.com/mcp, authorization_servers: [todo], status: inactive}
  calendar: {resource_url: https://calendar.example.com/mcp, display_name: Calendar, registration: discovered}
"""
WORLD = """\
version: 1
mcp_servers:
  - url: https://todo.example.com/mcp
  - url: https://asleep.example.com/mcp
  - url: https://mcp.hub.example.com/mcp/
    authorization_servers: [https://hub.example.com/oauth/]
  - url: https://calendar.example.com/mcp
    authorization_servers: [https://login.example.com]
authorization_servers:
  - issuer: https://hub.example.com/oauth/
    authorization_endpoint: https://hub.example.com/oauth/authorize
    token_endpoint: https://hub.example.com/oauth/token
    registration_endpoint: https://hub.example.com/oauth/register
  - issuer: https://login.example.com
    id_jag: true
"""


def write(directory: Path, text: str = CONFIGURATION) -> None:
    (directory / "sandbox").mkdir(parents=True, exist_ok=True)
    (directory / "sandbox" / "secret").write_text("made up", "utf-8")
    (directory / "sandbox" / "world.yaml").write_text(WORLD, "utf-8")
    (directory / "reconciler.yaml").write_text(text, "utf-8")


def run(directory: Path, *arguments: str) -> tuple[int, str]:
    """The program's exit code, and what it wrote."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), contextlib.chdir(directory):
        code = main(list(arguments))
    return code, said.getvalue()


@contextmanager
def sandbox(directory: Path) -> Iterator[Org]:
    """The embedded sandbox of a configuration, by the API that its clients use and by its own."""
    database = directory / "state" / "default.sandbox.db"
    app = create_app(SandboxOptions(db=str(database), settle_seconds=0, runtime_validation=False))
    with asyncio.Runner() as runner:
        org = Org(runner, app)
        try:
            yield org
        finally:
            runner.run(org.transport.close())
            app.close()


class Org:
    def __init__(self, runner: asyncio.Runner, app: Sandbox) -> None:
        self.transport = HttpTransport.to_app(app)
        self._runner = runner

    def call(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self._runner.run(self.transport.exchange(Call(method, path, body=body)))
        assert answer.ok, (method, path, body, answer)
        return answer

    def objects(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = self.call("GET", "/sandbox/objects").body["objects"]
        return found

    def edit(self, item: Mapping[str, Any], **fields: Any) -> None:
        """Change those fields of the object as an administrator would, in the console."""
        self.call("POST", "/sandbox/edit", {**_named(item), "set": fields})

    def delete(self, item: Mapping[str, Any]) -> None:
        self.call("POST", "/sandbox/edit", {**_named(item), "delete": True})

    def observe(self) -> tuple[Observed, ...]:
        found: tuple[Observed, ...] = self.perform(OktaProvider().observe(frozenset(kinds())))
        return found

    def perform(self, conversation: Conversation[Any]) -> Any:
        """What the conversation finds out; it can't write."""
        return self._runner.run(perform(conversation, Hands(ReadOnlyTransport(self.transport), SystemClock())))


def _named(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": item["id"], **({"parent": item["parent"]} if "parent" in item else {})}


class Applied:
    """A configuration that was applied once. `fresh` gives its sandbox as it was then."""

    def __init__(self, directory: Path, text: str = CONFIGURATION) -> None:
        write(directory, text)
        code, said = run(directory, "apply", "-auto-approve")
        assert code == 0, said
        self.directory = directory
        self._database = directory / "state" / "default.sandbox.db"
        self._kept = self._database.with_suffix(".kept")
        with closing(sqlite3.connect(self._database)) as source, closing(sqlite3.connect(self._kept)) as kept:
            source.backup(kept)  # what is in the write-ahead log would not be in a copy of the file
        project = Project(directory)
        self.configuration: Configuration = validate(project)
        snapshot = pipeline.recorded(project)
        assert snapshot is not None
        self.snapshot: Snapshot = snapshot

    @contextmanager
    def fresh(self) -> Iterator[Org]:
        for name in self.directory.glob("state/default.sandbox.db*"):
            name.unlink()
        shutil.copy(self._kept, self._database)
        with sandbox(self.directory) as org:
            yield org

    def findings(self, org: Org) -> tuple[Finding, ...]:
        return compare(self.snapshot, org.observe(), self.configuration)

    def address_of(self, kind: str, item: Mapping[str, Any]) -> Address | None:
        """Under which address the object is recorded."""
        for address, record in self.snapshot.records.items():
            above = self.snapshot.records[address.parent].id if address.parent else None
            if record.kind == kind and record.id == item["id"] and above in (None, item.get("parent")):
                return address
        return None
