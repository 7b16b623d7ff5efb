from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.diff import ABSENT, CONCEALED, Difference, differences, is_alike, is_same
from reconciler.kinds import kinds
from reconciler.plan.decision import overlaid

ISSUER = kinds()["authorization_server"]
CLIENT = kinds()["client_registration"]
SERVER = kinds()["mcp_server"]


def test_only_what_is_managed_is_compared() -> None:
    before = {"display_name": "Todo", "description": "something"}
    assert differences(before, {"display_name": "Todo"}, SERVER) == ()
    assert differences(before, {}, SERVER) == ()


def test_null_is_a_value_and_absence_is_none() -> None:
    assert differences({}, {"description": None}, SERVER) == (Difference(("description",), ABSENT, None),)
    assert differences({"description": None}, {"description": "x"}, SERVER) == (
        Difference(("description",), None, "x"),
    )


def test_immutable_attributes_replace() -> None:
    found = differences({"resource_url": "a", "display_name": "x"}, {"resource_url": "b", "display_name": "y"}, SERVER)
    assert [(d.path, d.replaces) for d in found] == [(("display_name",), False), (("resource_url",), True)]


def test_nested_attributes_differ_where_they_differ() -> None:
    before = {"access_policy": {"scopes": ["read"], "clients": ["a"], "unmanaged": 1}}
    after = {"access_policy": {"scopes": ["read", "write"], "clients": ["a"]}}
    assert differences(before, after, ISSUER) == (Difference(("access_policy", "scopes"), ["read"], ["read", "write"]),)


def test_a_part_of_a_collection_that_is_not_listed_has_to_go() -> None:
    before = {"scopes": {"read": {"consent": "IMPLICIT"}, "old": {"consent": "IMPLICIT"}}}
    after: dict[str, Any] = {"scopes": {"read": {}, "new": {"consent": "REQUIRED"}}}
    assert differences(before, after, ISSUER) == (
        Difference(("scopes", "new"), ABSENT, {"consent": "REQUIRED"}),
        Difference(("scopes", "old"), {"consent": "IMPLICIT"}, ABSENT),
    )


def test_secrets_are_shown_as_references_only() -> None:
    old, new = {"env": "A"}, {"env": "B"}
    assert differences({"client_secret": old}, {"client_secret": new}, CLIENT) == (
        Difference(("client_secret",), old, new, secret=True),
    )
    shown = differences({"client_secret": "hunter2"}, {"client_secret": new}, CLIENT)
    assert shown == (Difference(("client_secret",), CONCEALED, new, secret=True),)
    assert differences({}, {"client_secret": new}, CLIENT)[0].before is ABSENT


@pytest.mark.parametrize(("one", "other"), [(True, 1), (0, False), ([True], [1]), ({"a": 1}, {"a": True})])
def test_true_is_not_one(one: Any, other: Any) -> None:
    assert not is_same(one, other)
    assert differences({"x": one}, {"x": other}, SERVER) != ()


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("https://a.example/mcp/", "https://A.example/mcp", True),
        ("https://a.example/mcp", "https://a.example/other", False),
        ("https://a.example/mcp", "https://a.example/MCP", False),
        ("Todo", "todo", False),
        ("Todo  list", "Todo list", True),
        (["b", "a"], ["a", "b"], True),
        (["a"], ["a", "a"], False),
        (1, True, False),
    ],
)
def test_what_the_live_system_may_merely_spell_differently(one: Any, other: Any, alike: bool) -> None:
    assert is_alike(one, other) is alike


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner)
)
ATTRIBUTES = st.dictionaries(st.sampled_from(["name", "scopes", "access_policy", "description"]), VALUES)


@settings(max_examples=200, deadline=None)
@given(before=ATTRIBUTES, after=ATTRIBUTES)
def test_what_was_overlaid_no_longer_differs(before: dict[str, Any], after: dict[str, Any]) -> None:
    found = differences(before, after, ISSUER)
    assert differences(overlaid(before, after, ISSUER.collections), after, ISSUER) == ()
    assert list(found) == sorted(found, key=lambda d: d.path)
    for difference in found:
        assert difference.path[0] in after
        assert not is_same(difference.before, difference.after)
