"""The probes against servers nobody here wrote: what works is found ready, what is wrong is found wrong."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request
from dataclasses import replace
from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.resource import Observed, Resource
from reconciler.model.secret import Secret
from reconciler.readiness.checks import check_all
from reconciler.readiness.context import Context, Options
from reconciler.readiness.credentials import examine_secret
from reconciler.readiness.egress import Egress
from reconciler.readiness.fetch import Door
from reconciler.readiness.gate import CheckResult, State, Verdict, is_open
from reconciler.readiness.inquiry import Inquiry, Memory
from reconciler.readiness.mcp import Era, Meeting, meet
from tests.peers.conftest import CALLBACK, SECRET
from tests.readiness.stage import JWT_BEARER, perform, resolve_here

SERVER = Address("mcp_server.s")
EXTERNAL = SERVER.child("authorization_server", "ext")
CLIENT = SERVER.child("client_registration", "app")
CUSTOM = Address("authorization_server.todo")
EGRESS = Egress(loopback=True)
Results = dict[Address, tuple[CheckResult, ...]]


def run(
    resources: list[Resource], *, org: str = "https://acme.okta.test", secret: str = SECRET, **options: Any
) -> Results:
    """Everything about `resources`, which the live system has, ACTIVE, just so."""
    ids = {resource.address: f"id-{n}" for n, resource in enumerate(resources)}
    ids[CUSTOM] = "aus1"
    observed = {
        r.address: Observed(
            r.kind,
            ids[r.address],
            r.attributes,
            State.ACTIVE,
            links={"association": ids[EXTERNAL]} if r.address == CLIENT else {},
        )
        for r in resources
    }
    context = Context(
        org_url=org,
        resources={r.address: r for r in resources},
        observed=observed,
        epoch=1_800_000_000.0,
        secrets={"env:S": examine_secret(lambda _: Secret(secret), {"env": "S"})},
        options=Options(**{"egress": EGRESS, "redirect_uri": CALLBACK, **options}),
    )

    async def ask() -> Results:
        door = Door(EGRESS, lambda _: Secret(secret), resolve=resolve_here)
        try:
            return dict(await perform(check_all(resources, context), door))
        finally:
            await door.close()

    return asyncio.run(ask())


def meet_it(url: str) -> Meeting:
    async def ask() -> Meeting:
        door = Door(EGRESS, lambda _: Secret(SECRET), resolve=resolve_here)
        try:
            met: Meeting = await perform(meet(Inquiry(Memory(), EGRESS), url), door)
            return met
        finally:
            await door.close()

    return asyncio.run(ask())


def world(
    server: str, issuer: str, *, client: str = "app-1", endpoints: tuple[str, str] = ("/auth", "/token")
) -> list[Resource]:
    """An MCP server, its external authorization server, and Okta's client there."""
    row = {
        "type": "EXTERNAL",
        "issuer": issuer,
        "authorization_endpoint": issuer.rstrip("/") + endpoints[0],
        "token_endpoint": issuer.rstrip("/") + endpoints[1],
        "grant_types": ["authorization_code", "refresh_token"],
    }
    registration = {"name": "app", "method": "static", "client_id": client, "client_secret": {"env": "S"}}
    return [
        Resource(SERVER, "mcp_server", {"resource_url": server, "registration": "manual"}),
        Resource(EXTERNAL, "association", row, refs={"mcp_server": SERVER}),
        Resource(CLIENT, "client_registration", registration, refs={"mcp_server": SERVER, "association": EXTERNAL}),
    ]


def verdicts(results: tuple[CheckResult, ...]) -> dict[str, Verdict]:
    return {result.check: result.verdict for result in results}


def shut(results: tuple[CheckResult, ...]) -> list[str]:
    return [f"{r.check} {r.verdict}: {r.evidence}" for r in results if r.is_shut]


@pytest.mark.parametrize("peer", ["sdk_protected", "fast_protected"])
def test_a_protected_server_and_its_authorization_server_are_ready(
    python_peers: dict[str, str], oidc: dict[str, str], peer: str
) -> None:
    found = run(world(f"{python_peers[peer]}/mcp", oidc["external"]))
    assert [line for results in found.values() for line in shut(results)] == []
    server = verdicts(found[SERVER])
    assert server["mcp.challenge"] is Verdict.PASS
    assert server["mcp.prm"] is Verdict.PASS
    assert server["mcp.prm.resource"] is Verdict.PASS
    assert server["mcp.token_rejection"] is Verdict.PASS
    assert server["mcp.connectable"] is Verdict.PASS
    assert verdicts(found[EXTERNAL])["eas.issuer"] is Verdict.PASS
    assert verdicts(found[CLIENT])["client.credentials"] is Verdict.PASS
    assert verdicts(found[CLIENT])["client.redirect_uri"] is Verdict.PASS


