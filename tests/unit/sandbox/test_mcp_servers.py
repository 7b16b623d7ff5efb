from __future__ import annotations

import pytest

from tests.unit.sandbox.played import CLIENTS, MCP, OPERATIONS, Org, refused


def test_a_new_server_is_pending_behind_an_operation(org: Org) -> None:
    answer = org.call("POST", MCP, {"resourceUrl": "https://mcp.example.com/mcp", "displayName": "Tools"})
    assert answer.status_code == 202 and answer.content == b""
    location = answer.headers["location"]
    assert location.startswith(f"https://acme.okta.com{OPERATIONS}/op-")
    seen = [org.ok("GET", location)["status"]]
    for _ in range(2):
        org.settle(0.3)
        seen.append(org.ok("GET", location)["status"])
    assert seen == ["SCHEDULED", "IN_PROGRESS", "COMPLETED"]
    resource = org.ok("GET", location)["resource"]
    assert resource["type"] == "MCP_SERVER" and resource["id"].startswith("ems")
    assert org.status(f"{MCP}/{resource['id']}") == "PENDING"


def test_a_server_is_shown_as_documented(org: Org) -> None:
    path = org.server(displayName="Tools", description="For work")
    shown = org.ok("GET", path)
    identity = path.rpartition("/")[2]
    organisation = org.ok("GET", "/api/v1/org")["id"]
    assert shown["orn"] == f"orn:okta:directory:{organisation}:resource-servers:mcp:{identity}"
    assert shown["metadata"] == {"displayName": "Tools", "description": "For work"}
    assert "displayName" not in shown
    assert shown["type"] == "MANUAL" and shown["authorizationServerCount"] == 0
    assert shown["_links"]["self"]["href"] == f"https://acme.okta.com{path}"


def test_a_manual_server_waits_for_a_complete_authorization_server(org: Org) -> None:
    server = org.server()
    org.settle(3600)
    assert org.status(server) == "PENDING"
    org.row(server, tokenEndpoint="not a url")
    assert org.status(server) == "PENDING"
    org.row(server, issuer="https://other.example.com")
    assert org.status(server) == "INACTIVE"
    assert org.ok("GET", server)["authorizationServerCount"] == 2


def test_a_server_goes_to_active_and_back(org: Org) -> None:
    server, _, _ = org.active_server()
    answer = org.call("POST", f"{server}/lifecycle/deactivate")
    assert answer.status_code == 202
    assert org.status(server) == "ACTIVE"
    org.settle()
    assert org.ok("GET", answer.headers["location"])["status"] == "COMPLETED"
    assert org.status(server) == "INACTIVE"


def test_an_active_server_is_not_deleted(org: Org) -> None:
    server, _, _ = org.active_server()
    body = refused(org.call("DELETE", server), 400, "E0000001")
    assert body["errorSummary"] == (
        "Cannot delete a resource server in ACTIVE status. Server must be deactivated first."
    )
    assert org.status(server) == "ACTIVE"


def test_a_referenced_server_is_not_deleted(org: Org) -> None:
    server, row, client = org.active_server()
    org.ok("POST", f"{server}/lifecycle/deactivate")
    org.settle()
    body = refused(org.call("DELETE", server), 409, "E0000195")
    assert body["errorCauses"][0]["reason"] == "REFERENCED"
    org.ok("DELETE", client)
    assert org.call("DELETE", server).status_code == 204
    refused(org.call("GET", server), 404, "E0000007")
    refused(org.call("GET", row), 404, "E0000007")


@pytest.mark.parametrize("state", ["PENDING", "INVALID"])
def test_a_server_that_never_worked_is_deleted_at_once(worldly: Org, state: str) -> None:
    url, kind = ("https://x.example.com/", "MANUAL") if state == "PENDING" else ("https://gone.example.com/", "")
    server = worldly.server(url, kind or "DISCOVERABLE")
    assert worldly.status(server) == state
    assert worldly.call("DELETE", server).status_code == 204


