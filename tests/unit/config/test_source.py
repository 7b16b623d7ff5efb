"""Text to a located tree: every value knows its place, and whatever the bytes, nothing but findings comes of them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from reconciler.config.files import MAX_BYTES, SourceFile
from reconciler.config.findings import Findings
from reconciler.config.located import Map, Seq, Source, find_span
from reconciler.config.source import MAX_ALIASED, MAX_DEPTH, parse, read_source


def tree(text: str | bytes) -> tuple[Map | None, list[str]]:
    findings = Findings()
    data = text if isinstance(text, bytes) else text.encode()
    return read_source(SourceFile("a.yaml", data), findings), [d.code for d in findings.diagnostics]


def sound(text: str | bytes) -> Map:
    found, codes = tree(text)
    assert codes == []
    assert found is not None
    return found


TEXT = """\
# a comment
plain: text
"quoted key": 'quoted value'
flow: [a, {b: c}]
block:
  - first
  - key: |
      literal
    other: >-
      folded
  - [x,
     y]
é: ü  # after
"""


@pytest.mark.parametrize(
    ("path", "place"),
    [
        (("plain",), (2, 8, 2, 12)),
        (("quoted key",), (3, 15, 3, 29)),
        (("flow",), (4, 7, 4, 18)),
        (("flow", 0), (4, 8, 4, 9)),
        (("flow", 1), (4, 11, 4, 17)),
        (("flow", 1, "b"), (4, 15, 4, 16)),
        (("block",), (5, 1, 5, 6)),
        (("block", 0), (6, 5, 6, 10)),
        (("block", 1), (7, 5, 7, 11)),
        (("block", 2), (11, 5, 12, 8)),
        (("block", 2, 1), (12, 6, 12, 7)),
        (("é",), (13, 4, 13, 5)),
        (("plain", "deeper"), (2, 8, 2, 12)),
        (("flow", 7), (4, 7, 4, 18)),
        (("gone",), None),
        ((), None),
    ],
)
def test_every_value_knows_where_it_is_written(path: tuple[Any, ...], place: tuple[int, ...] | None) -> None:
    span = find_span(sound(TEXT), path)
    assert (span and (span.line, span.column, span.end_line, span.end_column)) == place


def test_a_key_knows_where_it_is_written() -> None:
    found = sound(TEXT)
    spans = {key: found.key_span(key) for key in found}
    assert {key: (s.line, s.column, s.end_column) for key, s in spans.items() if s} == {
        "plain": (2, 1, 6),
        "quoted key": (3, 1, 13),
        "flow": (4, 1, 5),
        "block": (5, 1, 6),
        "é": (13, 1, 2),
    }


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(ends: str) -> None:
    span = find_span(sound(TEXT.replace("\n", ends)), ("é",))
    assert span is not None
    assert (span.line, span.column) == (13, 4)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_says_the_encoding(encoding: str) -> None:
    found = sound(TEXT.encode(encoding))
    assert found["é"] == "ü"
    span = found.key_span("plain")
    assert span is not None
    assert (span.line, span.column) == (2, 1)


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert sound("") == {} == sound("# only a comment\n") == sound("---\n")


def test_an_alias_is_the_value_it_stands_for_and_is_placed_where_it_stands() -> None:
    found = sound("a: &x [1, 2]\nb: *x\n")
    assert found["b"] is found["a"]
    assert str(find_span(found, ("b",))) == "a.yaml:2:4"
    assert str(find_span(found, ("b", 1))) == "a.yaml:1:11"


@pytest.mark.parametrize("opening", ["[", "{? ", "- ", "[{a: ", "? - ", "&a [", "!!seq ["])
def test_nesting_without_end_is_refused_at_once(opening: str) -> None:
    before = time.perf_counter()
    _, codes = tree(opening * 100_000)
    assert time.perf_counter() - before < 5
    assert len(codes) == 1


def test_nesting_is_allowed_up_to_the_bound() -> None:
    assert tree("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))[1] == []
    assert tree("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH)[1] == ["config.too-deep"]


def test_nesting_by_aliases_counts_too() -> None:
    lines = ["a0: &a0 [x]", *(f"a{i}: &a{i} [*a{i - 1}]" for i in range(1, 100))]
    assert tree("\n".join(lines))[1] == ["config.too-deep"]


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert tree("\n".join(lines))[1] == ["config.alias-bomb"]


def test_what_aliases_stand_for_is_counted_exactly() -> None:
    # A sequence of 9 values counts 10.
    anchor = "a: &a [1, 2, 3, 4, 5, 6, 7, 8, 9]\nb:\n"
    assert tree(anchor + "- *a\n" * (MAX_ALIASED // 10))[1] == []
    assert tree(anchor + "- *a\n" * (MAX_ALIASED // 10 + 1))[1] == ["config.alias-bomb"]


def test_a_file_over_the_bound_is_refused() -> None:
    assert tree(b"#" * (MAX_BYTES + 1))[1] == ["config.too-large"]


def test_a_file_full_of_mistakes_is_given_up_on() -> None:
    assert 100 < len(tree("a: 1\n" * 100_000)[1]) < 1000


def test_templates_and_nulls_are_noticed_on_the_way_up() -> None:
    found = sound("a: {b: [{c: '${var.x}'}]}\nd: {e: [null]}\nf: {g: [text]}\nh: &h {i: ~}\nj: {k: *h}\n")
    assert {key: found[key].plain for key in found} == {"a": False, "d": False, "f": True, "h": False, "j": False}


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("client_secret: hunter2", "client_secret: *******"),
        ('x: {token: "abc", y: z}', "x: {token: *****, y: z}"),
        ("  password: a b", "  password: ***"),
        ("client_secret: {env: NAME}", "client_secret: {env: NAME}"),
        ("client_secret: ${var.secret}", "client_secret: ${var.secret}"),
        ("token_endpoint: https://x", "token_endpoint: https://x"),
        ("bell: a\ax", "bell: a\ufffdx"),
    ],
)
def test_a_shown_line_hides_what_looks_like_a_secret(line: str, shown: str) -> None:
    source = Source("a.yaml", line)
    assert source.snippet(source.span(0, 1)) == shown


TEXTS = st.text(st.characters(max_codepoint=0xFFFF, exclude_characters="\0", exclude_categories=["Cs"]), max_size=10)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**15), 10**15)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@hypothesis(max_examples=200, deadline=None)
@given(st.dictionaries(TEXTS, VALUES, max_size=5), st.sampled_from([None, 1, 4]))
def test_what_is_written_as_json_is_read_back(value: dict[str, Any], indent: int | None) -> None:
    """YAML 1.2 takes JSON as it is."""
    found = sound(json.dumps(value, indent=indent))
    assert json.dumps(found) == json.dumps(value)


@hypothesis(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    found, codes = tree(data)
    assert found is not None or codes


@hypothesis(max_examples=300, deadline=None)
@given(st.text(alphabet="ab:-[]{},&*!|>'\"%@`#?~ \n\t\r01.$<\\x\ufeff\u2028é", max_size=60))
def test_arbitrary_yaml_like_text_is_read_or_refused(text: str) -> None:
    found, codes = tree(text)
    assert found is not None or codes
    if not codes:
        check_places(found, text)


def check_places(node: Any, text: str) -> None:
    """Every place is one in the text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if isinstance(node, Map):
        spans = [span for key in node for span in (node.key_span(key), node.value_span(key))]
        children = list(node.values())
    elif isinstance(node, Seq):
        spans = [node.item_span(i) for i in range(len(node))]
        children = list(node)
    else:
        return
    for span in spans:
        assert span is not None
        assert 1 <= span.line <= span.end_line <= len(lines)
        assert 1 <= span.column <= len(lines[span.line - 1]) + 1
        assert (span.end_line, span.end_column) >= (span.line, span.column)
    for child in children:
        check_places(child, text)


def test_a_thousand_servers_are_read_in_well_under_a_second() -> None:
    servers = "".join(f"  s{i}:\n    resource_url: https://s{i}.example.com\n    a: [x]\n" for i in range(1000))
    source = Source("a.yaml", f"mcp_servers:\n{servers}")
    before = time.process_time()
    assert len(parse(source, Findings())["mcp_servers"]) == 1000
    assert time.process_time() - before < 0.5
