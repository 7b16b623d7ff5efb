from __future__ import annotations

import pytest

from tests.unit.sandbox.played import EXTERNAL, ISSUER, MCP, Org, refused


def test_a_complete_row_registers_and_activates(org: Org) -> None:
    server = org.server()
    answer = org.call("POST", f"{server}/authorization-servers", EXTERNAL)
    assert answer.status_code == 202
    [row] = org.ok("GET", f"{server}/authorization-servers")["data"]
    assert row["status"] == "PENDING" and row["id"].startswith("eas")
    org.settle()
    operation = org.ok("GET", answer.headers["location"])
    assert operation["status"] == "COMPLETED" and operation["resource"]["id"] == row["id"]
    path = f"{server}/authorization-servers/{row['id']}"
    assert org.status(path) == "INACTIVE"
    assert org.call("POST", f"{path}/lifecycle/activate").status_code == 204
    assert org.status(path) == "ACTIVE"
    assert org.call("POST", f"{path}/lifecycle/deactivate").status_code == 204
    assert org.status(path) == "INACTIVE"


def test_a_row_is_shown_as_it_was_declared(org: Org) -> None:
    row = org.ok("GET", org.row(org.server()))
    assert {name: row[name] for name in EXTERNAL} == EXTERNAL
    assert "registrationEndpoint" not in row and row["orn"].startswith("orn:okta:idp:")


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"tokenEndpoint": "nonsense"}, "tokenEndpoint"),
        ({"grantTypesSupported": []}, "grantTypesSupported"),
        ({"grantTypesSupported": ["password"]}, "password"),
    ],
)
def test_incomplete_configuration_is_invalid_until_it_is_fixed(org: Org, fields: dict[str, object], why: str) -> None:
    row = org.row(org.server(), **fields)
    shown = org.ok("GET", row)
    assert shown["status"] == "INVALID" and why in shown["statusReason"]
    refused(org.call("POST", f"{row}/lifecycle/activate"), 403, "E0000107")
    org.ok("PATCH", row, {name: EXTERNAL[name] for name in fields})
    org.settle()
    shown = org.ok("GET", row)
    assert shown["status"] == "INACTIVE" and "statusReason" not in shown


def test_missing_endpoints_may_come_later(org: Org) -> None:
    server = org.server()
    answer = org.call("POST", f"{server}/authorization-servers", {"type": "EXTERNAL", "issuer": ISSUER})
    row = f"{server}/authorization-servers/{org.made(answer)}"
    assert org.status(row) == "INVALID"
    endpoints = {name: value for name, value in EXTERNAL.items() if name not in ("type", "issuer")}
    org.ok("PATCH", row, endpoints)
    org.settle()
    assert org.status(row) == "INACTIVE" and org.status(server) == "INACTIVE"


@pytest.mark.parametrize(
    ("world", "why"),
    [
        ("- {issuer: https://auth.example.com, down: true}", "could not be reached"),
        ("- {issuer: https://auth.example.com, status: 503}", "answered 503"),
        ("- {issuer: https://auth.example.com, published_issuer: https://evil.example.com}", "Issuer mismatch"),
        ("- {issuer: https://auth.example.com, token_endpoint: https://auth.example.com/other}", "answered 404"),
        ("- {issuer: https://elsewhere.example.com}", "could not be reached"),
    ],
)
def test_activation_verifies_connectivity(world: str, why: str) -> None:
    org = Org(f"version: 1\nauthorization_servers:\n  {world}\n")
    row = org.row(org.server())
    assert org.call("POST", f"{row}/lifecycle/activate").status_code == 204
    shown = org.ok("GET", row)
    assert shown["status"] == "INVALID" and why in shown["statusReason"]
    org.ok("PATCH", row, {})
    org.settle()
    assert org.status(row) == "INVALID"


def test_an_issuer_without_metadata_is_good_enough_for_a_manual_row() -> None:
    org = Org("version: 1\nauthorization_servers: [{issuer: https://auth.example.com, metadata: false}]")
    row = org.row(org.server())
    org.ok("POST", f"{row}/lifecycle/activate")
    assert org.status(row) == "ACTIVE"


@pytest.mark.parametrize("field", ["issuer", "type"])
def test_issuer_and_type_are_immutable(org: Org, field: str) -> None:
    row = org.row(org.server())
    body = refused(org.call("PATCH", row, {field: EXTERNAL[field]}), 400, "E0000001")
    assert body["errorCauses"][0]["location"] == field


def test_endpoints_change_in_place(org: Org) -> None:
    row = org.row(org.server())
    org.ok("POST", f"{row}/lifecycle/activate")
    changed = org.ok("PATCH", row, {"registrationEndpoint": "https://auth.example.com/register"})
    assert changed["registrationEndpoint"] == "https://auth.example.com/register" and changed["status"] == "ACTIVE"
    assert "registrationEndpoint" not in org.ok("PATCH", row, {"registrationEndpoint": None})


