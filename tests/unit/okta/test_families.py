"""What an org may show that the sandbox doesn't: odd, old or unknown values are tolerated, never acted upon."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.okta.associations import Associations
from reconciler.okta.authorization_servers import AuthorizationServers
from reconciler.okta.client_auth_settings import ClientAuthSettings
from reconciler.okta.mcp_servers import McpServers
from reconciler.okta.names import under
from reconciler.okta.org import OrgNames
from reconciler.okta.provider import OktaProvider
from reconciler.ports import Answer, Call, Remote, Target
from tests.unit.okta.stage import Stage, ok, okta_error, server_item, server_target

ROW = {"id": "eas1", "type": "EXTERNAL", "issuer": "https://a.example.com", "status": "ACTIVE"}
PARENT = {"mcp_server": Remote("ems1", "orn:ems1")}


def test_a_name_at_the_top_is_read_where_there_is_no_metadata() -> None:
    shown = McpServers().show({**server_item(), "metadata": None, "displayName": "Old", "description": "Way"})
    assert (shown.attributes["display_name"], shown.attributes["description"]) == ("Old", "Way")


@pytest.mark.parametrize("status", ["ERROR", None, 7, "active"])
def test_an_unknown_state_is_waited_out_not_acted_upon(status: Any) -> None:
    shown = McpServers().show(server_item(status=status))
    assert shown.status is State.PENDING
    assert str(status) in str(shown.reason)


def test_a_discriminator_that_is_not_shown_is_neither_drift_nor_an_ignored_field() -> None:
    item = server_item()
    del item["type"]
    assert "registration" not in McpServers().show(item).attributes
    stage = Stage(lambda call: ok({"id": "ems1"}, 201) if call.method == "POST" else ok(item))
    assert stage.play(OktaProvider().create(server_target())).id == "ems1"


def test_an_okta_row_is_recognised_by_what_it_links_to() -> None:
    shown = Associations().show_under(
        {"id": "aus1", "type": "OKTA", "orn": "orn:aus1", "issuer": "x", "status": "ACTIVE"}, "ems1", discovered=False
    )
    assert shown.attributes == {"type": "OKTA"}
    assert shown.links == {"authorization_server": "orn:aus1"}


def test_a_row_of_a_type_not_known_yet_is_external() -> None:
    assert Associations().show_under({**ROW, "type": "NEW"}, "ems1", discovered=False).attributes["type"] == "EXTERNAL"


def test_the_server_of_a_client_is_read_from_its_orn_where_no_id_is_shown() -> None:
    item = {"id": "rsc1", "name": "n", "resource": {"orn": "orn:okta:directory:00o1:resource-servers:mcp:ems1"}}
    assert ClientAuthSettings().show(item).parent_id == "ems1"
    assert ClientAuthSettings().show({"id": "rsc1"}).parent_id is None


@pytest.mark.parametrize("segment", ["..", ".", ""])
def test_no_id_leads_out_of_its_collection(segment: str) -> None:
    with pytest.raises(Refused):
        under("/api/v1/authorizationServers", segment)
    assert under("/a", "x/../y?z") == "/a/x%2F..%2Fy%3Fz"


def test_what_is_needed_for_a_call_and_not_there_is_told() -> None:
    provider = OktaProvider()
    address = Address("mcp_server.one/authorization_server.todo")
    okta = Target(address, "association", {"type": "OKTA"}, refs=PARENT)
    orphan = Target(address, "association", {"type": "OKTA"}, Remote("aus1"))
    for conversation in (
        lambda: provider.create(okta),
        lambda: provider.look(orphan),
        lambda: provider.delete(server_target()),
        lambda: provider.look(Target(Address("thing.one"), "thing", {})),
    ):
        with pytest.raises(Refused) as refused:
            Stage([]).play(conversation())
        assert refused.value.diagnostics[0].address is not None


def test_the_orgs_id_is_read_once() -> None:
    names = OrgNames()
    stage = Stage([ok({"id": "00o1"})])
    for server in ("aus1", "aus2"):
        orn = f"orn:okta:idp:00o1:authorization_servers:{server}"
        assert stage.play(names.authorization_server(server)) == orn
    assert stage.asked == ["GET /api/v1/org"]


def test_a_preview_org_has_orns_of_its_own() -> None:
    links = {"contacts": {"href": "https://acme.oktapreview.com/api/v1/org/contacts"}}
    stage = Stage([ok({"id": "00o1", "_links": links})])
    orn = stage.play(OrgNames().authorization_server("aus1"))
    assert orn == "orn:oktapreview:idp:00o1:authorization_servers:aus1"


def test_the_orgs_id_is_public_where_the_api_does_not_tell_it() -> None:
    stage = Stage([okta_error(403, "E0000006"), ok({"id": "00o1"})])
    orn = stage.play(OrgNames().authorization_server("aus1"))
    assert orn == "orn:okta:idp:00o1:authorization_servers:aus1"
    assert stage.asked[1] == "GET /.well-known/okta-organization"


def test_refused_credentials_are_not_taken_for_a_missing_scope() -> None:
    with pytest.raises(Refused) as refused:
        Stage([okta_error(401, "E0000011")]).play(OrgNames().authorization_server("aus1"))
    assert refused.value.diagnostics[0].code == "auth.E0000011"


def test_what_an_update_does_not_mean_to_change_is_put_back() -> None:
    item = {
        "id": "aus1",
        "name": "Old",
        "audiences": ["https://a.example.com"],
        "issuerMode": "CUSTOM_URL",
        "issuer": "https://acme.okta.com/oauth2/aus1",
        "status": "ACTIVE",
        "credentials": {"signing": {"rotationMode": "MANUAL", "kid": "k", "use": "sig"}},
    }

    def answer(call: Call) -> Answer:
        if call.method == "PUT":
            item.update(call.body)
        if call.path == "/api/v1/org":
            return ok({"id": "00o1"})
        return ok([]) if call.path.endswith(("scopes", "policies")) else ok(dict(item))

    target = Target(Address("authorization_server.a"), "authorization_server", {"name": "New"}, Remote("aus1"))
    stage = Stage(answer)
    stage.play(AuthorizationServers(OrgNames()).update(target, frozenset({"name"})))
    (put,) = [call for call in stage.calls if call.method == "PUT"]
    assert put.body == {
        "name": "New",
        "audiences": ["https://a.example.com"],
        "issuerMode": "CUSTOM_URL",
        "credentials": {"signing": {"rotationMode": "MANUAL"}},
    }


@pytest.mark.parametrize("people", [None, {"users": {"include": ["00u1"]}, "groups": {"include": []}}])
def test_conditions_set_by_hand_survive_an_update(people: Any) -> None:
    policy = {"id": "00p1", "name": "reconciler", "status": "ACTIVE", "conditions": {"clients": {"include": ["a"]}}}
    rule: dict[str, Any] = {
        "id": "0pr1",
        "name": "reconciler",
        "status": "ACTIVE",
        "priority": 3,
        "conditions": {
            **({"people": people} if people else {}),
            "grantTypes": {"include": ["g"]},
            "scopes": {"include": ["*"]},
        },
        "actions": {"token": {"accessTokenLifetimeMinutes": 60, "inlineHook": {"id": "cal1"}}},
    }

    def answer(call: Call) -> Answer:
        if call.method == "PUT":
            (rule if "/rules/" in call.path else policy).update(call.body)
        listed = {"scopes": [], "policies": [policy], "rules": [rule]}
        last = call.path.rpartition("/")[2]
        return ok([dict(item) for item in listed[last]] if last in listed else {"id": "aus1", "status": "ACTIVE"})

    wanted = {"clients": ["a"], "grant_types": ["g"], "scopes": ["*"], "access_token_lifetime_minutes": 5}
    target = Target(
        Address("authorization_server.a"), "authorization_server", {"access_policy": wanted}, Remote("aus1")
    )
    stage = Stage(answer)
    shown = stage.play(AuthorizationServers(OrgNames()).update(target, frozenset({"access_policy"})))
    assert shown.attributes["access_policy"] == wanted
    (put,) = [call for call in stage.calls if call.method == "PUT"]
    assert put.body["conditions"]["people"] == (people or {"groups": {"include": ["EVERYONE"]}})
    assert put.body["actions"]["token"] == {"accessTokenLifetimeMinutes": 5, "inlineHook": {"id": "cal1"}}
    assert put.body["priority"] == 3
    assert "id" not in put.body
