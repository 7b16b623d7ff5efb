"""Okta custom authorization servers (`aus...`) with their scopes, and the access that Cross-App Access needs.

An update narrows before it widens, so that no state on the way grants more than before or after it: first the grant is
cut to what both have in common, then the server and its scopes change, then the new grant is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.resource import Attributes, Observed
from reconciler.okta.access import (
    Contents,
    Grant,
    Place,
    drop_scope,
    granted,
    put,
    put_policy,
    put_rule,
    put_scope,
    read_contents,
    shown_policy,
    shown_scopes,
    wanted_grant,
)
from reconciler.okta.creation import Creation, make
from reconciler.okta.errors import gone
from reconciler.okta.family import Family, status_of
from reconciler.okta.names import AUTHORIZATION_SERVERS, SERVER_FIELDS, SERVER_WRITABLE, dig, text
from reconciler.okta.org import OrgNames
from reconciler.okta.pages import Item, fetch
from reconciler.okta.proof import judge
from reconciler.ports import Call, Conversation, Incomplete, Remote, Target, Together

ALL_CLIENTS, ALL_SCOPES = "ALL_CLIENTS", "*"
_COMPUTED = {"issuer": "issuer", "created": "created", "last_updated": "lastUpdated"}


class AuthorizationServers(Family):
    kind = "authorization_server"
    fields = SERVER_FIELDS

    def __init__(self, org: OrgNames) -> None:
        self._org = org

    def collection(self, target: Target) -> str:
        return AUTHORIZATION_SERVERS

    def show(self, item: Item, target: Target | None = None) -> Observed:
        status, reason = status_of(item)
        audiences = item.get("audiences")
        shown = {
            "name": text(item.get("name")),
            "description": text(item.get("description")),
            "audiences": [str(audience) for audience in audiences] if isinstance(audiences, list) else None,
        }
        return Observed(
            kind=self.kind,
            id=str(item["id"]),
            attributes={name: value for name, value in shown.items() if value is not None},
            status=status,
            reason=reason,
            computed={name: item.get(field) for name, field in _COMPUTED.items()},
        )

    def has_key(self, item: Item, target: Target) -> bool:
        return item.get("name") == target.attributes.get("name")

    def creation(self, target: Target) -> dict[str, Any]:
        return {self.fields[name]: value for name, value in target.attributes.items() if name in self.fields}

    def complete(self, item: Item, target: Target) -> Conversation[Observed]:
        return (yield from self.with_contents(item, target.address))

    def with_contents(self, item: Item, address: Address | None = None) -> Conversation[Observed]:
        """The server with its scopes, its access policy and its ORN."""
        contents = yield from read_contents(str(item["id"]), address)
        policy = shown_policy(contents)
        alone = self.show(item)
        return replace(
            alone,
            attributes={
                **alone.attributes,
                "scopes": shown_scopes(contents),
                **({} if policy is None else {"access_policy": policy}),
            },
            handle=(yield from self._org.authorization_server(alone.id)),
            computed={**alone.computed, "parts": _ids(contents)},
        )

    def create(self, target: Target) -> Conversation[Observed]:
        call = Call("POST", AUTHORIZATION_SERVERS, body=self.creation(target))
        is_new = self._is_new(target)
        made = yield from make(
            Creation(call, "create", target.address, lambda: self.find(target), is_new, self.quarantine)
        )
        there = replace(target, remote=Remote(made))
        try:
            yield from _widen(
                Place(made, target.address), Contents({}, None, None), there, frozenset(target.attributes)
            )
        except Refused as refused:
            observed = yield from self.look(there)
            if observed is None:
                raise
            raise Incomplete(refused.diagnostics, observed) from None
        return (yield from self.prove(there, self.provable(there)))

    def _is_new(self, target: Target) -> Callable[[Item], bool]:
        wanted = {name: value for name, value in target.attributes.items() if name in self.fields}
        return lambda item: not judge(wanted, self.show(item).attributes).ignored

    def update(self, target: Target, changed: frozenset[str]) -> Conversation[Observed]:
        item = yield from fetch(self.path(target), target.address)
        if item is None:
            raise gone(target.address)
        place = Place(str(item["id"]), target.address)
        contents = yield from read_contents(place.id, place.address)
        if "access_policy" in changed and "access_policy" in target.attributes:
            contents = yield from _narrow(place, contents, wanted_grant(target.attributes["access_policy"]))
        since = None
        if own := {name: target.attributes.get(name) for name in sorted(changed & self.fields.keys())}:
            body = _replacement(item) | {self.fields[name]: value for name, value in own.items()}
            since = yield from put(place, place.path(), body, "update")
        yield from _widen(place, contents, target, changed)
        return (yield from self.prove(target, self.provable(target, changed), since))


def _ids(contents: Contents) -> list[str]:
    """Of all that lies under it: the System Log names these, and not what they belong to."""
    items = [*contents.scopes.values(), *filter(None, (contents.policy, contents.rule))]
    return sorted(str(item["id"]) for item in items)


def meet(one: Grant, other: Grant, existing: frozenset[str]) -> Grant:
    """What both permit; `existing` are the scopes there are, which is what "all scopes" means for the moment."""
    return Grant(
        clients=_in_both(one.clients, other.clients, ALL_CLIENTS),
        grant_types=one.grant_types & other.grant_types,
        scopes=_in_both(one.scopes, other.scopes, ALL_SCOPES) & (existing | one.scopes),
    )


def _in_both(one: frozenset[str], other: frozenset[str], everything: str) -> frozenset[str]:
    if everything in one:
        return other
    return one if everything in other else one & other


def _narrow(place: Place, contents: Contents, wanted: Grant) -> Conversation[Contents]:
    """Cut the grant in force to what is wanted of it; the contents as they are then."""
    now = granted(contents)
    both = meet(now, wanted, frozenset(contents.scopes))
    fewer_scopes = (both.grant_types, both.scopes) != (now.grant_types, now.scopes)
    if both.clients != now.clients:
        yield from put_policy(place, both.clients, contents)
    if fewer_scopes and contents.policy is not None:
        yield from put_rule(place, str(contents.policy["id"]), both, contents.rule)
    if fewer_scopes or both.clients != now.clients:
        return (yield from read_contents(place.id, place.address))
    return contents


def _widen(place: Place, contents: Contents, target: Target, changed: frozenset[str]) -> Conversation[None]:
    """Bring the scopes, then the grant, to what is wanted: unmake before make, the policy before its rule."""
    if "scopes" in changed and "scopes" in target.attributes:
        wanted: Attributes = target.attributes["scopes"]
        yield Together(
            [drop_scope(place, name, contents.scopes[name]) for name in contents.scopes.keys() - wanted.keys()]
        )
        yield Together(list(_scope_writes(place, contents, wanted)))
    if "access_policy" in changed and "access_policy" in target.attributes:
        grant = wanted_grant(target.attributes["access_policy"])
        now = granted(contents)
        policy_id = str(contents.policy["id"]) if contents.policy else ""
        if contents.policy is None or grant.clients != now.clients:
            policy_id = yield from put_policy(place, grant.clients, contents)
        if contents.rule is None or grant[1:] != now[1:]:
            yield from put_rule(place, policy_id, grant, contents.rule)


def _scope_writes(place: Place, contents: Contents, wanted: Attributes) -> Iterator[Conversation[None]]:
    shown = shown_scopes(contents)
    for name, attributes in wanted.items():
        if name not in shown or judge(attributes, shown[name]).ignored:
            yield put_scope(place, name, attributes, contents.scopes.get(name))


def _replacement(item: Item) -> dict[str, Any]:
    """What a PUT must send back of what it doesn't mean to change."""
    rotation = dig(item, "credentials", "signing", "rotationMode")
    kept = {field: item[field] for field in SERVER_WRITABLE if item.get(field) is not None}
    return kept | ({} if rotation is None else {"credentials": {"signing": {"rotationMode": rotation}}})
