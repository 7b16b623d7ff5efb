"""Filling `${...}` in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from reconciler.config.template import LONGEST_TEXT, Scope, Unfillable, fill

SCOPE = Scope(
    {"name": "todo", "n": 3, "half": 0.5, "on": True, "hosts": ["a", "b"], "regions": {"eu": {"host": "e", "x": None}}},
    ("k", {"url": "u", "list": [{"deep": 1}]}),
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("", ""),
        ("${var.name}", "todo"),
        ("${ var.name }", "todo"),
        ("${var.n}", 3),
        ("${var.on}", True),
        ("${var.hosts}", ["a", "b"]),
        ("${var.hosts.1}", "b"),
        ("${var.regions.eu}", {"host": "e", "x": None}),
        ("${var.regions.eu.host}.example.com", "e.example.com"),
        ("${var.regions.eu.x}", None),
        ("n=${var.n} half=${var.half} on=${var.on}", "n=3 half=0.5 on=true"),
        ("${var.name}${var.name}", "todotodo"),
        ("${each.key}-${each.value.url}", "k-u"),
        ("${each.value.list.0.deep}", 1),
        ("$${var.name}", "${var.name}"),
        ("$$${var.name}", "$${var.name}"),
        ("$ {var.name} $x }{", "$ {var.name} $x }{"),
    ],
)
def test_a_template_becomes(text: str, value: Any) -> None:
    found = fill(text, SCOPE)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "${var.gone}",
            "${var.name.first}",
            "${var.hosts.2}",
            "${var.hosts.-1}",
            "${var.regions.us}",
            "${each.other}",
        ),
        *(
            "a ${var.hosts}",
            "a ${var.regions}",
            "a ${var.regions.eu.x}",
            "${",
            "${var.name",
            "${}",
            "${var}",
            "${var.}",
        ),
        *("${env.HOME}", "${var.a b}", "${var.name} ${", "${var.${var.name}}", "${var.name.__class__}"),
    ],
)
def test_a_template_that_cannot_be_filled_in_says_why(text: str) -> None:
    with pytest.raises(Unfillable) as problem:
        fill(text, SCOPE)
    assert problem.value.summary


def test_each_means_nothing_outside_of_for_each() -> None:
    with pytest.raises(Unfillable, match="for_each"):
        fill("${each.key}", Scope({}))


def test_text_does_not_grow_without_end() -> None:
    scope = Scope({"long": "x" * (LONGEST_TEXT // 2)})
    assert len(fill("${var.long}${var.long}", scope)) == LONGEST_TEXT
    with pytest.raises(Unfillable, match="longer"):
        fill("${var.long}${var.long}x", scope)


@hypothesis(max_examples=200)
@given(st.text(alphabet="ab$ {}.", max_size=20))
def test_a_value_is_never_filled_in_again(value: str) -> None:
    assert fill("<${var.v}>", Scope({"v": value})) == f"<{value}>"


@hypothesis(max_examples=200)
@given(st.text(alphabet="ab$ {}.vreach", max_size=30))
def test_escaped_text_comes_back_as_it_was(text: str) -> None:
    assert fill(text.replace("${", "$${"), SCOPE) == text
