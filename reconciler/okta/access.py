"""What lies under one custom authorization server: its scopes, and the one policy and rule by which it grants them.

Okta API reference, /api/v1/authorizationServers. There is no PATCH: an object is read, changed and put back whole.
Policy and rule writes of one server race (423 E0000239), so they share a lane.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.resource import Attributes
from reconciler.okta.creation import Creation, make
from reconciler.okta.errors import refusal
from reconciler.okta.names import (
    AUTHORIZATION_SERVERS,
    LIFECYCLE,
    OWN,
    POLICIES,
    READ_ONLY,
    RULES,
    SCOPE_FIELDS,
    SCOPES,
    dig,
    text,
    texts,
    under,
)
from reconciler.okta.operations import changed_at, expect
from reconciler.okta.pages import Item, Listing, collect
from reconciler.okta.retry import ask
from reconciler.ports import Call, Conversation, Together

_LIFETIME = "accessTokenLifetimeMinutes"


class Grant(NamedTuple):
    """Who gets tokens by which grants for which scopes: what a policy and its rule permit together."""

    clients: frozenset[str] = frozenset()
    grant_types: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()
    lifetime: int | None = None


class Contents(NamedTuple):
    """`policy` and `rule` are our own ones, None where there is none yet."""

    scopes: Mapping[str, Item]
    policy: Item | None
    rule: Item | None


class Place(NamedTuple):
    """The authorization server whose contents are meant."""

    id: str
    address: Address

    def path(self, *segments: str) -> str:
        return under(AUTHORIZATION_SERVERS, self.id, *segments)

    @property
    def lane(self) -> str:
        return f"policies of {self.id}"


def read_contents(server_id: str, address: Address | None = None) -> Conversation[Contents]:
    scopes_path = under(AUTHORIZATION_SERVERS, server_id, SCOPES)
    policies_path = under(AUTHORIZATION_SERVERS, server_id, POLICIES)
    scopes: Listing
    policies: Listing
    scopes, policies = yield Together([collect(scopes_path, address), collect(policies_path, address)])
    policy = _own(policies)
    rule = None
    if policy is not None:
        rule = _own((yield from collect(under(policies_path, policy["id"], RULES), address)))
    named = {str(item.get("name")): item for item in scopes.items if not item.get("system")}
    return Contents(named, policy, rule)


def shown_scopes(contents: Contents) -> dict[str, dict[str, Any]]:
    return {
        name: {attribute: value for attribute, field in SCOPE_FIELDS.items() if (value := text(item.get(field)))}
        for name, item in sorted(contents.scopes.items())
    }


def shown_policy(contents: Contents) -> dict[str, Any] | None:
    """The access policy in force: one that is switched off grants nothing. None if there is none."""
    if contents.policy is None:
        return None
    grant = granted(contents)
    return {
        "clients": sorted(grant.clients),
        "grant_types": sorted(grant.grant_types),
        "scopes": sorted(grant.scopes),
        **({} if grant.lifetime is None else {"access_token_lifetime_minutes": grant.lifetime}),
    }


def granted(contents: Contents) -> Grant:
    policy, rule = contents.policy, contents.rule
    live_rule = rule if _is_on(rule) else None
    return Grant(
        frozenset(texts(dig(policy, "conditions", "clients", "include"))) if _is_on(policy) else frozenset(),
        frozenset(texts(dig(live_rule, "conditions", "grantTypes", "include"))),
        frozenset(texts(dig(live_rule, "conditions", "scopes", "include"))),
        dig(rule, "actions", "token", _LIFETIME),
    )


def wanted_grant(policy: Attributes) -> Grant:
    return Grant(
        frozenset(policy["clients"]),
        frozenset(policy["grant_types"]),
        frozenset(policy["scopes"]),
        policy["access_token_lifetime_minutes"],
    )


def put_scope(place: Place, name: str, wanted: Attributes, item: Item | None) -> Conversation[None]:
    """Make the scope, or replace `item` by what is wanted of it."""
    fields = {SCOPE_FIELDS[attribute]: value for attribute, value in wanted.items()}
    if item is not None:
        yield from put(place, place.path(SCOPES, item["id"]), _writable(item) | fields, f"update scope {name}")
        return
    call = Call("POST", place.path(SCOPES), body={"name": name, **fields})
    yield from make(_creation(place, call, f"create scope {name}"))


def drop_scope(place: Place, name: str, item: Item) -> Conversation[None]:
    call = Call("DELETE", place.path(SCOPES, item["id"]))
    answer = yield from ask(call, f"delete scope {name}")
    if not answer.ok and answer.status != 404:
        raise refusal(call, answer, place.address, f"delete scope {name}")


def put_policy(place: Place, clients: frozenset[str], contents: Contents) -> Conversation[str]:
    """Its id. Nobody at all can't be said in a policy, so for no clients it is switched off."""
    if contents.policy is None:
        body = {
            "type": "OAUTH_AUTHORIZATION_POLICY",
            "name": OWN,
            "description": "Kept by reconciler; changes made by hand are undone.",
            "priority": 1,
            "conditions": {"clients": {"include": sorted(clients)}},
        }
        call = Call("POST", place.path(POLICIES), body=body, lane=place.lane)
        return (yield from make(_creation(place, call, "create policy")))
    path = place.path(POLICIES, contents.policy["id"])
    conditions = dict(dig(contents.policy, "conditions") or {}) | {"clients": {"include": sorted(clients)}}
    body = _writable(contents.policy) | {"conditions": conditions}
    yield from _put_switched(place, path, contents.policy, body if clients else None, "policy")
    return str(contents.policy["id"])


