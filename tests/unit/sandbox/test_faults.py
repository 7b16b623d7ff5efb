from __future__ import annotations

import time

import pytest

from reconciler.sandbox.exchange import AnswerLost
from tests.unit.sandbox.played import AUTHORIZATION_SERVERS, CLIENTS, MCP, Org, refused

URL = {"resourceUrl": "https://mcp.example.com/mcp/", "type": "MANUAL", "displayName": "Tools"}


def count(org: Org) -> int:
    return int(org.ok("GET", "/sandbox/objects")["counts"]["mcp_server"])


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ({"fault": "error_before"}, 500, "E0000009"),
        ({"fault": "error_before", "status": 503}, 503, "E0000010"),
        ({"fault": "rate_limit"}, 429, "E0000047"),
        ({"fault": "concurrency"}, 429, "E0000047"),
        ({"fault": "reconciling"}, 423, "E0000239"),
    ],
)
def test_some_faults_come_before_anything_is_done(org: Org, fault: dict[str, object], status: int, code: str) -> None:
    org.fault(path=MCP, method="POST", count=1, **fault)
    refused(org.call("POST", MCP, URL), status, code)
    assert count(org) == 0
    assert org.call("POST", MCP, URL).status_code == 202


def test_the_two_429s_tell_themselves_apart(org: Org) -> None:
    org.fault(fault="rate_limit", path=MCP, seconds=30, count=1)
    limited = org.call("GET", MCP).headers
    org.fault(fault="concurrency", path=MCP, count=1)
    concurrent = org.call("GET", MCP).headers
    assert limited["x-rate-limit-limit"] != "0" and concurrent["x-rate-limit-limit"] == "0"
    assert int(limited["x-rate-limit-reset"]) == org.clock.time + 30


def test_an_error_after_the_fact(org: Org) -> None:
    org.fault(fault="error_after", path=MCP, method="POST", status=502, count=1)
    refused(org.call("POST", MCP, URL), 502, "E0000009")
    assert count(org) == 1


@pytest.mark.parametrize(("fault", "done"), [("lost_before", 0), ("lost_after", 1)])
def test_a_lost_answer_breaks_the_connection(org: Org, fault: str, done: int) -> None:
    org.fault(fault=fault, path=MCP, method="POST", count=1)
    with pytest.raises(AnswerLost):
        org.call("POST", MCP, URL)
    assert count(org) == done


def test_created_although_400(org: Org) -> None:
    org.fault(fault="created_but_400", path=MCP, method="POST", count=1)
    answer = org.call("POST", MCP, URL)
    assert (answer.status_code, answer.content, answer.headers.get("location")) == (400, b"", None)
    assert count(org) == 1


def test_an_empty_body(org: Org) -> None:
    server = org.server()
    row = org.row(server)
    org.fault(fault="empty_body", path=CLIENTS, method="POST", count=1)
    body = {
        "name": "app",
        "registrationType": "STATIC",
        "clientId": "c",
        "clientSecret": "s",
        "resource": {"orn": org.ok("GET", server)["orn"]},
        "authorizationServer": {"id": row.rpartition("/")[2]},
    }
    answer = org.call("POST", CLIENTS, body)
    assert (answer.status_code, answer.content) == (201, b"")
    assert len(org.ok("GET", CLIENTS)["data"]) == 1


def test_an_ignored_field_keeps_its_old_value(org: Org) -> None:
    server = org.server(displayName="Old")
    org.fault(fault="ignore_field", field="displayName", path=f"{MCP}/*", method="PATCH")
    shown = org.ok("PATCH", server, {"displayName": "New", "description": "Changed"})
    assert shown["metadata"] == {"displayName": "Old", "description": "Changed"}


def test_a_stripped_slash(org: Org) -> None:
    org.fault(fault="strip_slash", path=MCP, method="POST")
    org.call("POST", MCP, URL)
    assert org.ok("GET", MCP)["data"][0]["resourceUrl"] == "https://mcp.example.com/mcp"


def test_a_stale_list_shows_what_was(org: Org) -> None:
    old = org.server("https://old.example.com/", displayName="Before")
    org.settle(60)
    org.ok("PATCH", old, {"displayName": "After"})
    org.server("https://new.example.com/")
    org.fault(fault="stale_list", seconds=30, path=MCP, method="GET", count=1)
    stale, fresh = org.ok("GET", MCP)["data"], org.ok("GET", MCP)["data"]
    assert [item["metadata"].get("displayName") for item in stale] == ["Before"]
    assert [item["metadata"].get("displayName") for item in fresh] == ["After", None]


def test_a_failing_operation_undoes_the_registration(org: Org) -> None:
    org.fault(fault="fail_operation", path=MCP, method="POST", message="No luck", count=1)
    answer = org.call("POST", MCP, URL)
    assert answer.status_code == 202
    org.settle()
    operation = org.ok("GET", answer.headers["location"])
    assert operation["status"] == "FAILED" and "resource" not in operation
    assert operation["errorDetails"] == {"code": "E0000001", "message": "No luck"}
    assert count(org) == 0


def test_a_failing_operation_leaves_the_state_alone(org: Org) -> None:
    server, _, _ = org.active_server()
    org.fault(fault="fail_operation", path=f"{server}/lifecycle/deactivate")
    org.ok("POST", f"{server}/lifecycle/deactivate")
    org.settle()
    assert org.status(server) == "ACTIVE"


def test_stuck_pending_until_it_is_changed(org: Org) -> None:
    server = org.server()
    org.fault(fault="stuck_pending", path="*/authorization-servers", method="POST")
    row = org.row(server)
    org.settle(3600)
    assert org.status(row) == "PENDING"
    org.ok("PATCH", row, {})
    org.settle()
    assert org.status(row) == "INACTIVE"


def test_latency(org: Org) -> None:
    org.fault(fault="latency", seconds=0.05, path=MCP)
    begun = time.monotonic()
    org.call("GET", MCP)
    assert time.monotonic() - begun >= 0.05


def test_faults_skip_count_and_end(org: Org) -> None:
    org.fault(fault="error_before", path="*", method="GET", skip=1, count=2)
    assert [org.call("GET", AUTHORIZATION_SERVERS).status_code for _ in range(4)] == [200, 500, 500, 200]
    assert org.ok("GET", "/sandbox/faults") == []


def test_faults_are_shown_and_switched_off(org: Org) -> None:
    first = org.fault(fault="error_before", path=MCP, status=502)
    second = org.fault(fault="latency", path=MCP, seconds=0)
    assert [fault["id"] for fault in org.ok("GET", "/sandbox/faults")] == [first, second]
    org.ok("DELETE", f"/sandbox/faults?id={first}")
    assert org.call("GET", MCP).status_code == 200
    org.ok("DELETE", "/sandbox/faults")
    assert org.ok("GET", "/sandbox/faults") == []


def test_a_broken_fault_is_refused(org: Org) -> None:
    for broken in ({"fault": "gremlins", "path": "*"}, {"fault": "latency"}, {"fault": "latency", "path": "*", "x": 1}):
        refused(org.call("POST", "/sandbox/faults", broken), 400, "E0000001")


def test_a_world_brings_its_faults() -> None:
    org = Org(f"version: 1\nfaults: [{{fault: error_before, path: {MCP}, count: 1}}]")
    assert [org.call("GET", MCP).status_code for _ in range(2)] == [500, 200]
