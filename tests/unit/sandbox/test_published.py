"""What the org publishes to anybody: metadata, keys, and token endpoints that refuse what is worthless."""

from __future__ import annotations

import pytest

from reconciler.readiness.gate import Verdict
from reconciler.readiness.keys import judge_keys
from reconciler.sandbox.hosts import ID_JAG_PROFILE, JWT_BEARER
from tests.unit.sandbox.played import BASE, Org

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def issuer(org: Org) -> str:
    made = org.ok("POST", "/api/v1/authorizationServers", {"name": "Todo", "audiences": ["https://todo.example.com"]})
    return str(made["issuer"])


def test_the_org_says_that_it_mints_id_jags(org: Org) -> None:
    document = org.ok("GET", "/.well-known/oauth-authorization-server")
    assert document["issuer"] == BASE
    assert document["identity_chaining_requested_token_types_supported"]
    assert org.ok("GET", "/.well-known/openid-configuration") == document


def test_a_custom_server_publishes_how_agents_reach_it(org: Org, issuer: str) -> None:
    place = f"{BASE}/.well-known/oauth-authorization-server{issuer.removeprefix(BASE)}"
    document = org.ok("GET", place)
    assert document["issuer"] == issuer
    assert document["authorization_grant_profiles_supported"] == [ID_JAG_PROFILE]
    assert "private_key_jwt" in document["token_endpoint_auth_methods_supported"]
    keys = org.ok("GET", document["jwks_uri"])
    assert judge_keys(keys).verdict is Verdict.PASS
    assert org.ok("GET", document["jwks_uri"]) == keys


@pytest.mark.parametrize(
    ("form", "headers", "error"),
    [
        (f"grant_type={JWT_BEARER}&assertion=e30.e30.probe", {}, "invalid_client"),
        (f"grant_type={JWT_BEARER}&assertion=e30.e30.probe", {"Authorization": "Basic YTpi"}, "invalid_grant"),
        (f"grant_type={JWT_BEARER}&client_assertion=x", {}, "invalid_grant"),
        ("grant_type=password", {}, "unsupported_grant_type"),
        ("", {}, "unsupported_grant_type"),
    ],
)
def test_its_token_endpoint_refuses_rubbish(
    org: Org, issuer: str, form: str, headers: dict[str, str], error: str
) -> None:
    answer = org.call(
        "POST", f"{issuer}/v1/token", headers={"Authorization": "", **FORM, **headers}, content=form.encode()
    )
    assert answer.status_code in (400, 401) and answer.json()["error"] == error


def test_nothing_is_published_of_a_server_that_is_not_active(org: Org, issuer: str) -> None:
    org.ok("POST", f"/api/v1/authorizationServers/{issuer.rpartition('/')[2]}/lifecycle/deactivate")
    assert org.call("GET", f"{issuer}/v1/keys").status_code == 404
    assert org.call("POST", f"{issuer}/v1/token").status_code == 404
