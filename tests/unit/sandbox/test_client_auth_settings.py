from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sandbox.played import CLIENTS, Org, refused


def declared(org: Org, **fields: Any) -> dict[str, Any]:
    server = org.server()
    row = org.ok("GET", org.row(server, registrationEndpoint="https://auth.example.com/register"))
    body = {
        "name": "app",
        "registrationType": "STATIC",
        "clientId": "client",
        "clientSecret": "s3cret-value",
        "resource": {"orn": org.ok("GET", server)["orn"]},
        "authorizationServer": {"id": row["id"], "orn": row["orn"]},
        **fields,
    }
    return {name: value for name, value in body.items() if value is not None}


def test_a_registration_shows_everything_but_its_secret(org: Org) -> None:
    body = declared(org, scopes=["repo"])
    answer = org.call("POST", CLIENTS, body)
    shown = answer.json()
    assert answer.status_code == 201 and shown["id"].startswith("rsc")
    assert (shown["name"], shown["registrationType"], shown["clientId"], shown["scopes"]) == (
        "app",
        "STATIC",
        "client",
        ["repo"],
    )
    assert shown["authorizationServer"] == body["authorizationServer"]
    assert shown["resource"]["orn"] == body["resource"]["orn"]
    assert shown["orn"].endswith(f":client_auth_settings:{shown['id']}")
    assert org.ok("GET", f"{CLIENTS}/{shown['id']}") == shown


def test_a_secret_is_nowhere_to_be_found(org: Org) -> None:
    made = org.ok("POST", CLIENTS, declared(org))
    org.ok("PATCH", f"{CLIENTS}/{made['id']}", {"clientSecret": "another-s3cret"})
    for path in (CLIENTS, "/sandbox/objects", "/api/v1/logs"):
        assert "s3cret" not in org.call("GET", path).text
    log = org.call("GET", "/api/v1/logs").text
    assert '"client_secret":"********"' in log


def test_a_bad_secret_is_not_repeated_in_the_refusal(org: Org) -> None:
    answer = org.call("POST", CLIENTS, declared(org, clientSecret=["s3cret-value"]))
    refused(answer, 400, "E0000001")
    assert "s3cret" not in answer.text


@pytest.mark.parametrize("missing", ["clientId", "clientSecret", "name", "registrationType", "authorizationServer"])
def test_a_static_registration_is_complete(org: Org, missing: str) -> None:
    body = refused(org.call("POST", CLIENTS, declared(org, **{missing: None})), 400, "E0000001")
    assert body["errorCauses"][0]["location"] == missing


def test_a_dynamic_registration_gets_its_client_id_from_the_issuer(worldly: Org) -> None:
    dynamic = declared(worldly, registrationType="DCR", clientId=None, clientSecret=None)
    assert worldly.ok("POST", CLIENTS, dynamic)["clientId"]
    refused(worldly.call("POST", CLIENTS, {**dynamic, "clientId": "mine"}), 400, "E0000001")


def test_a_dynamic_registration_needs_a_registration_endpoint_that_answers() -> None:
    org = Org("version: 1\nauthorization_servers: [{issuer: https://auth.example.com}]")
    dynamic = declared(org, registrationType="DCR", clientId=None, clientSecret=None)
    cause = refused(org.call("POST", CLIENTS, dynamic), 400, "E0000001")["errorCauses"][0]
    assert "answered 404" in cause["errorSummary"]


def test_name_scopes_and_secret_change_in_place(org: Org) -> None:
    path = f"{CLIENTS}/{org.ok('POST', CLIENTS, declared(org, scopes=['a']))['id']}"
    shown = org.ok("PATCH", path, {"name": "renamed", "scopes": ["a", "b"], "clientSecret": "new"})
    assert (shown["name"], shown["scopes"]) == ("renamed", ["a", "b"])
    assert "scopes" not in org.ok("PATCH", path, {"scopes": None})


@pytest.mark.parametrize("field", ["clientId", "registrationType", "resource", "authorizationServer"])
def test_the_rest_is_immutable(org: Org, field: str) -> None:
    body = declared(org)
    path = f"{CLIENTS}/{org.ok('POST', CLIENTS, body)['id']}"
    refusal = refused(org.call("PATCH", path, {field: body[field]}), 400, "E0000001")
    assert refusal["errorCauses"][0]["location"] == field


def test_the_authorization_server_must_be_the_servers_own(org: Org) -> None:
    body = declared(org)
    for reference in ({"id": "eas404"}, {}, {**body["authorizationServer"], "orn": "orn:okta:other"}):
        refused(org.call("POST", CLIENTS, {**body, "authorizationServer": reference}), 400, "E0000001")


def test_deletion_is_for_good(org: Org) -> None:
    path = f"{CLIENTS}/{org.ok('POST', CLIENTS, declared(org))['id']}"
    assert org.call("DELETE", path).status_code == 204
    refused(org.call("GET", path), 404, "E0000007")
    refused(org.call("DELETE", path), 404, "E0000007")
    assert org.ok("GET", CLIENTS)["data"] == []
