"""What holds for every kind: made once, shown as wanted, changed in place, walked through its states, deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from reconciler.kinds import kinds
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.okta.proof import judge
from reconciler.ports import Incomplete, Target
from tests.conformance.live import (
    Live,
    attached,
    changed,
    client,
    external,
    of,
    okta_server,
    open_live,
    remote_of,
    server,
    without,
)

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    monkeypatch.setenv("APP_SECRET", "s3cret-of-the-app")
    with open_live() as opened:
        yield opened


Make = Callable[[Live], Target]


def an_external(live: Live) -> Target:
    return external(live.create(server()), registration_endpoint="https://entra.example.com/register")


def an_attached(live: Live) -> Target:
    return attached(live.create(server()), live.create(okta_server()))


def a_client(live: Live) -> Target:
    parent = live.create(server())
    return client(parent, live.create(external(parent)), scopes=["a", "b"])


MAKES: dict[str, Make] = {
    "mcp_server": lambda live: server(display_name="One", description="The first"),
    "discovered mcp_server": lambda live: server(registration="discovered"),
    "authorization_server": lambda live: okta_server(description="For todos"),
    "bare authorization_server": lambda live: okta_server(scopes={}),
    "external association": an_external,
    "okta association": an_attached,
    "client_registration": a_client,
}
every_kind = pytest.mark.parametrize("make", MAKES.values(), ids=MAKES.keys())


def provable(target: Target) -> dict[str, object]:
    return {n: v for n, v in target.attributes.items() if n not in kinds()[target.kind].write_only}


@every_kind
def test_what_was_created_is_found_by_its_id_by_its_key_and_among_all(live: Live, make: Make) -> None:
    wanted = make(live)
    assert live.look(wanted) is None
    made = live.create(wanted)
    by_id = live.seen(made)
    assert judge(provable(wanted), by_id.attributes) == ({}, {})
    assert live.seen(wanted) == by_id
    assert [o for o in live.observe(wanted.kind) if o.id == by_id.id] == [by_id]
    assert by_id.handle, "others refer to it by this"
    assert by_id.parent_id == (wanted.refs["mcp_server"].id if "mcp_server" in wanted.refs else None)


@every_kind
def test_the_natural_key_of_what_is_observed_is_the_key_of_what_was_wanted(live: Live, make: Make) -> None:
    wanted = make(live)
    seen = live.seen(live.create(wanted))
    kind = kinds()[wanted.kind]
    handles = {role: remote.handle for role, remote in wanted.refs.items() if remote.handle}
    assert kind.key_of(seen.attributes, seen.links) == kind.key_of(wanted.attributes, handles) is not None


@every_kind
def test_the_lifecycle_recognises_what_is_observed(live: Live, make: Make) -> None:
    wanted = make(live)
    seen = live.seen(live.create(wanted))
    kind = kinds()[wanted.kind]
    assert kind.lifecycle(seen.attributes) is kind.lifecycle(wanted.attributes)
    assert seen.status in kind.lifecycle(seen.attributes).states


# Names of authorization servers and of client registrations are not unique in Okta: there, planning notices it.
@pytest.mark.parametrize("make", [MAKES["mcp_server"], an_external, an_attached])
def test_creating_it_again_is_refused_and_changes_nothing(live: Live, make: Make) -> None:
    wanted = make(live)
    live.create(wanted)
    before = live.counts()
    with pytest.raises(Refused) as refused:
        live.create(wanted)
    (told,) = refused.value.diagnostics
    assert told.code == "okta.already-exists"
    assert f"to: {wanted.address}" in told.detail
    assert live.counts() == before


@every_kind
def test_deleting_leaves_nothing_and_can_be_said_twice(live: Live, make: Make) -> None:
    wanted = make(live)
    before = live.counts()
    made = live.create(wanted)
    if live.seen(made).status is State.ACTIVE and wanted.kind == "authorization_server":
        live.transition(made, "deactivate", State.INACTIVE)
    live.run(live.provider.delete(made))
    assert live.look(made) is None
    assert live.counts() == before
    live.run(live.provider.delete(made))


@every_kind
def test_what_is_gone_is_told_as_gone(live: Live, make: Make) -> None:
    wanted = make(live)
    made = live.create(wanted)
    if wanted.kind == "authorization_server":
        live.transition(made, "deactivate", State.INACTIVE)
    live.run(live.provider.delete(made))
    name = {"association": "token_endpoint", "mcp_server": "display_name"}.get(wanted.kind, "name")
    with pytest.raises(Refused) as refused:
        live.run(live.provider.update(changed(made, **{name: "https://x.example.com"}), frozenset({name})))
    assert refused.value.diagnostics[0].code == "okta.gone"
    if wanted.kind != "client_registration":
        with pytest.raises(Refused) as refused:
            live.run(live.provider.transition(made, "activate"))
        assert refused.value.diagnostics[0].code == "okta.gone"


UPDATES: dict[str, tuple[Make, dict[str, object]]] = {
    "display_name": (lambda live: server(), {"display_name": "Two"}),
    "description": (lambda live: server(description="a"), {"description": "b", "display_name": "Ü ☃"}),
    "endpoints": (
        an_external,
        {"token_endpoint": "https://entra.example.com/t", "grant_types": ["authorization_code"]},
    ),
    "client": (a_client, {"name": "other", "scopes": ["c"]}),
    "secret": (a_client, {"client_secret_version": 2}),
    "server": (lambda live: okta_server(), {"name": "Do", "description": "d", "audiences": ["https://x.example.com"]}),
    "scopes": (lambda live: okta_server(), {"scopes": {"todo.read": {"description": "r"}, "todo.admin": {}}}),
    "no scopes": (lambda live: okta_server(access_policy=policy(scopes=["*"])), {"scopes": {}}),
}


def policy(**fields: object) -> dict[str, object]:
    given = {"clients": ["ALL_CLIENTS"], "grant_types": [JWT_BEARER], "scopes": ["todo.read"]}
    return {**given, "access_token_lifetime_minutes": 60, **fields}


@pytest.mark.parametrize(("make", "update"), UPDATES.values(), ids=UPDATES.keys())
def test_an_update_shows_and_touches_nothing_else(live: Live, make: Make, update: dict[str, object]) -> None:
    made = live.create(make(live))
    before = live.seen(made)
    wanted = changed(made, **update)
    shown = live.run(live.provider.update(wanted, frozenset(update)))
    assert judge(provable(wanted), shown.attributes) == ({}, {})
    assert live.seen(made).attributes == shown.attributes
    untouched = before.attributes.keys() - update.keys()
    assert {n: shown.attributes[n] for n in untouched} == {n: before.attributes[n] for n in untouched}
    assert shown.id == before.id


@pytest.mark.parametrize("name", ["display_name", "description"])
def test_an_attribute_that_is_no_longer_wanted_is_removed(live: Live, name: str) -> None:
    made = live.create(server(display_name="One", description="The first"))
    shown = live.run(live.provider.update(without(made, name), frozenset({name})))
    assert name not in shown.attributes


def test_an_update_of_a_write_only_secret_sends_it(live: Live) -> None:
    made = live.create(a_client(live))
    live.transport.calls.clear()
    live.run(live.provider.update(changed(made, client_secret_version=2), frozenset({"client_secret_version"})))
    (patch,) = [call for call in live.transport.calls if call.method == "PATCH"]
    assert patch.body == {"clientSecret": {"env": "APP_SECRET"}}
    assert patch.secrets == {"clientSecret"}


def test_an_association_walks_its_lifecycle_and_every_command_can_be_said_twice(live: Live) -> None:
    row = live.create(an_external(live))
    assert live.seen(row).status is State.INACTIVE
    for event, state in [("activate", State.ACTIVE), ("deactivate", State.INACTIVE), ("activate", State.ACTIVE)]:
        live.transition(row, event, state)
        live.transition(row, event, state)


def test_a_server_walks_its_lifecycle(live: Live) -> None:
    parent, source = live.create(server()), live.create(okta_server())
    assert live.seen(parent).status is State.PENDING
    row = live.create(attached(parent, source))
    live.pass_time(5)
    assert live.seen(parent).status is State.INACTIVE
    with pytest.raises(Refused, match=r"refused to activate mcp_server\.s1"):
        live.run(live.provider.transition(parent, "activate"))
    live.transition(row, "activate", State.ACTIVE)
    for event, state in [("activate", State.ACTIVE), ("deactivate", State.INACTIVE), ("activate", State.ACTIVE)]:
        live.transition(parent, event, state)
        live.transition(parent, event, state)
    with pytest.raises(Refused, match="must be deactivated first"):
        live.run(live.provider.delete(parent))


def test_an_authorization_server_is_born_active_and_walks_its_lifecycle(live: Live) -> None:
    made = live.create(okta_server())
    assert live.seen(made).status is State.ACTIVE
    for event, state in [("activate", State.ACTIVE), ("deactivate", State.INACTIVE), ("deactivate", State.INACTIVE)]:
        live.transition(made, event, state)


def test_revalidating_leads_out_of_invalid_and_leaves_all_as_it_was(live: Live) -> None:
    parent = live.create(server(display_name="One"))
    row = live.create(external(parent))
    live.pass_time(5)
    before = live.seen(parent)
    for target in (parent, row):
        live.edit(of(target).id, status="INVALID")
        assert live.seen(target).status is State.INVALID
        live.transition(target, "revalidate", State.INACTIVE)
        live.transition(target, "revalidate", State.INACTIVE)
    assert live.seen(parent).attributes == before.attributes


def test_deleting_what_is_referenced_says_so(live: Live) -> None:
    made = live.create(a_client(live))
    row = [o for o in live.observe("association") if o.id == of_role(made, "association")]
    target = Target(made.address, "association", row[0].attributes, remote_of(row[0]), made.refs)
    with pytest.raises(Refused) as refused:
        live.run(live.provider.delete(target))
    assert refused.value.diagnostics[0].code == "okta.E0000195"
    assert "referenced" in refused.value.diagnostics[0].detail.lower()


def of_role(target: Target, role: str) -> str:
    return target.refs[role].id


def test_a_discovered_row_is_recognised_and_shows_no_protocol(live: Live) -> None:
    parent = live.create(server(registration="discovered"))
    row = {"type": "EXTERNAL", "issuer": "https://entra.example.com"}
    expectation = Target(
        parent.address.child("authorization_server", "entra"),
        "association",
        row,
        refs={"mcp_server": of(parent)},
        discovered=True,
    )
    assert live.look(expectation) is None


def test_observing_reads_lists_and_asks_nothing_of_servers_without_authorization_servers(live: Live) -> None:
    live.create(an_attached(live))
    for number in range(2, 6):
        live.create(server(number))
    live.transport.calls.clear()
    found = live.observe()
    assert sorted(o.kind for o in found) == ["association", "authorization_server", *["mcp_server"] * 5]
    paths = [call.path for call in live.transport.calls]
    assert sum(path.endswith("/authorization-servers") for path in paths) == 1
    assert not any("/ems" in path and not path.endswith("/authorization-servers") for path in paths)


def test_only_the_kinds_that_are_asked_for_are_observed(live: Live) -> None:
    live.create(an_attached(live))
    for kind in kinds():
        assert {o.kind for o in live.observe(kind)} <= {kind}


def test_more_than_a_page_is_observed(live: Live) -> None:
    for number in range(405):
        body = {"resourceUrl": f"https://mcp{number}.example.com/mcp", "type": "MANUAL"}
        assert live.raw("POST", "/resource-servers/api/v1/mcp-servers", body).status == 202
    found = live.observe("mcp_server")
    assert len({o.id for o in found}) == 405


def test_a_halfway_creation_says_what_is_there_and_an_update_mends_it(live: Live) -> None:
    wanted = okta_server()
    live.fault("error_before", "/api/v1/authorizationServers/*/policies", "POST", status=501)
    with pytest.raises(Incomplete) as stopped:
        live.create(wanted)
    live.raw("DELETE", "/sandbox/faults")
    there = stopped.value.observed
    assert "access_policy" not in there.attributes
    made = Target(wanted.address, wanted.kind, wanted.attributes, remote_of(there))
    shown = live.run(live.provider.update(made, frozenset({"access_policy"})))
    assert judge(wanted.attributes, shown.attributes) == ({}, {})


def test_what_was_switched_off_by_hand_shows_as_granting_nothing_and_is_mended(live: Live) -> None:
    made = live.create(okta_server())
    objects = live.raw("GET", "/sandbox/objects").body["objects"]
    for kind, field in [("policy", "clients"), ("rule", "scopes")]:
        identity = objects[kind][0]["id"]
        live.edit(identity, status="INACTIVE")
        assert live.seen(made).attributes["access_policy"][field] == []
        shown = live.run(live.provider.update(made, frozenset({"access_policy"})))
        assert shown.attributes["access_policy"] == made.attributes["access_policy"]
