"""Canonical layout: what it looks like, that it is stable, and that it changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from reconciler.config.files import SourceFile
from reconciler.config.format import format_source
from reconciler.model.diagnostic import Refused

MESSY = """\

# about the whole
version:   1
provider: { sandbox : {world: x} }
# about servers
mcp_servers:
      todo:
            resource_url:   "https://x"   # aligned
            authorization_servers:
            - a
            -   b
               # odd
            status: active\t


      # next one
      gh:
          scopes: [
               a,b,
            c
          ]
          description: long text
              that goes on

              and on
          literal: |+
             kept\x20\x20

          folded: >-
              one
                two
        # the end of the block
# the end of servers
moved:
-   from: a
    to: b
-
    from: c
    to: d
# the very end
"""
NEAT = """\
# about the whole
version: 1
provider: {sandbox: {world: x}}

# about servers
mcp_servers:
  todo:
    resource_url: "https://x"   # aligned
    authorization_servers:
      - a
      - b
      # odd
    status: active

  # next one
  gh:
    scopes: [
      a, b,
      c
    ]
    description: long text
      that goes on

      and on
    literal: |+
      kept\x20\x20

    folded: >-
      one
        two
  # the end of the block

# the end of servers
moved:
  - from: a
    to: b
  -
    from: c
    to: d
# the very end
"""


def formatted(text: str) -> str:
    return format_source(SourceFile("a.yaml", text.encode()))


def test_a_messy_file_becomes_neat() -> None:
    assert formatted(MESSY) == NEAT


def test_a_neat_file_stays_as_it_is() -> None:
    assert formatted(NEAT) == NEAT


@pytest.mark.parametrize(
    ("text", "neat"),
    [
        ("", ""),
        ("\n\n", ""),
        ("  # alone  \n\n", "# alone\n"),
        ("a: 1", "a: 1\n"),
        ("a: 1\r\nb: 2\r\n", "a: 1\nb: 2\n"),
        ("\ufeffa: 1\n", "a: 1\n"),
        ("a:\n  b: 1\nc: 2\n", "a:\n  b: 1\n\nc: 2\n"),
        ("a: 1\n\n\n\nb: 2\n", "a: 1\n\nb: 2\n"),
        ("a: 1\n\nb: 2\n", "a: 1\n\nb: 2\n"),
        ("a: {b: , c: d}\n", "a: {b: , c: d}\n"),
        ("a: {'b':1}\n", "a: {'b': 1}\n"),
        ("a: [ ]\n", "a: []\n"),
        ("a: &x   {b: 1}\nc:  *x\n", "a: &x {b: 1}\nc: *x\n"),
        ("a:\n  - - 1\n    - 2\n", "a:\n  - - 1\n    - 2\n"),
        ("a:\n- - 1\n  - 2\n", "a:\n  - - 1\n    - 2\n"),
        ("a: |2\n    x\n   y\n", "a: |2\n    x\n   y\n"),
        ("a:\n    b: |2\n        x\n       y\n", "a:\n  b: |2\n      x\n     y\n"),
        ("a: |+\n  x\n\n\n", "a: |+\n  x\n\n\n"),
        ("a: 'x\n\n\n    y'\n", "a: 'x\n\n\n  y'\n"),
        ("---\na:  1\n", "---\na: 1\n"),
        ("a:\n    # only a comment\nb: 1\n", "a:\n# only a comment\nb: 1\n"),
    ],
)
def test_layout(text: str, neat: str) -> None:
    assert formatted(text) == neat
    assert formatted(neat) == neat


@pytest.mark.parametrize("text", ["a: [", "a: 1\na: 2\n", "a: !x 1\n", "a:\n\t- b\n", "a: \x00"])
def test_what_is_not_sound_is_refused(text: str) -> None:
    with pytest.raises(Refused):
        formatted(text)


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(alphabet="ab:#-'\" \n", max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=4),
    max_leaves=10,
)


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, Any]:
    """YAML in some other layout, with comments and blank lines where they change nothing."""
    value = draw(st.dictionaries(st.sampled_from("abcdef"), VALUES, max_size=4))
    indent, width = draw(st.integers(2, 9)), draw(st.sampled_from([5, 20, 1000]))
    flow = draw(st.sampled_from([None, False, True]))
    text = yaml.safe_dump(value, indent=indent, width=width, default_flow_style=flow, sort_keys=False)
    value = yaml.safe_load(text)  # the emitter doesn't always write what it was given
    lines = text.splitlines()
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(lines)))
        added = draw(st.sampled_from(["", "# note", "   # note", "        # note"]))
        changed = "\n".join([*lines[:at], added, *lines[at:]])
        try:
            kept = yaml.safe_load(changed) == value
        except yaml.YAMLError:
            kept = False
        lines = changed.split("\n") if kept else lines
    return "\n".join(lines) + "\n", value


@hypothesis(max_examples=400, deadline=None)
@given(documents())
def test_formatting_is_stable_and_changes_no_value_and_no_comment(document: tuple[str, Any]) -> None:
    text, value = document
    try:
        once = formatted(text)
    except Refused:
        return
    assert formatted(once) == once
    assert yaml.safe_load(once) == value or (value == {} and yaml.safe_load(once) in (None, {}))
    assert once.count("# note") == text.count("# note")


@hypothesis(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-[]{},&*|>'\"#? \n0", max_size=40))
def test_whatever_is_formatted_stays_formatted(text: str) -> None:
    try:
        once = formatted(text)
    except Refused:
        return
    assert formatted(once) == once


@hypothesis(max_examples=200, deadline=None)
@given(documents())
def test_a_layout_of_blocks_is_really_made(document: tuple[str, Any]) -> None:
    """Not by way of giving the text back as it is: every line starts in an even column."""
    text, _ = document
    if "'" in text or '"' in text or "|" in text or ">" in text:
        return
    try:
        once = formatted(text)
    except Refused:
        return
    assert all((len(line) - len(line.lstrip())) % 2 == 0 and line == line.rstrip() for line in once.splitlines())
