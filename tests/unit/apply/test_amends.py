"""What an update or a transition came to of which the run that made it could not say it: recorded as it shows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.record import encode_record
from reconciler.apply.recovery import Recovered, recover
from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Record, Resource
from tests.unit.apply.stage import observed, recorded, registration, server, snapshot_of

OKTA = Address("authorization_server.todo")
POLICY = {"clients": ["ALL_CLIENTS"], "grant_types": ["g"], "scopes": ["read"]}
WIDER = {**POLICY, "scopes": ["read", "write"]}


def okta(*scopes: str, policy: dict[str, Any] = POLICY) -> Resource:
    attributes = {
        "name": "todo",
        "audiences": ["a"],
        "scopes": {scope: {} for scope in scopes},
        "access_policy": policy,
    }
    return Resource(OKTA, "authorization_server", attributes)


def after(before: Record, meant: Record, seen: Observed, op: str = "update", *kinds: str) -> Recovered:
    """What is found after a crash in the middle of the change from `before` to `meant`."""
    about = {"address": before.address, "op": op, "run_id": "r", "attempt": 1, "status": 200}
    record = {"record": encode_record(meant)} if op == "update" else {}
    entries = [{**about, "kind": kind, **record} for kind in ("intent", *kinds)]
    return recover(snapshot_of(recorded(server("a")), before), entries, [seen, observed(server("a"))])


def shown(resource: Resource) -> Observed:
    """As the live system has it, which adds something of its own."""
    seen = observed(resource, "id1")
    scopes = {name: {"consent": "IMPLICIT"} for name in seen.attributes["scopes"]}
    return replace(seen, attributes={**seen.attributes, "scopes": scopes, "description": "of its own"})


def told(found: Recovered) -> list[tuple[str, str]]:
    return [(note.code, note.summary.partition("; ")[2]) for note in found.notes]


@pytest.mark.parametrize("kinds", [(), ("lost",), ("done",)])
def test_an_update_that_was_done_is_recorded_though_it_reads_differently(kinds: tuple[str, ...]) -> None:
    before, meant = okta("read"), okta("read", "write", policy=WIDER)
    found = after(recorded(before, "id1"), recorded(meant, "id1"), shown(meant), "update", *kinds)
    assert found.snapshot.records[OKTA].attributes == meant.attributes
    assert told(found) == [("recovery.updated", "it was done, and is recorded now")]


def test_an_update_that_was_done_in_part_is_recorded_as_far_as_it_came() -> None:
    before, meant = okta("read"), okta("read", "write", policy=WIDER)
    found = after(recorded(before, "id1"), recorded(meant, "id1"), shown(okta("read", "write")))
    assert found.snapshot.records[OKTA].attributes == {**before.attributes, "scopes": meant.attributes["scopes"]}
    assert told(found) == [("recovery.not-updated", "of it, only scopes shows")]


def test_what_is_neither_as_before_nor_as_meant_is_recorded_as_it_is() -> None:
    before, meant, there = okta("old"), okta("one", "two"), shown(okta("one"))
    found = after(recorded(before, "id1"), recorded(meant, "id1"), there)
    assert found.snapshot.records[OKTA].attributes["scopes"] == {"one": {"consent": "IMPLICIT"}}
    assert told(found) == [("recovery.not-updated", "of it, only scopes shows")]


def test_an_update_that_was_not_done_leaves_the_record_and_is_told() -> None:
    before, meant = okta("read"), okta("read", "write", policy=WIDER)
    found = after(recorded(before, "id1"), recorded(meant, "id1"), shown(before))
    assert found.snapshot.records[OKTA] == recorded(before, "id1")
    assert told(found) == [("recovery.not-updated", "nothing of it shows")]


def test_what_an_update_did_not_mean_to_change_is_still_compared() -> None:
    before, meant = okta("read"), okta("read", "write")
    meddled = shown(meant)
    meddled = replace(meddled, attributes={**meddled.attributes, "audiences": ["theirs"]})
    record = after(recorded(before, "id1"), recorded(meant, "id1"), meddled).snapshot.records[OKTA]
    assert record.attributes["audiences"] == ["a"], "the next plan tells it as a change of somebody else's"
    assert record.attributes["scopes"] == meant.attributes["scopes"]


def test_an_attribute_that_was_to_go_is_gone_or_not() -> None:
    before, meant = server("b", display_name="B"), server("b")
    for seen, kept in ((meant, {}), (before, {"display_name": "B"})):
        found = after(recorded(before, "id1"), recorded(meant, "id1"), observed(seen, "id1"))
        assert found.snapshot.records[before.address].attributes == {**meant.attributes, **kept}


def test_a_secret_is_sent_again_and_what_shows_of_the_rest_is_recorded() -> None:
    resource = registration("a", "c")
    wider = replace(resource, attributes={**resource.attributes, "client_id": "d"})
    before = replace(recorded(resource, "id1"), secrets={"client_secret": "old"})
    meant = replace(recorded(wider, "id1"), secrets={"client_secret": "new"})
    record = after(before, meant, observed(wider, "id1", parent_id="id0")).snapshot.records[resource.address]
    assert record.attributes["client_id"] == "d"
    assert record.secrets == {"client_secret": "old"}


def test_an_update_that_was_refused_is_not_mentioned() -> None:
    before, meant = okta("read"), okta("read", "write")
    found = after(recorded(before, "id1"), recorded(meant, "id1"), shown(before), "update", "refused")
    assert (found.snapshot.records[OKTA], found.notes) == (recorded(before, "id1"), ())


@pytest.mark.parametrize("status", [State.ACTIVE, State.INACTIVE])
def test_the_state_in_which_a_transition_left_it_is_recorded(status: State) -> None:
    before = recorded(server("b"), "id1", State.INACTIVE)
    found = after(before, before, observed(server("b"), "id1", status), "transition", "done")
    assert found.snapshot.records[before.address].status is status
    assert found.notes == ()
