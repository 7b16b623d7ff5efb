from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import Any
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from reconciler.sandbox.app import ServiceApp
from tests.unit.sandbox.played import AUTHORIZATION_SERVERS, BASE, MCP, Org, refused

TOKEN_URL = f"{BASE}/oauth2/v1/token"
SCOPES = frozenset({"okta.resourceServers.mcpServers.manage", "okta.authorizationServers.read"})


@cache
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def public_jwk() -> dict[str, Any]:
    return dict(json.loads(jwt.algorithms.ECAlgorithm.to_jwk(key().public_key())))


def service_org(dpop: bool = False) -> Org:
    return Org(clients={"0oaclient": ServiceApp(({**public_jwk(), "kid": "k1"},), SCOPES, dpop)})


def assertion(org: Org, **claims: Any) -> str:
    body = {
        "iss": "0oaclient",
        "sub": "0oaclient",
        "aud": TOKEN_URL,
        "exp": int(org.clock.time) + 300,
        "jti": "one",
        **claims,
    }
    return jwt.encode(body, key(), "ES256", {"kid": "k1"})


def ask(org: Org, headers: dict[str, str] | None = None, **fields: str) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "scope": "okta.resourceServers.mcpServers.manage",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion(org),
        **fields,
    }
    sent = {"Authorization": "", "Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
    return org.call("POST", "/oauth2/v1/token", content=urlencode(form).encode(), headers=sent)


def proof(org: Org, method: str, url: str, token: str | None = None, **claims: Any) -> str:
    body = {"htm": method, "htu": url, "iat": int(org.clock.time), "jti": "proof", **claims}
    if token is not None:
        digest = hashlib.sha256(token.encode()).digest()
        body["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    return jwt.encode(body, key(), "ES256", {"typ": "dpop+jwt", "jwk": public_jwk()})


def test_a_service_app_gets_a_token_that_works_for_an_hour() -> None:
    org = service_org()
    granted = ask(org).json()
    assert (granted["token_type"], granted["expires_in"]) == ("Bearer", 3600)
    bearer = {"Authorization": f"Bearer {granted['access_token']}"}
    assert org.call("GET", MCP, headers=bearer).status_code == 200
    org.settle(3601)
    refused(org.call("GET", MCP, headers=bearer), 401, "E0000011")


def test_a_token_is_good_for_its_scopes_only() -> None:
    org = service_org()
    token = ask(org, scope=" ".join(SCOPES)).json()["access_token"]
    bearer = {"Authorization": f"Bearer {token}"}
    assert org.call("GET", AUTHORIZATION_SERVERS, headers=bearer).status_code == 200
    refused(org.call("POST", AUTHORIZATION_SERVERS, {"name": "a", "audiences": ["a"]}, bearer), 403, "E0000006")
    refused(org.call("GET", "/api/v1/logs", headers=bearer), 403, "E0000006")
    assert org.call("POST", MCP, {"resourceUrl": "https://a.example.com/"}, bearer).status_code == 202
    event = org.ok("GET", '/api/v1/logs?filter=eventType eq "resource_servers.mcp_server.register"')[0]
    assert event["actor"]["id"] == "0oaclient"


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"aud": "https://elsewhere.example.com"}, 401),
        ({"exp": 1}, 401),
        ({"exp": 1_800_007_200}, 401),
        ({"iss": "someone"}, 401),
        ({"sub": "0oaother", "iss": "0oaother"}, 401),
    ],
)
def test_a_bad_assertion_is_refused(claims: dict[str, Any], status: int) -> None:
    org = service_org()
    answer = ask(org, client_assertion=assertion(org, **claims))
    assert (answer.status_code, answer.json()["error"]) == (status, "invalid_client")


def test_an_assertion_of_another_key_is_refused() -> None:
    org = service_org()
    claims = {"iss": "0oaclient", "sub": "0oaclient", "aud": TOKEN_URL, "exp": int(org.clock.time) + 60}
    forged = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256", {"kid": "k1"})
    for given in (forged, "nonsense", jwt.encode(claims, None, "none")):
        assert ask(org, client_assertion=given).json()["error"] == "invalid_client"


def test_an_assertion_is_good_for_once() -> None:
    org = service_org()
    assert [ask(org).status_code for _ in range(2)] == [200, 401]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"scope": "okta.users.manage"}, "invalid_scope"),
        ({"scope": ""}, "invalid_scope"),
        ({"client_assertion_type": "basic"}, "invalid_client"),
    ],
)
def test_a_bad_token_request_is_refused(fields: dict[str, str], error: str) -> None:
    answer = ask(service_org(), **fields)
    assert answer.status_code in (400, 401) and answer.json()["error"] == error


def test_dpop_needs_a_proof_with_a_nonce_and_binds_the_token() -> None:
    org = service_org(dpop=True)
    assert ask(org).json()["error"] == "invalid_dpop_proof"
    without = ask(org, {"DPoP": proof(org, "POST", TOKEN_URL)}, client_assertion=assertion(org, jti="two"))
    assert (without.status_code, without.json()["error"]) == (400, "use_dpop_nonce")
    nonce = without.headers["dpop-nonce"]
    signed = proof(org, "POST", TOKEN_URL, nonce=nonce)
    granted = ask(org, {"DPoP": signed}, client_assertion=assertion(org, jti="three")).json()
    assert granted["token_type"] == "DPoP"
    token = granted["access_token"]
    bound = {"Authorization": f"DPoP {token}", "DPoP": proof(org, "GET", BASE + MCP, token)}
    assert org.call("GET", MCP, headers=bound).status_code == 200
    refused(org.call("GET", MCP, headers={"Authorization": f"Bearer {token}"}), 401, "E0000011")


@pytest.mark.parametrize("flaw", ["other method", "other url", "other token", "old", "none"])
def test_a_proof_is_for_one_request(flaw: str) -> None:
    org = service_org(dpop=True)
    nonce = ask(org, {"DPoP": proof(org, "POST", TOKEN_URL)}).headers["dpop-nonce"]
    signed = proof(org, "POST", TOKEN_URL, nonce=nonce)
    token = ask(org, {"DPoP": signed}, client_assertion=assertion(org, jti="2")).json()["access_token"]
    flawed = {
        "other method": proof(org, "POST", BASE + MCP, token),
        "other url": proof(org, "GET", BASE + "/api/v1/logs", token),
        "other token": proof(org, "GET", BASE + MCP, "another"),
        "old": proof(org, "GET", BASE + MCP, token, iat=int(org.clock.time) - 3600),
        "none": "",
    }[flaw]
    refused(org.call("GET", MCP, headers={"Authorization": f"DPoP {token}", "DPoP": flawed}), 401, "E0000011")


def test_a_refused_assertion_leaves_no_token_behind() -> None:
    org = service_org(dpop=True)
    ask(org)
    assert org.ok("GET", '/api/v1/logs?filter=eventType eq "app.oauth2.token.grant.access_token"') == []
