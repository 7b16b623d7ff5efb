from __future__ import annotations

from typing import Any

import pytest

from tests.unit.sandbox.played import AUTHORIZATION_SERVERS as BASE_PATH
from tests.unit.sandbox.played import Org, refused

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


def policy(name: str = "reconciler", **fields: Any) -> dict[str, Any]:
    conditions = {"clients": {"include": ["ALL_CLIENTS"]}}
    return {"type": "OAUTH_AUTHORIZATION_POLICY", "name": name, "conditions": conditions, **fields}


def rule(name: str = "reconciler", **fields: Any) -> dict[str, Any]:
    conditions = {"grantTypes": {"include": [JWT_BEARER]}, "scopes": {"include": ["read"]}}
    return {"type": "RESOURCE_ACCESS", "name": name, "conditions": conditions, **fields}


@pytest.fixture
def server(org: Org) -> str:
    return f"{BASE_PATH}/{org.authorization_server()['id']}"


def test_an_authorization_server_is_born_active(org: Org) -> None:
    shown = org.authorization_server("todo")
    assert shown["id"].startswith("aus") and shown["status"] == "ACTIVE"
    assert shown["issuer"] == f"https://acme.okta.com/oauth2/{shown['id']}"
    assert org.ok("GET", f"{BASE_PATH}/{shown['id']}") == shown
    assert org.ok("GET", BASE_PATH) == [shown]


def test_put_replaces_and_passes_over_what_is_read_only(org: Org, server: str) -> None:
    shown = org.ok("GET", server)
    renamed = org.ok("PUT", server, {**shown, "name": "renamed", "description": "New", "status": "INACTIVE"})
    assert (renamed["name"], renamed["description"], renamed["status"]) == ("renamed", "New", "ACTIVE")
    assert "description" not in org.ok("PUT", server, {"name": "renamed", "audiences": ["x"]})
    refused(org.call("PATCH", server, {"name": "other"}), 405, "E0000022")


@pytest.mark.parametrize("body", [{"name": "a"}, {"audiences": ["a"]}, {"name": "a", "audiences": ["a", "b"]}])
def test_an_authorization_server_has_a_name_and_one_audience(org: Org, body: dict[str, Any]) -> None:
    refused(org.call("POST", BASE_PATH, body), 400, "E0000001")


def test_lifecycle_calls_are_empty_and_repeatable(org: Org, server: str) -> None:
    for event, status in (("deactivate", "INACTIVE"), ("deactivate", "INACTIVE"), ("activate", "ACTIVE")):
        assert org.call("POST", f"{server}/lifecycle/{event}").status_code == 204
        assert org.status(server) == status


def test_only_an_inactive_one_that_nothing_refers_to_is_deleted(org: Org, server: str) -> None:
    refused(org.call("DELETE", server), 400, "E0000001")
    row = org.okta_row(org.server(), server.rpartition("/")[2])
    org.ok("POST", f"{server}/lifecycle/deactivate")
    refused(org.call("DELETE", server), 409, "E0000195")
    org.ok("DELETE", row)
    assert org.call("DELETE", server).status_code == 204
    refused(org.call("GET", server), 404, "E0000007")
    assert org.ok("GET", "/sandbox/objects")["counts"]["scope"] == 0


def test_scopes_come_after_the_systems_own(org: Org, server: str) -> None:
    made = org.call("POST", f"{server}/scopes", {"name": "read", "displayName": "Read"})
    assert made.status_code == 201
    found = org.ok("GET", f"{server}/scopes")
    assert [scope["name"] for scope in found if not scope["system"]] == ["read"]
    assert found[-1] == made.json() and found[-1]["consent"] == "IMPLICIT"
    assert {"openid", "offline_access"} <= {scope["name"] for scope in found if scope["system"]}


def test_scopes_change_and_go(org: Org, server: str) -> None:
    path = f"{server}/scopes/{org.ok('POST', f'{server}/scopes', {'name': 'read', 'displayName': 'Read'})['id']}"
    changed = org.ok("PUT", path, {"name": "read", "consent": "REQUIRED"})
    assert changed["consent"] == "REQUIRED" and "displayName" not in changed
    assert org.call("DELETE", path).status_code == 204
    refused(org.call("GET", path), 404, "E0000007")