def test_a_resource_url_is_registered_once_and_kept_to_the_letter(org: Org) -> None:
    first = org.server("https://mcp.example.com/mcp/")
    assert org.ok("GET", first)["resourceUrl"] == "https://mcp.example.com/mcp/"
    org.server("https://mcp.example.com/mcp")
    body = refused(org.call("POST", MCP, {"resourceUrl": "https://mcp.example.com/mcp"}), 409, "E0000195")
    cause = body["errorCauses"][0]
    assert (cause["reason"], cause["location"]) == ("UNIQUE_CONSTRAINT", "resourceUrl")


def test_names_change_in_place_and_null_removes(org: Org) -> None:
    server = org.server(displayName="Tools", description="For work")
    before = org.ok("GET", server)["lastUpdated"]
    org.settle()
    shown = org.ok("PATCH", server, {"displayName": "Better tools", "description": None})
    assert shown["metadata"] == {"displayName": "Better tools"}
    assert shown["lastUpdated"] > before
    assert org.ok("GET", server) == shown


@pytest.mark.parametrize("field", ["resourceUrl", "type"])
def test_what_is_immutable_is_refused_by_name(org: Org, field: str) -> None:
    server = org.server()
    body = refused(org.call("PATCH", server, {field: "MANUAL", "displayName": "New"}), 400, "E0000001")
    assert [cause["location"] for cause in body["errorCauses"]] == [field]
    assert org.ok("GET", server)["metadata"] == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"resourceUrl": 7},
        {"resourceUrl": "mcp.example.com"},
        {"resourceUrl": "https://mcp.example.com/mcp", "type": "OTHER"},
        {"resourceUrl": "https://mcp.example.com/mcp", "displayName": ""},
        {"resourceUrl": "https://mcp.example.com/mcp", "nonsense": True},
    ],
)
def test_a_bad_registration_is_refused_with_its_causes(org: Org, body: dict[str, object]) -> None:
    assert refused(org.call("POST", MCP, body), 400, "E0000001")["errorCauses"]
    assert org.ok("GET", MCP)["data"] == []


def test_activation_needs_a_connectable_authorization_server(org: Org) -> None:
    server = org.server()
    row = org.row(server)
    activate = f"{server}/lifecycle/activate"
    refused(org.call("POST", activate), 400, "E0000001")
    org.ok("POST", f"{row}/lifecycle/activate")
    refused(org.call("POST", activate), 400, "E0000001")
    org.client(server, row)
    org.ok("POST", activate)
    org.settle()
    assert org.status(server) == "ACTIVE"


def test_an_okta_authorization_server_needs_no_client(org: Org) -> None:
    server = org.server()
    row = org.okta_row(server, org.authorization_server()["id"])
    org.ok("POST", f"{row}/lifecycle/activate")
    org.ok("POST", f"{server}/lifecycle/activate")
    org.settle()
    assert org.status(server) == "ACTIVE"


@pytest.mark.parametrize(("event", "reached"), [("activate", "ACTIVE"), ("deactivate", "INACTIVE")])
def test_a_repeated_command_is_refused(org: Org, event: str, reached: str) -> None:
    server, _, _ = org.active_server()
    if event == "deactivate":
        org.ok("POST", f"{server}/lifecycle/deactivate")
        org.settle()
    assert org.status(server) == reached
    refused(org.call("POST", f"{server}/lifecycle/{event}"), 403, "E0000107")


def test_a_pending_server_takes_no_command(org: Org) -> None:
    server = org.server()
    refused(org.call("POST", f"{server}/lifecycle/activate"), 403, "E0000107")
    refused(org.call("POST", f"{server}/lifecycle/deactivate"), 403, "E0000107")


