from __future__ import annotations

import pytest
from jsonschema import Draft202012Validator

from reconciler.model.diagnostic import Refused
from reconciler.sandbox.exchange import AnswerLost
from reconciler.sandbox.hosts import ID_JAG_PROFILE, JWT_BEARER
from reconciler.sandbox.world import read_world, world_schema
from tests.unit.sandbox.played import WORLD, Org

PRM = "/.well-known/oauth-protected-resource"


def problems(text: str) -> list[str]:
    with pytest.raises(Refused) as refusal:
        read_world(text, "world.yaml")
    assert all(diagnostic.code == "config.world" for diagnostic in refusal.value.diagnostics)
    return [f"{diagnostic.span}: {diagnostic.summary}" for diagnostic in refusal.value.diagnostics]


def test_a_small_file_is_enough() -> None:
    world = read_world("version: 1\nauthorization_servers:\n  - issuer: https://auth.example.com/\n", "world.yaml")
    [server] = world.authorization_servers
    assert server.authorization_endpoint == "https://auth.example.com/authorize"
    assert server.token_endpoint == "https://auth.example.com/token"
    assert server.grant_types == ("authorization_code", "refresh_token")
    assert read_world("version: 1", "world.yaml").mcp_servers == ()


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", "None", "empty"),
        ("version: 2", "world.yaml:1:10", "1 was expected"),
        ("mcp_servers: []", "world.yaml:1:1", "'version' is a required property"),
        ("version: 1\nmcp_servers:\n  - url: nonsense", "world.yaml:3:10", "is not a URL"),
        ("version: 1\nmcp_servers:\n  - {url: https://a.example.com, uri: x}", "world.yaml:3:5", "'uri'"),
        ("version: 1\nmcp_servers:\n  - url: https://a.example.com\n    down: no", "world.yaml:4:11", "boolean"),
        ("version: 1\nversion: 1", "world.yaml:2:1", "given twice"),
        ("version: [1", "world.yaml", "not YAML"),
        ("version: 1\n---\nversion: 1", "world.yaml:2:1", "not YAML"),
        ("a: &a [1]\nb: *a", "world.yaml:2:4", "no aliases"),
        ("[" * 500, "world.yaml:1:33", "nested too deeply"),
        ("[" * 100_000, "world.yaml:1:", "nested too deeply"),
        ("version: 1\x00", "None", "not YAML"),
        ("just text", "world.yaml:1:1", "is not of type 'object'"),
        (
            "version: 1\nmcp_servers:\n  - url: https://a.example.com\n  - url: https://a.example.com",
            "world.yaml:4:10",
            "twice",
        ),
        ("version: 1\nfaults: [{fault: gremlins, path: '*'}]", "world.yaml:2:18", "'gremlins'"),
    ],
)
def test_a_broken_world_is_refused_with_the_place(text: str, where: str, what: str) -> None:
    [problem] = problems(text)
    assert problem.startswith(where) and what in problem


def test_all_problems_are_told_in_their_order() -> None:
    text = "version: 1\nauthorization_servers:\n  - issuer: x\n  - issuer: https://b.example.com\n    status: 200\n"
    assert [problem.partition(": ")[0] for problem in problems(text)] == ["world.yaml:3:13", "world.yaml:5:13"]


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(world_schema())


def test_an_mcp_server_publishes_its_metadata_and_challenges() -> None:
    org = Org(WORLD)
    challenge = org.call("POST", "https://mcp.example.com/mcp")
    assert challenge.status_code == 401
    where = challenge.headers["www-authenticate"].partition('resource_metadata="')[2].rstrip('"')
    assert where == f"https://mcp.example.com{PRM}/mcp"
    document = org.ok("GET", where)
    assert document["resource"] == "https://mcp.example.com/mcp"
    assert document["authorization_servers"] == ["https://auth.example.com"]
    assert org.ok("GET", f"https://mcp.example.com{PRM}") == document
    assert "authorization_servers" not in org.ok("GET", f"https://bare.example.com{PRM}/mcp")


