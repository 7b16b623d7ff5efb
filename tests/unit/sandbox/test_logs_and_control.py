from __future__ import annotations

import pytest

from tests.unit.sandbox.played import AUTHORIZATION_SERVERS, MCP, OPERATIONS, Org, refused


def events(org: Org, query: str = "") -> list[str]:
    return [event["eventType"].removeprefix("resource_servers.") for event in org.ok("GET", f"/api/v1/logs?{query}")]


def test_a_life_is_told_event_by_event(org: Org) -> None:
    server, row, client = org.active_server()
    org.ok("PATCH", server, {"displayName": "New"})
    org.ok("POST", f"{server}/lifecycle/deactivate")
    org.settle()
    org.ok("POST", f"{row}/lifecycle/deactivate")
    org.ok("DELETE", client)
    org.ok("DELETE", server)
    told = [event for event in events(org) if not event.endswith("auth_server.update")]
    assert told == [
        "mcp_server.register",
        "mcp_server.auth_server.create",
        "mcp_server.update",
        "client_authentication_settings.create",
        "mcp_server.activate",
        "mcp_server.update",
        "mcp_server.deactivate",
        "client_authentication_settings.delete",
        "mcp_server.auth_server.delete",
        "mcp_server.delete",
    ]


def test_an_event_says_who_did_what_to_which(org: Org) -> None:
    server = org.server(displayName="Old")
    org.ok("PATCH", server, {"displayName": "New"})
    event = org.ok("GET", "/api/v1/logs?sortOrder=DESCENDING&limit=1")[0]
    assert event["actor"]["type"] == "User" and event["outcome"] == {"result": "SUCCESS"}
    target = event["target"][0]
    assert target["id"] == server.rpartition("/")[2]
    assert target["detailEntry"]["mcp_server_resource_url"] == "https://mcp.example.com/mcp"
    assert target["changeDetails"] == {
        "from": {"mcp_server_display_name": "Old"},
        "to": {"mcp_server_display_name": "New"},
    }


def test_what_okta_does_by_itself_is_its_own_doing(worldly: Org) -> None:
    worldly.server(kind="DISCOVERABLE")
    made = worldly.ok("GET", '/api/v1/logs?filter=actor.type eq "SystemPrincipal"')
    assert "resource_servers.mcp_server.auth_server.create" in [event["eventType"] for event in made]


def test_a_refused_deletion_is_told_with_its_message(org: Org) -> None:
    server, _, _ = org.active_server()
    org.call("DELETE", server)
    [event] = org.ok("GET", '/api/v1/logs?filter=outcome.result eq "FAILURE"')
    assert event["eventType"] == "resource_servers.mcp_server.delete"
    assert "in ACTIVE status" in event["debugContext"]["debugData"]["error_message"]


def test_events_are_found_by_time_type_and_target(org: Org) -> None:
    first = org.server("https://one.example.com/")
    org.settle(60)
    second = org.server("https://two.example.com/")
    identity = second.rpartition("/")[2]
    assert events(org, f'filter=target.id eq "{identity}"') == ["mcp_server.register"]
    moment = org.ok("GET", second)["created"]
    assert events(org, f"since={moment}") == ["mcp_server.register"]
    assert events(org, f"until={moment}") == ["mcp_server.register"]
    assert org.ok("GET", first)["created"] < moment
    refused(org.call("GET", "/api/v1/logs?since=yesterday"), 400, "E0000001")


@pytest.mark.parametrize("order", ["ASCENDING", "DESCENDING"])
def test_the_log_pages_in_either_order(org: Org, order: str) -> None:
    for number in range(5):
        org.call("POST", MCP, {"resourceUrl": f"https://{number}.example.com/"})
    whole = [event["uuid"] for event in org.ok("GET", f"/api/v1/logs?sortOrder={order}")]
    found: list[str] = []
    path = f"/api/v1/logs?sortOrder={order}&limit=2"
    while path:
        answer = org.call("GET", path)
        found += [event["uuid"] for event in answer.json()]
        path = answer.links.get("next", {}).get("url", "")
    assert found == whole and len(whole) == 5


def test_objects_are_counted_and_reset(org: Org) -> None:
    org.active_server()
    made = org.authorization_server()
    org.ok("POST", f"{AUTHORIZATION_SERVERS}/{made['id']}/scopes", {"name": "read"})
    found = org.ok("GET", "/sandbox/objects")
    assert found["counts"] == {
        "mcp_server": 1,
        "association": 1,
        "client_auth_settings": 1,
        "authorization_server": 1,
        "scope": 1,
        "policy": 0,
        "rule": 0,
    }
    assert found["objects"]["mcp_server"][0]["resourceUrl"] == "https://mcp.example.com/mcp"
    assert org.call("DELETE", "/sandbox/objects").status_code == 204
    assert set(org.ok("GET", "/sandbox/objects")["counts"].values()) == {0}
    assert org.ok("GET", MCP)["data"] == []