def test_a_change_that_breaks_a_registered_row_makes_it_invalid(org: Org) -> None:
    server, row, _ = org.active_server()
    shown = org.ok("PATCH", row, {"tokenEndpoint": None})
    assert shown["status"] == "INVALID"
    assert org.status(server) == "INVALID"


def test_deletion_waits_for_deactivation_and_for_clients(org: Org) -> None:
    server, row, client = org.active_server()
    refused(org.call("DELETE", row), 400, "E0000001")
    org.ok("POST", f"{row}/lifecycle/deactivate")
    body = refused(org.call("DELETE", row), 409, "E0000195")
    assert body["errorCauses"][0]["reason"] == "REFERENCED"
    org.ok("DELETE", client)
    assert org.call("DELETE", row).status_code == 204
    assert org.ok("GET", server)["authorizationServerCount"] == 0


def test_the_last_active_row_takes_its_server_with_it(org: Org) -> None:
    server, row, _ = org.active_server()
    org.ok("POST", f"{row}/lifecycle/deactivate")
    shown = org.ok("GET", server)
    assert shown["status"] == "INVALID" and shown["statusReason"]


def test_runtime_validation_can_be_switched_off() -> None:
    org = Org(runtime_validation=False)
    server, row, _ = org.active_server()
    org.ok("POST", f"{row}/lifecycle/deactivate")
    assert org.status(server) == "ACTIVE"


def test_one_issuer_is_attached_once(org: Org) -> None:
    server = org.server()
    org.row(server)
    body = refused(org.call("POST", f"{server}/authorization-servers", EXTERNAL), 409, "E0000195")
    assert body["errorCauses"][0]["reason"] == "UNIQUE_CONSTRAINT"
    other = org.server("https://other.example.com/mcp")
    assert org.status(org.row(other)) == "INACTIVE"


def test_an_okta_authorization_server_is_attached_by_its_orn(org: Org) -> None:
    made = org.authorization_server()
    server, other = org.server(), org.server("https://other.example.com/mcp")
    row = org.okta_row(server, made["id"])
    org.okta_row(other, made["id"])
    shown = org.ok("GET", row)
    assert (shown["id"], shown["type"], shown["issuer"]) == (made["id"], "OKTA", made["issuer"])
    assert shown["status"] == "INACTIVE"
    refused(org.call("PATCH", row, {"tokenEndpoint": "https://x.example.com/"}), 400, "E0000001")


@pytest.mark.parametrize("orn", ["orn:okta:idp:00o:authorization_servers:aus404", "orn:nonsense"])
def test_an_orn_must_be_of_this_org(org: Org, orn: str) -> None:
    rows = f"{org.server()}/authorization-servers"
    body = refused(org.call("POST", rows, {"type": "OKTA", "orn": orn}), 400, "E0000001")
    assert body["errorCauses"][0]["location"] == "orn"


def test_an_okta_row_can_not_be_active_without_its_authorization_server(org: Org) -> None:
    made = org.authorization_server()
    row = org.okta_row(org.server(), made["id"])
    own = f"/api/v1/authorizationServers/{made['id']}"
    org.ok("POST", f"{row}/lifecycle/activate")
    org.ok("POST", f"{own}/lifecycle/deactivate")
    assert org.status(row) == "INVALID"
    org.ok("POST", f"{own}/lifecycle/activate")
    org.ok("PATCH", row, {})
    org.settle()
    assert org.status(row) == "INACTIVE"


def test_discovered_rows_are_managed_by_discovery(worldly: Org) -> None:
    server = worldly.server(kind="DISCOVERABLE")
    rows = f"{server}/authorization-servers"
    refused(worldly.call("POST", rows, EXTERNAL), 400, "E0000001")
    row = f"{rows}/{worldly.ok('GET', rows)['data'][0]['id']}"
    refused(worldly.call("POST", f"{row}/lifecycle/deactivate"), 400, "E0000001")
    refused(worldly.call("PATCH", row, {"tokenEndpoint": "https://x.example.com/"}), 400, "E0000001")
    refused(worldly.call("DELETE", row), 400, "E0000001")


def test_rows_are_filtered_by_status(org: Org) -> None:
    server, row, _ = org.active_server()
    org.row(server, issuer="https://other.example.com")
    rows = f"{server}/authorization-servers"
    found = org.ok("GET", f'{rows}?filter=status eq "ACTIVE"')["data"]
    assert [item["id"] for item in found] == [row.rpartition("/")[2]]
    refused(org.call("GET", f'{rows}?filter=issuer eq "x"'), 400, "E0000001")


def test_rows_of_an_unknown_server_are_not_found(org: Org) -> None:
    refused(org.call("GET", f"{MCP}/ems404/authorization-servers"), 404, "E0000007")