@pytest.mark.parametrize("client", ["app-1", "app-basic"])
def test_credentials_are_told_from_wrong_ones_without_a_side_effect(
    python_peers: dict[str, str], oidc: dict[str, str], client: str
) -> None:
    resources = world(f"{python_peers['fast_protected']}/mcp", oidc["external"], client=client)
    wrong = run(resources, secret="not-the-secret-but-as-long")
    found = next(r for r in wrong[CLIENT] if r.check == "client.credentials")
    assert found.verdict is Verdict.FAIL
    assert not is_open(wrong[CLIENT])
    assert "not-the-secret" not in repr(wrong)
    connectable = next(r for r in wrong[SERVER] if r.check == "mcp.connectable")
    assert connectable.verdict is Verdict.FAIL


def test_django_oauth_toolkit_as_an_external_authorization_server(toolkit: str) -> None:
    """Its endpoints end in a slash, which counts; it has no key set, and none is missed."""
    resources = world("https://mcp.test/mcp", toolkit, endpoints=("/authorize/", "/token/"))[1:]
    found = run(resources)
    assert [line for results in found.values() for line in shut(results)] == []
    assert verdicts(found[EXTERNAL])["eas.endpoints.match"] is Verdict.PASS
    assert verdicts(found[CLIENT])["client.credentials"] is Verdict.PASS
    wrong = run(resources, secret="not-the-secret-but-as-long")
    assert verdicts(wrong[CLIENT])["client.credentials"] is Verdict.FAIL
    careless = run(world("https://mcp.test/mcp", toolkit, endpoints=("/authorize", "/token"))[1:])
    assert verdicts(careless[EXTERNAL])["eas.endpoints.match"] is Verdict.FAIL


def test_an_unregistered_callback_is_found(python_peers: dict[str, str], oidc: dict[str, str]) -> None:
    resources = world(f"{python_peers['fast_protected']}/mcp", oidc["external"])
    found = run(resources, org="https://other.okta.test")
    assert verdicts(found[CLIENT])["client.redirect_uri"] is Verdict.PASS
    moved = run(resources, redirect_uri="https://other.okta.test/callback")
    assert verdicts(moved[CLIENT])["client.redirect_uri"] is Verdict.FAIL


def test_a_wrong_endpoint_and_a_wrong_issuer_are_found(python_peers: dict[str, str], oidc: dict[str, str]) -> None:
    url = f"{python_peers['sdk_protected']}/mcp"
    elsewhere = run(world(url, oidc["external"], endpoints=("/auth", "/nowhere")))
    assert verdicts(elsewhere[EXTERNAL])["eas.endpoints.match"] is Verdict.FAIL
    assert verdicts(elsewhere[EXTERNAL])["eas.token.reach"] is Verdict.FAIL
    another = run(world(url, oidc["org"]))
    assert verdicts(another[SERVER])["mcp.prm.as"] is Verdict.FAIL


def test_an_org_with_a_custom_authorization_server_is_ready(oidc: dict[str, str]) -> None:
    policy = {"clients": ["ALL_CLIENTS"], "grant_types": [JWT_BEARER], "scopes": ["openid"]}
    attributes = {
        "name": "Todo",
        "audiences": ["https://todo.test/mcp"],
        "scopes": {"openid": {}},
        "access_policy": policy,
    }
    found = run([Resource(CUSTOM, "authorization_server", attributes)], org=oidc["org"])
    assert shut(found[CUSTOM]) == []
    seen = verdicts(found[CUSTOM])
    for check in ("aus.metadata", "aus.issuer", "aus.endpoints", "aus.token", "aus.grant.jwt_bearer", "org.idjag"):
        assert seen[check] is Verdict.PASS, check
    assert seen["aus.profile.idjag"] is Verdict.PASS
    assert seen["aus.jwks"] in (Verdict.PASS, Verdict.WARN)