def test_scope_names_are_unique_and_the_systems_are_read_only(org: Org, server: str) -> None:
    org.ok("POST", f"{server}/scopes", {"name": "read"})
    refused(org.call("POST", f"{server}/scopes", {"name": "read"}), 409, "E0000195")
    refused(org.call("POST", f"{server}/scopes", {"name": "openid"}), 403, "E0000111")
    system = org.ok("GET", f"{server}/scopes")[0]["id"]
    refused(org.call("DELETE", f"{server}/scopes/{system}"), 403, "E0000111")


def test_a_policy_has_rules(org: Org, server: str) -> None:
    made = org.call("POST", f"{server}/policies", policy(description="Who"))
    assert made.status_code == 201
    path = f"{server}/policies/{made.json()['id']}"
    added = org.call("POST", f"{path}/rules", rule())
    assert added.status_code == 201
    [shown] = org.ok("GET", f"{path}/rules")
    assert shown == added.json()
    assert shown["actions"]["token"]["accessTokenLifetimeMinutes"] == 60
    assert shown["conditions"]["people"]["groups"]["include"] == ["EVERYONE"]
    assert org.call("DELETE", path).status_code == 204
    refused(org.call("GET", f"{path}/rules"), 404, "E0000007")


def test_rules_are_replaced_and_switched(org: Org, server: str) -> None:
    path = f"{server}/policies/{org.ok('POST', f'{server}/policies', policy())['id']}/rules"
    own = f"{path}/{org.ok('POST', path, rule())['id']}"
    wanted = rule(actions={"token": {"accessTokenLifetimeMinutes": 5}})
    assert org.ok("PUT", own, wanted)["actions"]["token"]["accessTokenLifetimeMinutes"] == 5
    assert org.call("POST", f"{own}/lifecycle/deactivate").status_code == 204
    assert org.status(own) == "INACTIVE"
    wanted["actions"]["token"]["accessTokenLifetimeMinutes"] = 4
    refused(org.call("PUT", own, wanted), 400, "E0000001")
    assert org.call("DELETE", own).status_code == 204


def test_priorities_are_renumbered(org: Org, server: str) -> None:
    path = f"{server}/policies"
    for name in ("a", "b"):
        org.ok("POST", path, policy(name))
    org.ok("POST", path, policy("first", priority=1))
    last = org.ok("POST", path, policy("last", priority=99))
    assert last["priority"] == 4
    order = {item["name"]: item["priority"] for item in org.ok("GET", path)}
    assert order == {"first": 1, "a": 2, "b": 3, "last": 4}
    org.ok("PUT", f"{path}/{last['id']}", policy("last", priority=2))
    order = {item["name"]: item["priority"] for item in org.ok("GET", path)}
    assert order == {"first": 1, "last": 2, "a": 3, "b": 4}
    org.ok("DELETE", f"{path}/{last['id']}")
    assert sorted(item["priority"] for item in org.ok("GET", path)) == [1, 2, 3]


def test_policy_writes_at_the_same_time_collide(org: Org, server: str) -> None:
    other = f"{BASE_PATH}/{org.authorization_server('other')['id']}"
    answers = org.together(
        ("POST", f"{server}/policies", policy("a")),
        ("POST", f"{server}/policies", policy("b")),
        ("POST", f"{other}/policies", policy("a")),
        ("GET", f"{server}/policies", None),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 201, 201, 423]
    refused(next(answer for answer in answers if answer.status_code == 423), 423, "E0000239")


@pytest.mark.parametrize(
    "form", ["/.well-known/oauth-authorization-server{0}", "{0}/.well-known/oauth-authorization-server"]
)
def test_metadata_is_published_without_authentication(org: Org, form: str) -> None:
    made = org.authorization_server()
    own = f"{BASE_PATH}/{made['id']}"
    org.ok("POST", f"{own}/scopes", {"name": "seen", "metadataPublish": "ALL_CLIENTS"})
    org.ok("POST", f"{own}/scopes", {"name": "unseen"})
    path = form.format(f"/oauth2/{made['id']}")
    document = org.call("GET", path, headers={"Authorization": ""}).json()
    assert document["issuer"] == made["issuer"] and JWT_BEARER in document["grant_types_supported"]
    assert "seen" in document["scopes_supported"] and "unseen" not in document["scopes_supported"]
    org.ok("POST", f"{own}/lifecycle/deactivate")
    refused(org.call("GET", path), 404, "E0000007")


def test_authorization_servers_are_found_by_name(org: Org) -> None:
    for name in ("todo", "Tools", "other"):
        org.authorization_server(name)
    assert [item["name"] for item in org.ok("GET", f"{BASE_PATH}?q=to")] == ["todo", "Tools"]