def test_an_edit_behind_the_tools_back(org: Org) -> None:
    server = org.server(displayName="Mine")
    identity = server.rpartition("/")[2]
    edited = {"displayName": "Theirs", "resourceUrl": "https://moved.example.com/mcp"}
    org.ok("POST", "/sandbox/edit", {"id": identity, "set": edited})
    shown = org.ok("GET", server)
    assert shown["metadata"]["displayName"] == "Theirs" and shown["resourceUrl"] == edited["resourceUrl"]
    refused(org.call("POST", MCP, {"resourceUrl": edited["resourceUrl"]}), 409, "E0000195")
    assert org.call("POST", MCP, {"resourceUrl": "https://mcp.example.com/mcp"}).status_code == 202


def test_a_deletion_behind_the_tools_back_takes_what_is_nested(org: Org) -> None:
    server, row, client = org.active_server()
    assert org.call("POST", "/sandbox/edit", {"id": row.rpartition("/")[2], "delete": True}).status_code == 204
    assert org.ok("GET", server)["authorizationServerCount"] == 0
    org.call("POST", "/sandbox/edit", {"id": server.rpartition("/")[2], "delete": True})
    refused(org.call("GET", server), 404, "E0000007")
    refused(org.call("GET", client), 404, "E0000007")


def test_an_edit_of_one_row_of_an_okta_authorization_server(org: Org) -> None:
    made = org.authorization_server()
    first, second = org.server("https://one.example.com/"), org.server("https://two.example.com/")
    rows = [org.okta_row(server, made["id"]) for server in (first, second)]
    parent = second.rpartition("/")[2]
    org.ok("POST", "/sandbox/edit", {"id": made["id"], "parent": parent, "set": {"status": "INVALID"}})
    assert [org.status(row) for row in rows] == ["INACTIVE", "INVALID"]


@pytest.mark.parametrize("body", [{"id": "ems404"}, {"set": {}}, {"id": "x", "nonsense": 1}])
def test_a_bad_edit_is_refused(org: Org, body: dict[str, object]) -> None:
    assert org.call("POST", "/sandbox/edit", body).status_code in (400, 404)


def test_what_is_hidden_can_not_be_edited(org: Org) -> None:
    identity = org.server().rpartition("/")[2]
    refused(org.call("POST", "/sandbox/edit", {"id": identity, "set": {"_waiting": True}}), 400, "E0000001")


def test_operations_are_listed(org: Org) -> None:
    org.active_server()
    operations = org.ok("GET", OPERATIONS)["data"]
    assert [operation["type"] for operation in operations] == [
        "mcp-server:Register",
        "mcp-server:AuthorizationServerAdd",
        "mcp-server:Activate",
    ]
    assert {operation["status"] for operation in operations} == {"COMPLETED"}


def test_an_operation_on_what_is_gone_fails(org: Org) -> None:
    server, _, _ = org.active_server()
    answer = org.call("POST", f"{server}/lifecycle/deactivate")
    org.ok("POST", "/sandbox/edit", {"id": server.rpartition("/")[2], "delete": True})
    org.settle()
    operation = org.ok("GET", answer.headers["location"])
    assert operation["status"] == "FAILED" and "no longer exists" in operation["errorDetails"]["message"]


def test_an_activation_that_lost_its_ground_meanwhile_fails(org: Org) -> None:
    server, row, client = org.active_server()
    org.ok("POST", f"{server}/lifecycle/deactivate")
    org.settle()
    answer = org.call("POST", f"{server}/lifecycle/activate")
    org.ok("POST", f"{row}/lifecycle/deactivate")
    org.ok("DELETE", client)
    org.settle()
    assert org.ok("GET", answer.headers["location"])["status"] == "FAILED"
    assert org.status(server) == "INACTIVE"


def test_a_refresh_reads_the_world_again(worldly: Org) -> None:
    server = worldly.server(kind="DISCOVERABLE")
    before = worldly.ok("GET", server)["detectedMetadata"]["lastRefreshedAt"]
    worldly.settle(60)
    worldly.ok("POST", "/sandbox/refresh")
    shown = worldly.ok("GET", server)
    assert shown["detectedMetadata"]["lastRefreshedAt"] > before and shown["status"] == "INACTIVE"
