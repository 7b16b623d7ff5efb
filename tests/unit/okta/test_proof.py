"""A field that was written is applied, normalised or ignored; nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.okta.proof import Verdict, is_alike, judge

VALUES = st.recursive(
    st.text(min_size=1) | st.integers(),
    lambda inner: st.dictionaries(st.text(min_size=1), inner, min_size=1),
    max_leaves=5,
)


@settings(max_examples=30)
@given(st.dictionaries(st.text(min_size=1), VALUES))
def test_what_shows_as_wanted_is_applied(attributes: dict[str, Any]) -> None:
    assert judge(attributes, {**attributes, "more": "unmanaged"}) == Verdict({}, {})


@settings(max_examples=30)
@given(st.dictionaries(st.text(min_size=1), VALUES, min_size=1))
def test_what_does_not_show_is_ignored(attributes: dict[str, Any]) -> None:
    verdict = judge(attributes, {})
    assert set(verdict.ignored) == set(attributes)
    assert not verdict.normalised


@pytest.mark.parametrize(
    ("want", "have"),
    [
        ("https://a.example.com/mcp/", "https://a.example.com/mcp"),
        ("https://A.example.com/mcp", "https://a.example.com/mcp"),
        ("a  b ", "a b"),
        (["b", "a"], ["a", "b"]),
        (["https://x.example.com/"], ["https://x.example.com"]),
    ],
)
def test_what_means_the_same_is_normalised(want: Any, have: Any) -> None:
    assert judge({"x": want}, {"x": have}) == Verdict({"x": want}, {})


@pytest.mark.parametrize(
    ("want", "have"),
    [
        ("https://a.example.com/mcp", "https://a.example.com/mcp2"),
        ("GitHub", "Github"),
        (["a"], ["a", "b"]),
        ("a", None),
        (60, 5),
    ],
)
def test_what_means_something_else_is_ignored(want: Any, have: Any) -> None:
    assert judge({"x": want}, {"x": have}) == Verdict({}, {"x": want})


def test_what_was_to_be_removed_must_be_gone() -> None:
    assert judge({"x": None}, {}) == judge({"x": None}, {"x": ""}) == Verdict({}, {})
    assert judge({"x": None}, {"x": "still"}).ignored == {"x": None}


def test_a_scope_that_lacks_or_should_not_be_there_is_named() -> None:
    wanted = {"scopes": {"a": {}, "b": {"consent": "REQUIRED"}}}
    assert judge(wanted, {"scopes": {"a": {"consent": "IMPLICIT"}, "b": {"consent": "REQUIRED"}}}) == Verdict({}, {})
    assert set(judge(wanted, {"scopes": {"b": {"consent": "IMPLICIT"}, "c": {}}}).ignored) == {
        "scopes.a",
        "scopes.b.consent",
        "scopes.c",
    }


def test_alike_is_not_equal_for_text() -> None:
    assert not is_alike("a", "A")
    assert is_alike(1, 1)