def test_an_authorization_server_without_the_grant_is_no_custom_one(oidc: dict[str, str]) -> None:
    """The external oidc-provider stands in for a custom one on which nobody enabled the jwt-bearer grant."""
    resource = Resource(CUSTOM, "authorization_server", {"name": "Todo", "audiences": ["x"], "scopes": {}})
    seen = Observed(
        "authorization_server", "aus1", resource.attributes, State.ACTIVE, computed={"issuer": oidc["external"]}
    )
    context = Context(
        org_url=oidc["org"],
        resources={CUSTOM: resource},
        observed={CUSTOM: seen},
        epoch=0.0,
        options=Options(egress=EGRESS),
    )

    async def ask() -> Results:
        door = Door(EGRESS, lambda _: Secret(SECRET), resolve=resolve_here)
        try:
            return dict(await perform(check_all([resource], context), door))
        finally:
            await door.close()

    found = verdicts(asyncio.run(ask())[CUSTOM])
    assert found["aus.grant.jwt_bearer"] is not Verdict.PASS


def test_a_client_registers_and_is_deleted_again(python_peers: dict[str, str], oidc: dict[str, str]) -> None:
    resources = dynamic(world(f"{python_peers['fast_protected']}/mcp", oidc["external"]))
    result = next(r for r in run(resources, mutating=True)[EXTERNAL] if r.check == "eas.dcr")
    assert (result.verdict, result.evidence) == (Verdict.PASS, "it registers and deletes clients")


def test_a_client_that_can_not_be_deleted_is_told(python_peers: dict[str, str]) -> None:
    """FastMCP's authorization server registers (RFC 7591) but has no management of registrations (RFC 7592)."""
    url = python_peers["fast_with_server"]
    resources = dynamic(world(f"{url}/mcp", f"{url}/", endpoints=("/authorize", "/token")))
    found = run(resources, mutating=True)
    result = next(r for r in found[EXTERNAL] if r.check == "eas.dcr")
    assert (result.verdict, result.code) == (Verdict.WARN, "orphan")
    assert result.facts["client_id"]


def dynamic(resources: list[Resource]) -> list[Resource]:
    kept = {"name": "app", "method": "dynamic"}
    return [replace(r, attributes=kept) if r.address == CLIENT else r for r in resources]


def test_fastmcp_with_its_own_authorization_server(python_peers: dict[str, str]) -> None:
    """Nothing about the server keeps its gate shut but that nobody registered the client."""
    url = python_peers["fast_with_server"]
    found = run(world(f"{url}/mcp", f"{url}/", endpoints=("/authorize", "/token")))
    assert shut(found[EXTERNAL]) == []
    assert verdicts(found[CLIENT])["client.credentials"] in (Verdict.FAIL, Verdict.UNKNOWN)
    assert [line.split()[0] for line in shut(found[SERVER])] == ["mcp.connectable"]


@pytest.mark.parametrize(
    ("peer", "era", "version"),
    [
        ("sdk_open", Era.MODERN, "2026-07-28"),
        ("fast_open", Era.MODERN, "2026-07-28"),
        ("everything", Era.LEGACY, "2025-11-25"),
    ],
)
def test_both_eras_are_recognised_and_an_open_server_is_not_ready(
    python_peers: dict[str, str], everything: str, oidc: dict[str, str], peer: str, era: Era, version: str
) -> None:
    url = everything if peer == "everything" else f"{python_peers[peer]}/mcp"
    met = meet_it(url)
    assert met.era is era
    assert version in met.versions
    found = run(world(url, oidc["external"]))
    assert verdicts(found[SERVER])["mcp.challenge"] is Verdict.FAIL
    meant = run(world(url, oidc["external"]), anonymous=frozenset({SERVER}))
    assert verdicts(meant[SERVER])["mcp.challenge"] is Verdict.PASS
    assert verdicts(meant[SERVER])["mcp.protocol"] is Verdict.PASS


def test_a_legacy_session_is_closed_again(everything: str) -> None:
    """Whoever comes next gets a session of its own, and the probe's one is gone."""
    met = meet_it(everything)
    session = met.answer.headers["mcp-session-id"]
    request = urllib.request.Request(
        everything,
        data=b'{"jsonrpc":"2.0","id":2,"method":"tools/list"}',
        headers={
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Mcp-Session-Id": session,
        },
    )
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=5)
    refusal.value.close()
    assert refusal.value.code in (400, 404)
