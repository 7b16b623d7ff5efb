"""Whatever clients, administrators and the world do, only documented transitions are ever seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reconciler.sandbox.lifecycle import TABLES, next_state
from tests.unit.sandbox.played import AUTHORIZATION_SERVERS, CLIENTS, EXTERNAL, ISSUER, MCP, Org

# Written down again from the documentation, not from the table under test.
DOCUMENTED = {
    ("PENDING", "INACTIVE"),
    ("PENDING", "INVALID"),
    ("INACTIVE", "ACTIVE"),
    ("INACTIVE", "INVALID"),
    ("ACTIVE", "INACTIVE"),
    ("ACTIVE", "INVALID"),
    ("INVALID", "INACTIVE"),
}
DELETABLE = {"PENDING", "INACTIVE", "INVALID"}
URLS = [f"https://s{number}.example.com/mcp" for number in range(2)]
ISSUERS = [ISSUER, "https://other.example.com"]


@pytest.mark.parametrize("table", ["mcp_server", "association"])
def test_the_tables_edges_are_the_documented_ones(table: str) -> None:
    edges = {(source, target) for (source, _), target in TABLES[table].items()}
    assert edges == DOCUMENTED | {("", "PENDING")} | {(state, "DELETED") for state in DELETABLE}


def test_nothing_leaves_deleted() -> None:
    for name in TABLES:
        assert next_state(name, "DELETED", "activate") is None
        assert not [source for source, _ in TABLES[name] if source == "DELETED"]


class Life(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.org = Org(settle_seconds=2.0)
        self.seen = self.look()
        self.cascading: set[str] = set()

    def teardown(self) -> None:
        self.org.app.close()

    def look(self) -> dict[str, str]:
        """Path -> status of every server and row."""
        found: dict[str, str] = {}
        for server in self.org.ok("GET", f"{MCP}?limit=200")["data"]:
            path = f"{MCP}/{server['id']}"
            found[path] = server["status"]
            rows = self.org.ok("GET", f"{path}/authorization-servers?limit=200")["data"]
            assert len(rows) == server["authorizationServerCount"]
            found |= {f"{path}/authorization-servers/{row['id']}": row["status"] for row in rows}
        return found

    def pick(self, data: st.DataObject, rows: bool) -> str:
        return data.draw(st.sampled_from(sorted(path for path in self.seen if ("/authorization" in path) is rows)))

    def has(self, rows: bool) -> bool:
        return any(("/authorization" in path) is rows for path in self.seen)

    @initialize(active=st.booleans())
    def begin(self, active: bool) -> None:
        """Random steps seldom lead as far as ACTIVE, so half of the lives begin there."""
        if active:
            self.org.active_server(URLS[0])
            self.seen = self.look()

    @rule(url=st.sampled_from(URLS), kind=st.sampled_from(["MANUAL", "DISCOVERABLE"]))
    def register(self, url: str, kind: str) -> None:
        assert self.org.call("POST", MCP, {"resourceUrl": url, "type": kind}).status_code in (202, 409)

    @precondition(lambda self: self.has(rows=False))
    @rule(data=st.data(), issuer=st.sampled_from(ISSUERS), complete=st.booleans())
    def attach(self, data: st.DataObject, issuer: str, complete: bool) -> None:
        body: dict[str, Any] = {**EXTERNAL, "issuer": issuer} if complete else {"type": "EXTERNAL", "issuer": issuer}
        path = f"{self.pick(data, rows=False)}/authorization-servers"
        assert self.org.call("POST", path, body).status_code in (202, 400, 409)

    @precondition(lambda self: self.has(rows=True))
    @rule(data=st.data())
    def add_client(self, data: st.DataObject) -> None:
        row = self.pick(data, rows=True)
        self.org.client(row.partition("/authorization-servers/")[0], row)

    @rule()
    def remove_client(self) -> None:
        for client in self.org.ok("GET", CLIENTS)["data"][:1]:
            self.org.ok("DELETE", f"{CLIENTS}/{client['id']}")

    @precondition(lambda self: bool(self.seen))
    @rule(data=st.data(), rows=st.booleans(), event=st.sampled_from(["activate", "deactivate"]))
    def command(self, data: st.DataObject, rows: bool, event: str) -> None:
        if self.has(rows):
            path = self.pick(data, rows)
            assert self.org.call("POST", f"{path}/lifecycle/{event}").status_code in (202, 204, 400, 403)

    @precondition(lambda self: bool(self.seen))
    @rule(data=st.data(), rows=st.booleans(), endpoint=st.sampled_from([None, "nonsense", f"{ISSUER}/token"]))
    def change(self, data: st.DataObject, rows: bool, endpoint: str | None) -> None:
        if self.has(rows):
            body = {"tokenEndpoint": endpoint} if rows else {"displayName": "New"}
            assert self.org.call("PATCH", self.pick(data, rows), body).status_code in (200, 400)

    @precondition(lambda self: bool(self.seen))
    @rule(data=st.data(), rows=st.booleans())
    def delete(self, data: st.DataObject, rows: bool) -> None:
        if self.has(rows):
            path = self.pick(data, rows)
            before = self.look()
            if self.org.call("DELETE", path).status_code == 204:
                assert before[path] in DELETABLE
                self.cascading = {other for other in before if other.startswith(f"{path}/")}

    @rule(seconds=st.sampled_from([0.5, 1.0, 3.0]))
    def wait(self, seconds: float) -> None:
        self.org.settle(seconds)

    @invariant()
    def only_documented_transitions_are_seen(self) -> None:
        now = self.look()
        for path, status in now.items():
            before = self.seen.get(path)
            if before is None:
                assert status == "PENDING"
            elif before != status:
                assert (before, status) in DOCUMENTED, f"{path}: {before} -> {status}"
        for path in self.seen.keys() - now.keys():
            assert path in self.cascading or self.seen[path] in DELETABLE
        self.seen, self.cascading = now, set()

    @invariant()
    def an_active_server_has_an_active_row(self) -> None:
        for path, status in self.seen.items():
            if status == "ACTIVE" and "/authorization" not in path:
                rows = [s for other, s in self.seen.items() if other.startswith(f"{path}/")]
                assert "ACTIVE" in rows


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)


def test_only_documented_authorization_server_transitions(org: Org) -> None:
    path = f"{AUTHORIZATION_SERVERS}/{org.authorization_server()['id']}"
    assert org.call("DELETE", path).status_code == 400
    org.ok("POST", f"{path}/lifecycle/deactivate")
    assert org.call("DELETE", path).status_code == 204
