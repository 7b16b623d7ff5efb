"""On the way from one access to another nobody gets more than before or after it."""

from __future__ import annotations

from itertools import product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.okta.access import Grant
from reconciler.okta.authorization_servers import meet
from reconciler.okta.proof import judge
from reconciler.ports import Answer, Call, Leave
from tests.conformance.live import Live, changed, okta_server, open_live

CLIENTS, SCOPES, GRANTS = ("0oa1", "0oa2", "0oa3"), ("a", "b", "c"), ("jwt-bearer", "client_credentials")
SOMEBODY = "any other client"


def some(values: tuple[str, ...], everything: str) -> st.SearchStrategy[list[str]]:
    return st.just([everything]) | st.sets(st.sampled_from(values), min_size=1).map(sorted)


@st.composite
def accesses(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.sets(st.sampled_from(SCOPES), min_size=1))
    listed = st.just(["*"]) | st.sets(st.sampled_from(sorted(names)), min_size=1).map(sorted)
    return {
        "scopes": {name: draw(st.sampled_from([{}, {"consent": "REQUIRED"}])) for name in sorted(names)},
        "access_policy": {
            "clients": draw(some(CLIENTS, "ALL_CLIENTS")),
            "grant_types": sorted(draw(st.sets(st.sampled_from(GRANTS), min_size=1))),
            "scopes": draw(listed),
            "access_token_lifetime_minutes": draw(st.sampled_from([5, 60])),
        },
    }


def granted(live_objects: dict[str, list[dict[str, Any]]]) -> set[tuple[str, str, str]]:
    """Who may get which scope by which grant, by the sandbox's own objects."""
    there = {scope["name"] for scope in live_objects["scope"]}
    found: set[tuple[str, str, str]] = set()
    for policy in live_objects["policy"]:
        clients = set(policy["conditions"]["clients"]["include"])
        clients = {*CLIENTS, SOMEBODY} if "ALL_CLIENTS" in clients else clients
        for rule in live_objects["rule"]:
            scopes = set(rule["conditions"]["scopes"]["include"])
            scopes = there if "*" in scopes else scopes & there
            if policy["status"] == rule["status"] == "ACTIVE":
                found |= set(product(clients, rule["conditions"]["grantTypes"]["include"], scopes))
    return found


class Watching:
    """Looks at what is granted after every write."""

    def __init__(self, live: Live) -> None:
        self.live = live
        self.states: list[set[tuple[str, str, str]]] = []

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        answer = await self.live.transport.exchange(call, leave)
        if call.method != "GET":
            objects = await self.live.transport.exchange(Call("GET", "/sandbox/objects"))
            self.states.append(granted(objects.body["objects"]))
        return answer

    async def close(self) -> None:
        """Nothing of its own."""


@settings(max_examples=60, deadline=None)
@given(accesses(), accesses())
def test_no_state_on_the_way_grants_more_than_before_and_after(before: dict[str, Any], after: dict[str, Any]) -> None:
    with open_live() as live:
        made = live.create(okta_server(**before))
        start = granted(live.raw("GET", "/sandbox/objects").body["objects"])
        watching = Watching(live)
        update = {name: after[name] for name in after if after[name] != before[name]}
        wanted = changed(made, **update)
        shown = live.run(live.provider.update(wanted, frozenset(update)), watching)
        assert judge(wanted.attributes, shown.attributes) == ({}, {})
        end = granted(live.raw("GET", "/sandbox/objects").body["objects"])
        for state in watching.states:
            assert state <= start | end
        expected = {*CLIENTS, SOMEBODY} if "ALL_CLIENTS" in after["access_policy"]["clients"] else None
        assert {who for who, _, _ in end} == (expected or set(after["access_policy"]["clients"]))


@settings(max_examples=20, deadline=None)
@given(accesses())
def test_nothing_is_granted_before_the_last_write_of_a_creation(access: dict[str, Any]) -> None:
    with open_live() as live:
        watching = Watching(live)
        live.run(live.provider.create(okta_server(**access)), watching)
        assert not any(watching.states[:-1])
        assert watching.states[-1]


def test_nothing_is_written_where_nothing_differs() -> None:
    with open_live() as live:
        made = live.create(okta_server())
        live.transport.calls.clear()
        live.run(live.provider.update(made, frozenset({"scopes", "access_policy"})))
        assert {call.method for call in live.transport.calls} == {"GET"}


def test_policy_writes_of_one_server_share_a_lane() -> None:
    with open_live() as live:
        live.create(okta_server())
        lanes = {call.lane for call in live.transport.calls if "/policies" in call.path and call.method != "GET"}
        assert len(lanes) == 1
        assert None not in lanes


def test_what_both_permit() -> None:
    everything = Grant(frozenset({"ALL_CLIENTS"}), frozenset({"g", "h"}), frozenset({"*"}))
    little = Grant(frozenset({"x"}), frozenset({"g"}), frozenset({"a", "new"}))
    assert meet(everything, little, frozenset({"a", "b"})) == Grant(
        little.clients, little.grant_types, frozenset({"a"})
    )
    assert meet(little, everything, frozenset({"a", "b", "new"})) == little
    assert meet(everything, everything, frozenset("a")) == everything
