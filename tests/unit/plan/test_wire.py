"""The plan file: nothing is lost on the way, and nothing but what was written is read back."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from reconciler.diff import ABSENT, Difference
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, Severity, Span
from reconciler.model.lifecycle import Sort, State, Transition
from reconciler.model.resource import Need, NeedSort, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.document import Basis, Plan
from reconciler.plan.planner import Options
from reconciler.plan.shape import compiled
from reconciler.plan.step import Op, Step
from reconciler.plan.wire import decode, encode, fingerprint, plan_schema
from tests.unit.plan.stage import client, configured, external, okta, planned, server
from tests.unit.plan.world import World, run

BLOCKS: dict[str, dict[str, dict[str, Any]]] = {
    "authorization_servers": {"gh": external(), "todo": okta("read")},
    "client_registrations": {"app": client("gh")},
    "mcp_servers": {'m["eu"]': server("gh", "todo")},
}
SERVER = 'mcp_server.m["eu"]'


def written(plan: Plan) -> bytes:
    return json.dumps(encode(plan), indent=1).encode()


def is_valid(document: dict[str, Any]) -> bool:
    return not list(Draft202012Validator(plan_schema()).iter_errors(document))


def replaced() -> Plan:
    """A plan in which much happens."""
    world = World()
    snapshot = run(world, planned(configured(BLOCKS)), Snapshot("l"))
    blocks = json.loads(json.dumps(BLOCKS))
    blocks["mcp_servers"]['m["eu"]']["resource_url"] = "https://other.example/mcp"
    blocks["authorization_servers"]["todo"]["scopes"] = ["write"]
    world.things[snapshot.records[Address(SERVER)].id].attributes["resource_url"] = "https://meddled.example"
    return planned(configured(blocks), snapshot, world.observe(), Options(targets=frozenset({Address(SERVER)})))


TEXT = st.text(max_size=8)
ADDRESSES = st.sampled_from(["mcp_server.a", 'mcp_server.a["é\\"x"]/authorization_server.b', "authorization_server.c"])
ADDRESS = ADDRESSES.map(Address)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=5,
)
ATTRIBUTES = st.dictionaries(TEXT, JSON, max_size=4)
NUMBER = st.integers(1, 99)
SPAN = st.none() | st.builds(Span, TEXT, NUMBER, NUMBER, NUMBER, NUMBER)
STATE = st.sampled_from(State)
TUPLE = st.lists(TEXT, max_size=3).map(tuple)
CHANGE = st.builds(
    Change,
    ADDRESS,
    TEXT,
    st.sampled_from(Action),
    before=st.none() | ATTRIBUTES,
    after=st.none() | ATTRIBUTES,
    differences=st.lists(
        st.builds(Difference, TUPLE, st.just(ABSENT) | JSON, st.just(ABSENT) | JSON, st.booleans(), st.booleans()),
        max_size=3,
    ).map(tuple),
    status_before=st.none() | STATE,
    status_after=st.none() | STATE,
    path=st.lists(st.builds(Transition, st.none() | STATE, TEXT, STATE, st.sampled_from(Sort)), max_size=3).map(tuple),
    waits_for=st.lists(ADDRESS, max_size=2).map(tuple),
    reason=st.none() | st.builds(Reason, TEXT, TEXT),
    moved_from=st.none() | ADDRESS,
    importing=st.none() | TEXT,
    span=SPAN,
    notes=st.dictionaries(TEXT, TEXT, max_size=2),
)
NEED = st.builds(Need, ADDRESS, st.sampled_from(NeedSort), SPAN)
RESOURCE = st.builds(
    Resource,
    ADDRESS,
    TEXT,
    ATTRIBUTES,
    STATE,
    needs=st.lists(NEED, max_size=2).map(tuple),
    refs=st.dictionaries(TEXT, ADDRESS, max_size=2),
    protect=st.booleans(),
    discovered=st.booleans(),
    span=SPAN,
)
LABEL = st.none() | TEXT
DIAGNOSTIC = st.builds(
    Diagnostic, st.sampled_from(Severity), TEXT, TEXT, TEXT, span=SPAN, address=st.none() | ADDRESS, snippet=LABEL
)
PLAN = st.builds(
    Plan,
    basis=st.builds(Basis, TEXT, st.integers(0, 9), TEXT, TEXT, TEXT, TEXT, TEXT, st.just("apply"), TEXT),
    changes=st.lists(CHANGE, max_size=3).map(tuple),
    steps=st.lists(
        st.builds(
            Step,
            TEXT,
            st.sampled_from(Op),
            ADDRESS,
            TEXT,
            event=LABEL,
            target=st.none() | STATE,
            changed=TUPLE,
            needs=st.lists(ADDRESS, max_size=2).map(tuple),
            source=st.none() | ADDRESS,
            remote_id=LABEL,
        ),
        max_size=3,
        unique_by=lambda step: step.id,
    ).map(tuple),
    desired=st.lists(RESOURCE, max_size=3).map(lambda found: {resource.address: resource for resource in found}),
    drift=st.lists(CHANGE, max_size=2).map(tuple),
    diagnostics=st.lists(DIAGNOSTIC, max_size=2).map(tuple),
    allowed=st.frozensets(TEXT, max_size=2),
    variables=st.dictionaries(TEXT, JSON, max_size=2),
).map(lambda plan: replace(plan, defaulted=frozenset(list(plan.variables)[1:])))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(PLAN)
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    assert decode(written(plan), "p.json") == plan


@pytest.mark.parametrize("make", [replaced, lambda: planned(configured(BLOCKS)), lambda: planned(configured())])
def test_a_made_plan_comes_back_and_satisfies_the_schema(make: Any) -> None:
    plan = make()
    assert decode(written(plan), "p.json") == plan
    assert is_valid(encode(plan))


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(plan_schema())


def test_other_tools_find_what_they_know() -> None:
    document = encode(replaced())
    assert (document["format_version"], document["complete"], document["errored"]) == ("1.2", False, True)
    found = {change["address"]: change for change in document["resource_changes"]}
    one = found[SERVER]
    assert (one["mode"], one["type"], one["name"], one["index"]) == ("managed", "mcp_server", "m", "eu")
    assert one["change"]["actions"] == ["delete", "create"] and one["change"]["replace_paths"] == [["resource_url"]]
    assert one["action_reason"] == "replace_because_cannot_update"
    row = found[f"{SERVER}/authorization_server.gh"]
    assert (row["type"], row["name"], row["action_reason"]) == ("association", "gh", "replace_by_triggers")
    assert [drift["address"] for drift in document["resource_drift"]] == [SERVER]
    planned_values = document["planned_values"]["root_module"]["resources"]
    assert {one["address"] for one in planned_values} == set(found)


def test_a_secret_is_marked_and_stays_a_reference() -> None:
    document = encode(planned(configured(BLOCKS)))
    found = next(c for c in document["resource_changes"] if c["type"] == "client_registration")
    assert found["change"]["after_sensitive"] == {"client_secret": True}
    assert found["change"]["after"]["client_secret"] == {"env": "SECRET"}


def test_what_stays_is_listed_too() -> None:
    world = World()
    snapshot = run(world, planned(configured(BLOCKS)), Snapshot("l"))
    document = encode(planned(configured(BLOCKS), snapshot, world.observe()))
    assert [c["change"]["actions"] for c in document["resource_changes"]] == [["no-op"]] * 5
    assert (document["applyable"], document["complete"]) == (False, True)


def calls(work: Callable[[], object]) -> int:
    """How many functions `work` calls: the same on any machine, however busy."""
    made = 0

    def tally(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(tally)
    try:
        work()
    finally:
        sys.setprofile(before)
    return made


def test_reading_a_plan_costs_a_fraction_of_validating_it_by_the_schema() -> None:
    """All of it is, only not by a validator that says where it is wrong."""
    data = written(replaced())
    validator = Draft202012Validator(plan_schema())
    decode(data, "p.json")
    assert validator.is_valid(json.loads(data))
    assert 5 * calls(lambda: decode(data, "p.json")) < calls(lambda: validator.is_valid(json.loads(data)))


WRONG = st.none() | st.booleans() | st.integers(-1, 2) | st.floats(0, 1) | TEXT | st.just([]) | st.just([["no-op"], 1])


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_nothing_passes_for_a_plan_that_the_schema_refuses(data: st.DataObject) -> None:
    """Any place of a plan, of any depth, with something else in it, without it, or with something more."""
    document = encode(replaced())
    place: Any = document
    while True:
        within = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        if not (isinstance(place[within], dict | list) and place[within] and data.draw(st.booleans())):
            break
        place = place[within]
    edit = data.draw(st.sampled_from(["replace", "remove", "add"]))
    if edit == "replace":
        place[within] = data.draw(WRONG)
    elif edit == "remove":
        del place[within]
    elif isinstance(place, dict):
        place[data.draw(st.sampled_from(["more", "index", "span"]))] = data.draw(WRONG)
    else:
        place.append(data.draw(WRONG))
    assert is_valid(document) or not compiled(plan_schema())(document)


def test_a_keyword_that_is_not_known_is_not_passed_over() -> None:
    for unknown in ({"maxLength": 3}, {"type": "string", "minimum": 3}, {"enum": [1, 2]}, {"items": {"not": {}}}):
        with pytest.raises(ValueError, match="in a schema"):
            compiled(unknown)


def code_of(data: bytes) -> str:
    with pytest.raises(Refused) as caught:
        decode(data, "p.json")
    (found,) = caught.value.diagnostics
    assert "p.json" in found.summary and found.detail
    return found.code


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"x_version": 1}',
        b'{"x_version": 2}',
        b'{"format_version": "1.2", "terraform_version": "1.11.4"}',
        b"[" * 100_000,
        b'{"x_version": 1, "x_basis": ' + b'{"a":' * 5_000,
        b'{"x_version": NaN}',
    ],
)
def test_what_is_no_plan_is_refused(data: bytes) -> None:
    assert code_of(data) == "plan.unreadable"


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["x_steps"].pop(),
        lambda d: d["x_steps"][0].update(address="mcp_server.other"),
        lambda d: d["x_desired"][0]["attributes"].update(extra=1),
        lambda d: d["x_basis"].update(expires="2999-01-01T00:00:00Z"),
        lambda d: d["x_diagnostics"].append({"severity": "warning", "code": "a.b", "summary": "x"}),
        lambda d: d.update(applyable=not d["applyable"]),
        lambda d: d.update(x_fingerprint="0" * 64),
    ],
)
def test_any_edit_is_noticed(edit: Any) -> None:
    document = encode(planned(configured(BLOCKS)))
    edit(document)
    assert code_of(json.dumps(document).encode()) == "stale.edited"


def test_reformatting_is_no_edit() -> None:
    document = encode(planned(configured(BLOCKS)))
    shuffled = json.dumps(dict(reversed(document.items())), indent=8).encode()
    assert decode(shuffled, "p.json") == planned(configured(BLOCKS))


@pytest.mark.parametrize(
    "edit",
    [
        lambda d: d["x_steps"][0].update(waits=["no such step"]),
        lambda d: d["x_steps"].append(d["x_steps"][0]),
        lambda d: d["x_steps"][0].update(address="nonsense"),
        lambda d: d["resource_changes"][0]["x_change"].update(span="nowhere"),
    ],
)
def test_a_forged_fingerprint_does_not_make_nonsense_a_plan(edit: Any) -> None:
    document = encode(planned(configured(BLOCKS)))
    edit(document)
    document["x_fingerprint"] = fingerprint(document)
    assert code_of(json.dumps(document).encode()) == "plan.unreadable"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_changed_byte_is_refused_or_means_nothing(data: st.DataObject) -> None:
    plan = planned(configured({"authorization_servers": {"todo": okta("read")}}))
    text = bytearray(json.dumps(encode(plan)).encode())
    at = data.draw(st.integers(0, len(text) - 1))
    text[at] = data.draw(st.integers(32, 126))
    try:
        assert decode(bytes(text), "p.json") == plan
    except Refused as refused:
        assert refused.diagnostics[0].code in ("plan.unreadable", "stale.edited")
