"""What others made by plain HTTP calls is taken over, and the plan has nothing to do with it."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from yaml import safe_load

from reconciler.config.registries import proposed
from reconciler.model.diagnostic import Refused
from reconciler.site import Site
from tests.drift.stage import CONFIGURATION, Org, run, sandbox, write

EMPTY = "version: 1\nprovider: {sandbox: {settle_seconds: 0}}\n"
SERVERS = "/resource-servers/api/v1/mcp-servers"
CLIENTS = "/resource-servers/api/v1/client-auth-settings"
AUTHORIZATION_SERVERS = "/api/v1/authorizationServers"
GRANTS = [["authorization_code"], ["authorization_code", "refresh_token"]]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    write(tmp_path, EMPTY)
    (tmp_path / "state").mkdir()
    return tmp_path


def custom(org: Org, name: str, chance: random.Random) -> dict[str, Any]:
    body = {"name": name, "description": f"For {name}", "audiences": [f"https://{name}.example.com"]}
    made: dict[str, Any] = org.call("POST", AUTHORIZATION_SERVERS, body).body
    path = f"{AUTHORIZATION_SERVERS}/{made['id']}"
    scopes = [f"{name}.{word}" for word in ("read", "write", "admin")[: chance.randint(1, 3)]]
    for scope in scopes:
        described = {"displayName": f"To {scope}", "consent": "REQUIRED"} if chance.random() < 0.5 else {}
        org.call("POST", f"{path}/scopes", {"name": scope, **described})
    if chance.random() < 0.7:
        policy_name = chance.choice(["reconciler", "theirs"])
        policy = org.call(
            "POST",
            f"{path}/policies",
            {
                "type": "OAUTH_AUTHORIZATION_POLICY",
                "name": policy_name,
                "description": "theirs",
                "priority": 1,
                "conditions": {"clients": {"include": [chance.choice(["ALL_CLIENTS", "0oa1"])]}},
            },
        ).body
        if chance.random() < 0.8:
            org.call(
                "POST",
                f"{path}/policies/{policy['id']}/rules",
                {
                    "type": "RESOURCE_ACCESS",
                    "name": policy_name,
                    "priority": 1,
                    "conditions": {
                        "people": {"groups": {"include": ["EVERYONE"]}},
                        "grantTypes": {"include": ["client_credentials"]},
                        "scopes": {"include": scopes},
                    },
                    "actions": {"token": {"accessTokenLifetimeMinutes": chance.choice([10, 60])}},
                },
            )
    return made


def row(org: Org, server: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    path = f"{SERVERS}/{server['id']}/authorization-servers"
    org.call("POST", path, body)
    listed = org.call("GET", path).body
    items: list[dict[str, Any]] = listed["data"] if isinstance(listed, dict) else listed
    wanted = body.get("issuer")
    return next(i for i in items if (i["issuer"] == wanted if wanted else i.get("orn") == body["orn"]))


def external(issuer: str, chance: random.Random) -> dict[str, Any]:
    body = {
        "type": "EXTERNAL",
        "issuer": issuer,
        "authorizationEndpoint": f"{issuer}/authorize",
        "tokenEndpoint": f"{issuer}/token",
        "grantTypesSupported": chance.choice(GRANTS),
    }
    return body | ({"registrationEndpoint": f"{issuer}/register"} if chance.random() < 0.5 else {})


def fill(org: Org, seed: int, servers: int = 4) -> int:
    """A random org, by the calls that anybody could make; how many objects of ours it has."""
    chance = random.Random(seed)
    org_id = org.call("GET", "/api/v1/org").body["id"]
    own = [custom(org, f"own{number}", chance) for number in range(chance.randint(1, 2))]
    count = len(own)
    for number in range(servers):
        url = f"https://mcp{number}.example.com/mcp{chance.choice(['', '/'])}"
        named = {"displayName": f"Server {number} ${{it}}: #{number}"} if chance.random() < 0.7 else {}
        made = org.call("POST", SERVERS, {"type": "MANUAL", "resourceUrl": url, **named})
        operation = org.call("GET", made.headers["location"].partition("localhost")[2]).body
        server = org.call("GET", f"{SERVERS}/{operation['resource']['id']}").body
        rows = []
        for source in chance.sample(own, chance.randint(0, len(own))):
            orn = f"orn:okta:idp:{org_id}:authorization_servers:{source['id']}"
            rows.append(row(org, server, {"type": "OKTA", "orn": orn}))
        for issuer in chance.sample(["https://a.example.org", "https://b.example.net"], chance.randint(0, 2)):
            rows.append(row(org, server, external(issuer, chance)))
        rows = rows or [row(org, server, external("https://c.example.org", chance))]
        for one in rows:
            if one["type"] == "EXTERNAL":
                body = {
                    "name": f"client {number}",
                    "registrationType": "STATIC",
                    "clientId": f"client-{number}",
                    "clientSecret": "made up",
                    "resource": {"orn": server["orn"]},
                    "authorizationServer": {"id": one["id"], "orn": one["orn"]},
                    **({"scopes": ["b", "a"]} if chance.random() < 0.5 else {}),
                }
                org.call("POST", CLIENTS, body | {"name": f"client {number} {one['id'][-3:]}"})
                count += 1
            org.call("POST", f"{SERVERS}/{server['id']}/authorization-servers/{one['id']}/lifecycle/activate")
        if chance.random() < 0.7:
            org.call("POST", f"{SERVERS}/{server['id']}/lifecycle/activate")
        count += 1 + len(rows)
    return count


@pytest.mark.parametrize("seed", range(8))
def test_an_org_filled_by_plain_http_is_adopted_with_an_empty_plan(place: Path, seed: int) -> None:
    with sandbox(place) as org:
        count = fill(org, seed)
        before = org.objects()
    code, said = run(place, "adopt", "--all")
    assert code == 0, said
    assert "is left alone" not in said
    code, planned = run(place, "plan", "-detailed-exitcode")
    assert code == 0, (place / "adopted.yaml").read_text("utf-8") + planned
    assert len(run(place, "state", "list")[1].split()) == count
    assert run(place, "drift", "-unmanaged")[0] == 0
    with sandbox(place) as org:
        assert org.objects() == before


def test_what_was_applied_once_and_forgotten_is_adopted_whole(tmp_path: Path) -> None:
    write(tmp_path)
    assert run(tmp_path, "apply", "-auto-approve")[0] == 0
    for path in (tmp_path / "state").glob("default*"):
        if "sandbox" not in path.name:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write(tmp_path, CONFIGURATION.partition("authorization_servers:")[0])
    assert run(tmp_path, "plan", "-detailed-exitcode")[0] == 0
    code, said = run(tmp_path, "adopt", "-all")
    assert code == 0, said
    assert "Secrets can't be read" in said
    code, planned = run(tmp_path, "plan", "-detailed-exitcode")
    assert code == 0, planned
    assert len(run(tmp_path, "state", "list")[1].split()) == 11
    adopted = safe_load((tmp_path / "adopted.yaml").read_text("utf-8"))
    assert adopted["client_registrations"]["hub-app"]["client_secret"] == {"env": "HUB_APP_CLIENT_SECRET"}
    assert adopted["mcp_servers"]["todo"]["authorization_servers"] == ["todo-mcp"]
    assert adopted["mcp_servers"]["calendar"]["registration"] == "discovered"


def test_an_adoption_that_broke_off_before_it_was_recorded_is_taken_up_by_the_next_apply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path)
    assert run(tmp_path, "apply", "-auto-approve")[0] == 0
    for path in (tmp_path / "state").glob("default*"):
        if "sandbox" not in path.name:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    write(tmp_path, CONFIGURATION.partition("authorization_servers:")[0])
    with sandbox(tmp_path) as org:
        there = {kind: [item["id"] for item in items] for kind, items in org.objects().items()}
    with monkeypatch.context() as patched:
        patched.setattr(Site, "write", broken_off)
        assert run(tmp_path, "adopt", "-all")[0] == 130
    monkeypatch.setenv("HUB_APP_CLIENT_SECRET", "made up")
    code, said = run(tmp_path, "apply", "-auto-approve")
    assert code == 0, said
    assert "11 imported, 0 added, 1 changed, 0 destroyed" in said, "the secret is sent, since nobody can read it"
    assert run(tmp_path, "plan", "-detailed-exitcode")[0] == 0
    with sandbox(tmp_path) as org:
        assert {kind: [item["id"] for item in items] for kind, items in org.objects().items()} == there


def broken_off(*given: Any) -> None:
    raise KeyboardInterrupt


def test_one_object_is_adopted_under_the_address_it_is_given(place: Path) -> None:
    with sandbox(place) as org:
        fill(org, 3)
        wanted = org.objects()["mcp_server"][1]
    code, listed = run(place, "adopt")
    assert code == 0
    assert wanted["id"] in listed
    code, said = run(place, "adopt", f"mcp_server.chosen={wanted['id']}")
    assert code == 0, said
    assert "mcp_server.chosen" in run(place, "state", "list")[1].split()
    assert run(place, "plan", "-detailed-exitcode")[0] == 0
    assert wanted["id"] not in run(place, "adopt")[1]
    assert run(place, "adopt", "-all")[0] == 0
    assert (place / "adopted-2.yaml").exists()
    assert run(place, "plan", "-detailed-exitcode")[0] == 0
    assert run(place, "adopt")[1].strip() == "Everything there is, is managed."


def test_what_nobody_can_want_is_left_alone(place: Path) -> None:
    with sandbox(place) as org:
        fill(org, 5)
        org.edit(org.objects()["mcp_server"][0], status="INVALID", statusReason="Unreachable")
        broken = org.objects()["mcp_server"][0]["id"]
    code, said = run(place, "adopt", "-all")
    assert code == 0
    assert f"mcp_server {broken}" in said
    assert "nobody can want it" in said
    assert run(place, "plan", "-detailed-exitcode")[0] == 0
    code, said = run(place, "adopt", f"mcp_server.broken={broken}")
    assert code == 1, said
    assert run(place, "adopt", "mcp_server.gone=ems123")[0] == 1
    assert "takes ADDRESS=ID" in run(place, "adopt", "nonsense")[1]


REGISTRY = {
    "name": "io.github.acme/weather",
    "title": "Weather",
    "description": "Tomorrow's: ${rain}",
    "remotes": [{"type": "streamable-http", "url": "https://weather.example.com/mcp"}],
}
CLIENT = {
    "mcpServers": {
        "GitHub!": {"url": "https://api.githubcopilot.com/mcp/", "headers": {"Authorization": "Bearer made-up"}},
        "local": {"command": "npx", "args": ["-y", "server"]},
        "insecure": {"url": "http://mcp.example.com"},
    }
}


@pytest.mark.parametrize(
    ("document", "names"), [(REGISTRY, ["weather"]), ({"server": REGISTRY}, ["weather"]), (CLIENT, ["github"])]
)
def test_a_proposal_is_a_sound_configuration(tmp_path: Path, document: dict[str, Any], names: list[str]) -> None:
    (tmp_path / "given.json").write_text(json.dumps(document), "utf-8")
    write(tmp_path, EMPTY)
    code, said = run(tmp_path, "adopt", "-from=given.json")
    assert code == 0, said
    assert list(safe_load(said)["mcp_servers"]) == names
    assert "made-up" not in said
    (tmp_path / "more.yaml").write_text(said, "utf-8")
    assert run(tmp_path, "validate")[0] == 0
    if document is CLIENT:
        assert "# local is left out" in said
        assert "# insecure is left out" in said


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"mcpServers": {}}', b"[" * 100_000, b'{"name": 1}'])
def test_what_is_neither_is_refused(data: bytes) -> None:
    with pytest.raises(Refused):
        proposed(data, "given.json")


@pytest.mark.parametrize(
    "given", [("-all", "mcp_server.x=ems1"), ("-from=server.json", "-all"), ("-from=server.json", "mcp_server.x=ems1")]
)
def test_of_the_ways_to_say_what_is_adopted_one_is_taken(place: Path, given: tuple[str, str]) -> None:
    code, said = run(place, "adopt", *given)
    assert code == 1 and "they exclude each other" in said