def test_activation_looks_at_the_server_itself(worldly: Org) -> None:
    server = worldly.server("https://unknown.example.com/mcp")
    row = worldly.row(server)
    worldly.client(server, row)
    worldly.ok("POST", f"{row}/lifecycle/activate")
    answer = worldly.call("POST", f"{server}/lifecycle/activate")
    worldly.settle()
    operation = worldly.ok("GET", answer.headers["location"])
    assert operation["status"] == "FAILED" and "could not be reached" in operation["errorDetails"]["message"]
    shown = worldly.ok("GET", server)
    assert shown["status"] == "INVALID" and "could not be reached" in shown["statusReason"]


def test_discovery_reads_the_servers_own_metadata(worldly: Org) -> None:
    server = worldly.server(kind="DISCOVERABLE")
    shown = worldly.ok("GET", server)
    assert shown["status"] == "INACTIVE" and shown["authorizationServerCount"] == 1
    assert shown["detectedMetadata"]["scopesSupported"] == ["read"]
    assert shown["detectedMetadata"]["resourceName"] == "Tools"
    [row] = worldly.ok("GET", f"{server}/authorization-servers")["data"]
    assert (row["issuer"], row["status"], row["type"]) == ("https://auth.example.com", "ACTIVE", "EXTERNAL")
    assert row["detectedMetadata"]["tokenEndpoint"] == "https://auth.example.com/token"
    assert row["detectedMetadata"]["identityChainingRequestedTokenTypesSupported"] == []


def test_a_discovered_server_that_supports_id_jag_is_connectable(worldly: Org) -> None:
    server = worldly.server("https://chained.example.com/mcp", "DISCOVERABLE")
    worldly.ok("POST", f"{server}/lifecycle/activate")
    worldly.settle()
    assert worldly.status(server) == "ACTIVE"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://bare.example.com/mcp", "No authorization servers found"),
        ("https://nowhere.example.com/mcp", "could not be reached"),
    ],
)
def test_discovery_that_finds_nothing_says_why(worldly: Org, url: str, why: str) -> None:
    shown = worldly.ok("GET", worldly.server(url, "DISCOVERABLE"))
    assert shown["status"] == "INVALID" and why in shown["statusReason"]


def test_a_change_of_a_pending_server_does_not_lose_its_registration(org: Org) -> None:
    answer = org.call("POST", MCP, {"resourceUrl": "https://mcp.example.com/mcp", "type": "MANUAL"})
    server = f"{MCP}/{org.made(answer)}"
    rows = org.call("POST", f"{server}/authorization-servers", {"type": "EXTERNAL", "issuer": "https://a.example.com"})
    assert rows.status_code == 202
    org.ok("PATCH", server, {"displayName": "Named meanwhile"})
    org.row(server)
    assert org.status(server) == "INACTIVE"


def test_an_invalid_server_is_found_valid_after_any_change(worldly: Org) -> None:
    server = worldly.server()
    row = worldly.row(server)
    worldly.ok("POST", "/sandbox/edit", {"id": server.rpartition("/")[2], "set": {"status": "INVALID"}})
    refused(worldly.call("POST", f"{server}/lifecycle/activate"), 403, "E0000107")
    assert worldly.ok("PATCH", server, {})["status"] == "INVALID"
    worldly.settle()
    assert worldly.status(server) == "INACTIVE" and worldly.status(row) == "INACTIVE"


def test_client_settings_need_a_server_that_is_there(org: Org) -> None:
    server = org.server()
    row = org.row(server)
    client = org.client(server, row)
    orn = org.ok("GET", client)["resource"]["orn"]
    body = {
        "name": "x",
        "registrationType": "STATIC",
        "clientId": "c",
        "clientSecret": "s",
        "authorizationServer": {"id": row.rpartition("/")[2]},
    }
    refused(org.call("POST", CLIENTS, {**body, "resource": {"orn": orn + "x"}}), 400, "E0000001")
    assert org.call("POST", CLIENTS, {**body, "resource": {"orn": orn}}).status_code == 201