@pytest.mark.parametrize("known", ["oauth-authorization-server", "openid-configuration"])
def test_an_issuer_publishes_its_metadata(known: str) -> None:
    org = Org("version: 1\nauthorization_servers: [{issuer: https://a.example.com/tenant, id_jag: true}]")
    document = org.ok("GET", f"https://a.example.com/.well-known/{known}/tenant")
    assert document["issuer"] == "https://a.example.com/tenant"
    assert JWT_BEARER in document["grant_types_supported"]
    assert document["authorization_grant_profiles_supported"] == [ID_JAG_PROFILE]
    assert org.ok("GET", f"https://a.example.com/tenant/.well-known/{known}") == document
    assert org.call("POST", document["token_endpoint"]).json() == {"error": "invalid_client"}
    assert org.call("GET", document["authorization_endpoint"]).status_code == 400


def test_hosts_answer_under_their_own_name_and_port_only() -> None:
    org = Org("version: 1\nmcp_servers: [{url: 'https://a.example.com:8443/mcp'}]")
    assert org.call("GET", "https://a.example.com:8443/mcp").status_code == 401
    assert org.call("GET", "https://A.example.com:8443/nothing").status_code == 404
    assert org.call("GET", "https://a.example.com/mcp").json()["errorCode"] == "E0000008"


def test_troubles_show() -> None:
    org = Org(
        """
version: 1
mcp_servers:
  - {url: https://down.example.com/mcp, down: true}
  - {url: https://broken.example.com/mcp, status: 503}
  - {url: https://silent.example.com/mcp, metadata: false}
  - {url: https://wrong.example.com/mcp, published_resource: https://other.example.com/mcp}
authorization_servers: [{issuer: https://auth.example.com, published_issuer: https://evil.example.com}]
"""
    )
    with pytest.raises(AnswerLost):
        org.call("GET", "https://down.example.com/mcp")
    assert org.call("GET", "https://broken.example.com/mcp").status_code == 503
    assert org.call("GET", f"https://silent.example.com{PRM}/mcp").status_code == 404
    assert org.call("POST", "https://silent.example.com/mcp").headers["www-authenticate"] == "Bearer"
    assert org.ok("GET", f"https://wrong.example.com{PRM}/mcp")["resource"] == "https://other.example.com/mcp"
    metadata = "https://auth.example.com/.well-known/oauth-authorization-server"
    assert org.ok("GET", metadata)["issuer"] == "https://evil.example.com"


@pytest.mark.parametrize(
    ("trouble", "why"),
    [
        ("down: true", "could not be reached"),
        ("status: 503", "answered 503"),
        ("metadata: false", "answered 404"),
        ("published_resource: https://other.example.com/mcp", "Resource mismatch"),
        ("authorization_servers: []", "No authorization servers found"),
    ],
)
def test_discovery_says_what_troubles_it(trouble: str, why: str) -> None:
    org = Org(f"version: 1\nmcp_servers:\n  - url: https://mcp.example.com/mcp\n    {trouble}\n")
    shown = org.ok("GET", org.server(kind="DISCOVERABLE"))
    assert shown["status"] == "INVALID" and why in shown["statusReason"]


def test_a_broken_issuer_makes_its_row_invalid_and_not_the_server() -> None:
    org = Org(WORLD.replace("issuer: https://auth.example.com,", "issuer: https://auth.example.com, status: 500,"))
    server = org.server(kind="DISCOVERABLE")
    [row] = org.ok("GET", f"{server}/authorization-servers")["data"]
    assert row["status"] == "INVALID" and "answered 500" in row["statusReason"]
    assert org.status(server) == "INACTIVE"


def test_in_an_open_world_discovery_finds_nothing(org: Org) -> None:
    assert org.status(org.server(kind="DISCOVERABLE")) == "INVALID"
