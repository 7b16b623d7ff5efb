from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.cli.arguments import normalised


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("-out=p.json", "--out=p.json"),
        ("-out p.json", "--out p.json"),
        ("-auto-approve", "--auto-approve"),
        ("--auto-approve", "--auto-approve"),
        ("-refresh=false", "--no-refresh"),
        ("--lock=false", "--no-lock"),
        ("-json=true", "--json"),
        ("-refresh=maybe", "--refresh=maybe"),
        ("-C dir plan", "-C dir plan"),
        ("-h", "-h"),
        ("-", "-"),
        ("state push -", "state push -"),
        ("-out=true", "--out=true"),
        ("-var x=-y", "--var x=-y"),
        ("-target=mcp_server.a", "--target=mcp_server.a"),
        ("show -- -odd-name", "show -- -odd-name"),
    ],
)
def test_one_dash_means_two(typed: str, meant: str) -> None:
    assert normalised(typed.split()) == meant.split()


@given(st.lists(st.text()))
def test_nothing_is_lost_and_twice_is_the_same_as_once(arguments: list[str]) -> None:
    once = normalised(arguments)
    assert len(once) == len(arguments)
    assert normalised(once) == once
