"""Reading what strangers wrote: challenges, JSON, event streams."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.readiness.challenge import Challenge, bearer, read_challenges
from reconciler.readiness.event_stream import Event, find_answer, read_events
from reconciler.readiness.strict_json import read_object, text, texts


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("Bearer", [("bearer", {}, None)]),
        ('Bearer realm="x", error="invalid_token"', [("bearer", {"realm": "x", "error": "invalid_token"}, None)]),
        ("Basic, Bearer", [("basic", {}, None), ("bearer", {}, None)]),
        ("Negotiate YWJj==, Bearer scope=read", [("negotiate", {}, "YWJj=="), ("bearer", {"scope": "read"}, None)]),
        ('DPoP algs="ES256", Bearer resource_metadata="https://h/x"', None),
        (
            'Bearer error_description="a, resource_metadata=\\"https://evil/\\"", scope="s"',
            [("bearer", {"error_description": 'a, resource_metadata="https://evil/"', "scope": "s"}, None)],
        ),
        ('bEARER Scope = "a b" ,\t error=x', [("bearer", {"scope": "a b", "error": "x"}, None)]),
        (",, Bearer , ,", [("bearer", {}, None)]),
        ('Bearer a="1", a="2"', [("bearer", {"a": "1"}, None)]),
        ('Bearer a="open', [("bearer", {}, None)]),
        ("", []),
        ("=", []),
        ('"Bearer"', []),
    ],
)
def test_challenges_are_read_by_their_grammar(value: str, found: list[tuple[object, ...]] | None) -> None:
    read = read_challenges(value)
    if found is None:
        assert [c.scheme for c in read] == ["dpop", "bearer"]
        assert read[1].parameters["resource_metadata"] == "https://h/x"
    else:
        assert [tuple(c) for c in read] == found


def test_a_quoted_text_cannot_pass_for_a_parameter() -> None:
    crafted = bearer('Bearer error_description="resource_metadata=https://evil.example/"')
    assert crafted is not None
    assert "resource_metadata" not in crafted.parameters


@given(st.text(max_size=300))
def test_any_header_value_can_be_read(value: str) -> None:
    assert all(isinstance(found, Challenge) for found in read_challenges(value))


_TOKEN = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)


@settings(max_examples=60)
@given(st.lists(st.tuples(_TOKEN, st.dictionaries(_TOKEN, st.text("abc ,=\"\\'", max_size=9))), max_size=4))
def test_what_is_written_as_challenges_is_read_back(challenges: list[tuple[str, dict[str, str]]]) -> None:
    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    line = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        if parameters
        else scheme
        for scheme, parameters in challenges
    )
    assert [(c.scheme, dict(c.parameters)) for c in read_challenges(line)] == challenges


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 2}}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": ' + b"9" * 5000 + b"}", "range"),
        (b'{"a": ' + b"[" * 30 + b"]" * 30 + b"}", "nested"),
        (b"[" * 1_000_000, "nested"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"\xff\xfe{\x00}\x00", "UTF-8"),
        (b'{"a"', "not JSON"),
    ],
)
def test_anything_but_one_plain_object_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_object(data)


def test_a_byte_order_mark_is_passed_over() -> None:
    """RFC 8259 section 8.1 permits that."""
    assert read_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_brackets_in_a_text_are_not_nesting() -> None:
    assert read_object(b'{"a": "' + b"[{" * 50 + b'\\""}')["a"].startswith("[{")


def test_hostile_texts_take_no_more_than_linear_time() -> None:
    started = time.process_time()
    for data in (b'"' + b'\\"' * 200_000, b'"\\' * 100_000, b'{"' * 200_000):
        with pytest.raises(ValueError):
            read_object(data)
    assert time.process_time() - started < 2


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=5), st.integers(-(2**53), 2**53) | st.text() | st.lists(st.booleans())))
def test_an_ordinary_object_is_read_as_it_is(value: dict[str, object]) -> None:
    assert read_object(json.dumps(value).encode()) == value


def test_members_must_have_the_type_they_should() -> None:
    document = {"a": ["x"], "b": "y", "c": ["x", 1], "d": 5}
    assert (texts(document, "a"), texts(document, "z")) == (["x"], None)
    assert (text(document, "b"), text(document, "z")) == ("y", None)
    for read, key in ((texts, "b"), (texts, "c"), (text, "a"), (text, "d")):
        with pytest.raises(ValueError, match=f"its {key}"):
            read(document, key)


def test_events_are_read_with_any_line_end_and_the_priming_one_is_skipped() -> None:
    stream = b"id: 1\r\nretry: 5\r\ndata:\r\n\r\nevent: endpoint\rdata: /m?x\r\r: note\n\ndata: a\ndata: b\n\ndata: cut"
    assert list(read_events(stream)) == [Event("endpoint", "/m?x"), Event("message", "a\nb")]


def test_the_answer_is_found_among_notifications() -> None:
    stream = b'data: {"method":"notifications/x"}\n\ndata: nonsense\n\ndata: {"id":1,"error":{"code":-1}}\n\n'
    assert find_answer(stream) == {"id": 1, "error": {"code": -1}}
    assert find_answer(b"data: {}\n\n") is None