def put_rule(place: Place, policy_id: str, grant: Grant, rule: Item | None) -> Conversation[None]:
    """Make or replace the rule; for no grant types or no scopes it is switched off."""
    conditions = {
        "people": dig(rule, "conditions", "people") or {"groups": {"include": ["EVERYONE"]}},
        "grantTypes": {"include": sorted(grant.grant_types)},
        "scopes": {"include": sorted(grant.scopes)},
    }
    actions = dig(rule, "actions") or {}
    token = dict(dig(actions, "token") or {}) | ({} if grant.lifetime is None else {_LIFETIME: grant.lifetime})
    said = {"conditions": conditions, "actions": {**actions, "token": token}}
    rules = place.path(POLICIES, policy_id, RULES)
    if rule is not None:
        body = _writable(rule) | said if grant.grant_types and grant.scopes else None
        yield from _put_switched(place, under(rules, rule["id"]), rule, body, "rule")
    elif grant.grant_types and grant.scopes:
        call = Call(
            "POST", rules, body={"type": "RESOURCE_ACCESS", "name": OWN, "priority": 1, **said}, lane=place.lane
        )
        yield from make(_creation(place, call, "create rule"))


def put(place: Place, path: str, body: Mapping[str, Any], purpose: str) -> Conversation[str | None]:
    """When it was changed by that, if the answer says so."""
    lane = place.lane if POLICIES in path.split("/") else None
    return changed_at((yield from expect(Call("PUT", path, body=body, lane=lane), purpose, place.address)))


def _put_switched(place: Place, path: str, item: Item, body: Mapping[str, Any] | None, what: str) -> Conversation[None]:
    """Replace and switch on; or, without a body, switch off what it can't express."""
    if body is not None and any(body.get(key) != item.get(key) for key in body):
        yield from put(place, path, body, f"update {what}")
    if _is_on(item) != (body is not None):
        event = "deactivate" if body is None else "activate"
        call = Call("POST", under(path, LIFECYCLE, event), lane=place.lane)
        yield from expect(call, f"{event} {what}", place.address, repeatable=True)


def _creation(place: Place, call: Call, purpose: str) -> Creation:
    def find() -> Conversation[Listing]:
        listing = yield from collect(call.path, place.address)
        return listing._replace(items=tuple(item for item in listing.items if item.get("name") == call.body["name"]))

    return Creation(call, purpose, place.address, find, lambda item: True)


def _writable(item: Item) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in READ_ONLY}


def _own(listing: Listing) -> Item | None:
    return next((item for item in listing.items if item.get("name") == OWN), None)


def _is_on(item: Item | None) -> bool:
    return item is not None and item.get("status", "ACTIVE") == "ACTIVE"
