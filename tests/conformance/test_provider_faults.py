"""Whatever the network and the API do to a client, the right thing is there afterwards, and once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.okta.proof import judge
from reconciler.ports import Incomplete, Target
from reconciler.sandbox.faults import FAULTS
from tests.conformance.live import Live, changed, client, external, okta_server, open_live, remote_of, server

SERVERS = "/resource-servers/api/v1/mcp-servers"
ROWS = f"{SERVERS}/*/authorization-servers"
CLIENTS = "/resource-servers/api/v1/client-auth-settings"
SOURCES = "/api/v1/authorizationServers"

SURVIVED = {
    "latency": {"seconds": 0.01},
    "rate_limit": {"seconds": 0},
    "concurrency": {},
    "reconciling": {},
    "error_before": {},
    "error_after": {},
    "lost_before": {},
    "lost_after": {},
    "created_but_400": {},
    "empty_body": {},
}
"""Faults after which everything must be as if there had been none."""


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setenv("APP_SECRET", "s3cret-of-the-app")
    with open_live() as opened:
        yield opened


def a_client(live: Live) -> Target:
    parent = live.create(server())
    return client(parent, live.create(external(parent)))


CREATED = {
    "mcp_server": (lambda live: server(display_name="One"), SERVERS),
    "association": (lambda live: external(live.create(server())), ROWS),
    "client_registration": (a_client, CLIENTS),
    "authorization_server": (lambda live: okta_server(), SOURCES),
    "scope": (lambda live: okta_server(), f"{SOURCES}/*/scopes"),
    "policy": (lambda live: okta_server(), f"{SOURCES}/*/policies"),
    "rule": (lambda live: okta_server(), f"{SOURCES}/*/policies/*/rules"),
}


@pytest.mark.parametrize("fault", SURVIVED)
@pytest.mark.parametrize("kind", CREATED)
def test_it_is_created_once(live: Live, kind: str, fault: str) -> None:
    make, path = CREATED[kind]
    wanted = make(live)
    before = live.counts()
    live.fault(fault, path, "POST", count=1, **SURVIVED[fault])
    made = live.create(wanted)
    assert judge(
        {n: v for n, v in wanted.attributes.items() if n in live.seen(made).attributes}, live.seen(made).attributes
    ) == ({}, {})
    made_of = {
        "authorization_server": {"authorization_server": 1, "scope": 2, "policy": 1, "rule": 1},
        "mcp_server": {"mcp_server": 1},
        "association": {"association": 1},
        "client_registration": {"client_auth_settings": 1},
    }[wanted.kind]
    after = live.counts()
    assert {k: after[k] - before[k] for k in after if after[k] != before[k]} == made_of


@pytest.mark.parametrize("fault", [f for f in SURVIVED if f != "created_but_400"])
def test_it_is_updated(live: Live, fault: str) -> None:
    made = live.create(server(display_name="One"))
    wanted = changed(made, display_name="Two")
    live.fault(fault, f"{SERVERS}/*", "PATCH", count=1, **SURVIVED[fault])
    assert live.run(live.provider.update(wanted, frozenset({"display_name"}))).attributes["display_name"] == "Two"


@pytest.mark.parametrize("fault", [f for f in SURVIVED if f != "created_but_400"])
def test_its_access_is_updated(live: Live, fault: str) -> None:
    made = live.create(okta_server())
    policy = {**made.attributes["access_policy"], "clients": ["0oa1"], "scopes": ["todo.read"]}
    for path in (f"{SOURCES}/*/policies/*", f"{SOURCES}/*/scopes*"):
        live.fault(fault, path, "PUT", count=1, **SURVIVED[fault])
        live.fault(fault, path, "DELETE", count=1, **SURVIVED[fault])
    wanted = changed(made, access_policy=policy, scopes={"todo.read": {"description": "d"}})
    shown = live.run(live.provider.update(wanted, frozenset({"access_policy", "scopes"})))
    assert judge(wanted.attributes, shown.attributes) == ({}, {})


@pytest.mark.parametrize("fault", [f for f in SURVIVED if f != "created_but_400"])
def test_it_is_activated(live: Live, fault: str) -> None:
    row = live.create(external(live.create(server())))
    live.fault(fault, f"{ROWS}/*/lifecycle/activate", "POST", count=1, **SURVIVED[fault])
    live.transition(row, "activate", State.ACTIVE)


@pytest.mark.parametrize("fault", [f for f in SURVIVED if f != "created_but_400"])
def test_it_is_deleted(live: Live, fault: str) -> None:
    made = live.create(server())
    live.fault(fault, f"{SERVERS}/*", "DELETE", count=1, **SURVIVED[fault])
    live.run(live.provider.delete(made))
    assert live.look(made) is None


@pytest.mark.parametrize("fault", [f for f in SURVIVED if f not in ("created_but_400", "empty_body")])
def test_it_is_observed(live: Live, fault: str) -> None:
    row = live.create(external(live.create(server())))
    live.create(okta_server())
    expected = live.observe()
    live.fault(fault, "*", "GET", count=3, **SURVIVED[fault])
    assert live.observe() == expected
    assert live.seen(row).status is State.INACTIVE


def test_an_empty_answer_to_a_read_is_refused_not_taken_for_nothing(live: Live) -> None:
    live.fault("empty_body", SERVERS, "GET", count=1)
    with pytest.raises(Refused, match="not what Okta's API gives"):
        live.observe("mcp_server")


@pytest.mark.parametrize("fault", ["lost_before", "error_before", "rate_limit", "concurrency", "reconciling"])
def test_what_never_ends_is_given_up_with_the_reason(live: Live, fault: str) -> None:
    live.fault(fault, SERVERS, "GET", **({"seconds": 0} if fault == "rate_limit" else {}))
    with pytest.raises(Refused) as refused:
        live.observe("mcp_server")
    assert refused.value.diagnostics[0].code.startswith("okta.")
    assert 1 < live.elapsed < 400


@pytest.mark.parametrize(("fault", "most"), [("rate_limit", 4), ("concurrency", 15)])
def test_a_storm_of_refusals_is_met_with_patience(live: Live, fault: str, most: int) -> None:
    """Every call is refused, for as long as anybody asks: few are made, the end comes, and later everything is."""
    live.create(server())
    live.fault(fault, "*", "*", **({"seconds": 20} if fault == "rate_limit" else {}))
    asked = len(live.transport.calls)
    began = live.elapsed
    with pytest.raises(Refused):
        live.create(server(2))
    minutes = (live.elapsed - began) / 60
    assert 1 < minutes < 10
    assert (len(live.transport.calls) - asked) / minutes <= most
    assert live.raw("DELETE", "/sandbox/faults").ok
    assert live.counts()["mcp_server"] == 1
    live.create(server(2))
    assert live.counts()["mcp_server"] == 2


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("fault", ["error_before", "error_after"])
def test_whatever_error_a_gateway_gives_it_is_created_once(live: Live, fault: str, status: int) -> None:
    live.fault(fault, SERVERS, "POST", count=1, status=status)
    live.create(server())
    assert live.counts()["mcp_server"] == 1


@pytest.mark.parametrize("fault", ["lost_before", "error_before"])
def test_a_creation_that_never_arrives_is_given_up_and_made_nothing(live: Live, fault: str) -> None:
    live.fault(fault, SERVERS, "POST")
    with pytest.raises(Refused):
        live.create(server())
    assert live.counts()["mcp_server"] == 0


@pytest.mark.parametrize("field", ["displayName", "description"])
def test_a_silently_ignored_field_of_a_creation_is_named(live: Live, field: str) -> None:
    live.fault("ignore_field", SERVERS, "POST", field=field)
    with pytest.raises(Incomplete) as stopped:
        live.create(server(display_name="One", description="The first"))
    (told,) = stopped.value.diagnostics
    assert told.code == "okta.field-ignored"
    assert {"displayName": "display_name", "description": "description"}[field] in told.summary
    assert live.counts()["mcp_server"] == 1


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [("audiences", "audiences", ["https://x.example.com"]), ("description", "description", "new")],
)
def test_a_silently_ignored_field_of_an_update_is_named(live: Live, field: str, name: str, value: object) -> None:
    made = live.create(okta_server(description="old"))
    live.fault("ignore_field", f"{SOURCES}/*", "PUT", field=field)
    with pytest.raises(Refused, match=name):
        live.run(live.provider.update(changed(made, **{name: value}), frozenset({name})))


def test_a_silently_ignored_scope_field_is_named(live: Live) -> None:
    live.fault("ignore_field", f"{SOURCES}/*/scopes", "POST", field="displayName")
    with pytest.raises(Incomplete, match=r"scopes\.todo\.write\.display_name"):
        live.create(okta_server())


def test_a_stripped_slash_is_accepted_and_noted(live: Live) -> None:
    live.fault("strip_slash", SERVERS, "POST")
    wanted = server(resource_url="https://mcp1.example.com/mcp/")
    observed = live.run(live.provider.create(wanted))
    assert observed.attributes["resource_url"] == "https://mcp1.example.com/mcp"
    assert observed.computed["normalised"] == {"resource_url": "https://mcp1.example.com/mcp/"}
    assert live.seen(wanted).id == observed.id


@pytest.mark.parametrize("lost", [False, True])
def test_a_stale_list_is_outwaited(live: Live, lost: bool) -> None:
    live.fault("stale_list", SERVERS, "GET", seconds=3, count=4)
    live.fault("lost_after" if lost else "empty_body", SERVERS, "POST", count=1)
    live.create(server())
    assert live.counts()["mcp_server"] == 1


def test_an_operation_that_fails_is_told(live: Live) -> None:
    live.fault("fail_operation", SERVERS, "POST", message="The address is not reachable")
    with pytest.raises(Refused, match="The address is not reachable"):
        live.create(server())


def test_what_stays_pending_is_seen_as_pending(live: Live) -> None:
    live.fault("stuck_pending", SERVERS, "POST")
    made = live.create(server())
    live.pass_time(600)
    assert live.seen(made).status is State.PENDING


def test_every_fault_the_sandbox_offers_is_covered_here() -> None:
    assert set(FAULTS) == {*SURVIVED, "ignore_field", "strip_slash", "stale_list", "fail_operation", "stuck_pending"}


def test_somebody_elses_server_is_not_taken_for_ours_after_a_lost_answer(live: Live) -> None:
    theirs = live.create(server())
    live.pass_time(60)
    live.fault("lost_before", SERVERS, "POST", count=1)
    with pytest.raises(Refused) as refused:
        live.create(server())
    assert refused.value.diagnostics[0].code == "okta.already-exists"
    assert remote_of(live.seen(theirs)) == theirs.remote
