from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from pathlib import Path

import httpx
import pytest

from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.sandbox.app import SandboxOptions, create_app
from tests.unit.sandbox.played import BASE, MCP, WORLD, Org, refused


def test_every_answer_has_okta_headers(org: Org) -> None:
    for answer in (
        org.call("GET", MCP),
        org.call("GET", "/nowhere"),
        org.call("GET", MCP, headers={"Authorization": ""}),
    ):
        assert answer.headers["x-okta-request-id"] and answer.headers["date"]
        for name in ("limit", "remaining", "reset"):
            assert answer.headers[f"x-rate-limit-{name}"].isdigit()
    ids = {org.call("GET", MCP).headers["x-okta-request-id"] for _ in range(3)}
    assert len(ids) == 3


@pytest.mark.parametrize("credentials", ["", "SSWS wrong", "SSWS", "Bearer sandbox", "sandbox", "Basic c2FuZGJveA=="])
def test_only_the_token_opens_it(org: Org, credentials: str) -> None:
    for path in (MCP, "/nowhere", "/api/v1/logs"):
        refused(org.call("GET", path, headers={"Authorization": credentials}), 401, "E0000011")


def test_the_token_can_be_another() -> None:
    org = Org(token="other")
    refused(org.call("GET", MCP), 401, "E0000011")
    assert org.call("GET", MCP, headers={"Authorization": "SSWS other"}).status_code == 200


def test_unknown_paths_methods_and_bodies(org: Org) -> None:
    refused(org.call("GET", "/resource-servers/api/v1/nothing"), 404, "E0000008")
    refused(org.call("PUT", f"{MCP}/ems1", {}), 405, "E0000022")
    refused(org.call("GET", f"{MCP}/ems1"), 404, "E0000007")
    json = {"Content-Type": "application/json"}
    for content in (b"", b"{", b"[]", b"\xff", b"[" * 100_000):
        refused(org.call("POST", MCP, content=content, headers=json), 400, "E0000003")


def test_a_patch_is_a_merge_patch(org: Org) -> None:
    server = org.server()
    for kind in ("application/json", "text/plain", ""):
        refused(org.call("PATCH", server, {}, headers={"Content-Type": kind}), 400, "E0000021")
    with_charset = {"Content-Type": "application/merge-patch+json; charset=utf-8"}
    assert org.call("PATCH", server, {}, headers=with_charset).status_code == 200
    refused(org.call("POST", MCP, content=b"{}", headers={"Content-Type": "text/plain"}), 400, "E0000021")


def test_a_refused_request_changes_nothing(org: Org) -> None:
    server, row, _ = org.active_server()
    before = org.ok("GET", "/sandbox/objects")
    org.call("DELETE", server)
    org.call("DELETE", row)
    org.call("PATCH", server, {"resourceUrl": "https://x.example.com/", "displayName": "x"})
    org.call("POST", MCP, {"resourceUrl": "https://mcp.example.com/mcp"})
    assert org.ok("GET", "/sandbox/objects") == before


def test_rate_limits_count_down_and_open_again() -> None:
    org = Org(rate_limit=2)
    remaining = [org.call("GET", MCP).headers["x-rate-limit-remaining"] for _ in range(2)]
    assert remaining == ["1", "0"]
    answer = org.call("GET", MCP)
    refused(answer, 429, "E0000047")
    assert answer.headers["x-rate-limit-limit"] == "2"
    assert org.call("POST", MCP, {}).status_code == 400
    assert [org.call("GET", f"{MCP}/{number}").status_code for number in range(3)] == [404, 404, 429]
    assert org.call("GET", "/sandbox/faults").status_code == 200
    org.clock.time = float(answer.headers["x-rate-limit-reset"])
    assert org.call("GET", MCP).status_code == 200


def test_what_was_answered_outlives_the_program(tmp_path: Path) -> None:
    db = str(tmp_path / "deep" / "org.db")
    first = Org(db=db, seed=None)
    server = first.server()
    shown = first.ok("GET", server)
    # Not closed: as if the program had been killed.
    second = Org(db=db, seed=None)
    second.clock.time = first.clock.time
    assert second.ok("GET", server) == shown
    second.app.close()
    first.app.close()


def test_time_goes_on_while_nobody_looks(tmp_path: Path) -> None:
    db = str(tmp_path / "org.db")
    first = Org(db=db)
    server = first.server()
    first.call("POST", f"{server}/authorization-servers", {"type": "EXTERNAL", "issuer": "https://a.example.com"})
    first.app.close()
    second = Org(db=db)
    second.clock.time = first.clock.time + 60
    [row] = second.ok("GET", f"{server}/authorization-servers")["data"]
    assert row["status"] == "INVALID"


def test_two_programs_share_one_database(tmp_path: Path) -> None:
    db = str(tmp_path / "org.db")
    first, second = Org(db=db), Org(db=db)
    paths = {org.server(f"https://{number}.example.com/") for number, org in enumerate([first, second, first, second])}
    assert len(paths) == 4
    assert first.ok("GET", MCP) == second.ok("GET", MCP)


def test_ids_are_never_given_away_again(org: Org) -> None:
    before = org.server()
    org.ok("DELETE", "/sandbox/objects")
    assert org.server() != before


@pytest.mark.parametrize("content", [b"this is not a database, however long it is", None])
def test_an_unusable_database_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "org.db"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content * 100)
    with pytest.raises(Refused) as refusal:
        create_app(SandboxOptions(db=str(path)))
    assert refusal.value.diagnostics[0].code == "sandbox.database"


def test_nobody_is_advised_to_remove_a_database_that_can_not_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def objection(path: Path) -> Diagnostic:
        with pytest.raises(Refused) as refusal:
            create_app(SandboxOptions(db=str(path)))
        return refusal.value.diagnostics[0]

    (tmp_path / "damaged.db").write_bytes(b"no database" * 100)
    (tmp_path / "org.db").touch()
    assert objection(tmp_path / "damaged.db").detail == "Name another file, or remove it to begin anew."
    with monkeypatch.context() as denied:
        denied.setattr(os, "access", lambda path, mode: path != tmp_path)
        assert objection(tmp_path / "damaged.db").detail == "Make sure that it and its directory can be written."
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda path, **more: connect(f"file:{path}?mode=ro", uri=True, **more))
    told = objection(tmp_path / "org.db")
    assert "attempt to write a readonly database" in told.summary
    assert told.detail == "Make sure that it and its directory can be written."


def test_the_org_url_is_the_address_it_is_called_by_unless_it_is_given(org: Org) -> None:
    assert org.ok("GET", MCP)["_links"]["self"]["href"].startswith(BASE)
    named = Org(org_url="https://fixed.example.com/")
    assert named.ok("GET", MCP)["_links"]["self"]["href"] == f"https://fixed.example.com{MCP}"


def test_a_world_that_changed_is_noticed(tmp_path: Path) -> None:
    db = str(tmp_path / "org.db")
    first = Org(WORLD, db=db)
    server, row, _ = first.active_server()
    first.app.close()
    second = Org(
        WORLD.replace("issuer: https://auth.example.com,", "issuer: https://auth.example.com, down: true,"), db=db
    )
    second.clock.time = first.clock.time
    assert second.status(row) == "INVALID" and second.status(server) == "INVALID"
    second.app.close()
    third = Org(WORLD, db=db)
    third.clock.time = first.clock.time
    assert third.status(row) == "INACTIVE" and third.status(server) == "INACTIVE"


def test_discovered_rows_follow_the_metadata(tmp_path: Path) -> None:
    db = str(tmp_path / "org.db")
    first = Org(WORLD, db=db)
    server = first.server(kind="DISCOVERABLE")
    first.app.close()
    other = WORLD.replace("authorization_servers: [https://auth.", "authorization_servers: [https://chained-auth.")
    second = Org(other, db=db)
    second.clock.time = first.clock.time
    rows = second.ok("GET", f"{server}/authorization-servers")["data"]
    assert [row["issuer"] for row in rows] == ["https://chained-auth.example.com"]
    assert second.ok("GET", server)["authorizationServerCount"] == 1


def test_a_thousand_servers_are_listed_in_no_time(org: Org) -> None:
    async def fill() -> float:
        transport = httpx.ASGITransport(org.app)
        async with httpx.AsyncClient(
            transport=transport, base_url=BASE, headers={"Authorization": "SSWS sandbox"}
        ) as c:
            for number in range(1000):
                await c.post(MCP, json={"resourceUrl": f"https://s{number}.example.com/"})
            begun = time.process_time()
            found, url = 0, f"{MCP}?limit=200"
            while url:
                page = (await c.get(url)).json()
                found += len(page["data"])
                url = page["_links"].get("next", {}).get("href", "")
            assert found == 1000
            return time.process_time() - begun

    # It takes about 25 ms; a second means that something grew with the square of the number.
    assert asyncio.run(fill()) < 1.0
