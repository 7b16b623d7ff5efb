"""The building blocks of specifications: URLs, shown text, secret references, scopes."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from reconciler.model.lifecycle import State
from reconciler.model.spec import ResourceSpec, Scope, SecretReference, Spec, Text, Url, is_loopback
from reconciler.model.spec import given as written

URL, TEXT, SECRET, SCOPE = (TypeAdapter[Any](kind) for kind in (Url, Text, SecretReference, Scope))


def refusal(adapter: TypeAdapter[Any], value: object) -> str:
    with pytest.raises(ValidationError) as refused:
        adapter.validate_python(value)
    return str(refused.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    "url",
    [
        *("https://mcp.stripe.com", "https://mcp.stripe.com/", "https://Mcp.Example.com:8443/a/b?x=1&y=%2F"),
        *("http://localhost:3000/mcp", "http://127.0.0.1/mcp", "http://[::1]:8080/mcp", "https://bücher.example/mcp"),
    ],
)
def test_a_url_is_kept_exactly_as_written(url: str) -> None:
    assert URL.validate_python(url) == url


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("mcp.example.com/mcp", "is not a URL"),
        ("https://", "is not a URL"),
        ("https:///mcp", "is not a URL"),
        ("ftp://example.com", "is not a URL"),
        ("https://example.com/a b", "is not a URL"),
        ("https://example.com:99999/", "is not a URL"),
        ("https://example.com:0/", "is not a URL"),
        ("https://[::1/", "is not a URL"),
        ("http://example.com/mcp", "must start with https://"),
        ("http://127.0.0.1.example.com/", "must start with https://"),
        ("https://user:pass@example.com/", "carries a user name or password"),
        ("https://user@example.com/", "carries a user name or password"),
        ("https://example.com/#top", "carries a #fragment"),
        ("https://example.com/\u202emoc", "invisible character U+202E"),
        ("https://example.com/\n", "invisible character U+000A"),
    ],
)
def test_what_is_no_url_is_refused_in_words(url: str, why: str) -> None:
    assert why in refusal(URL, url)


@settings(max_examples=200)
@given(st.text(max_size=60))
def test_a_url_is_accepted_unchanged_or_refused_never_worse(text: str) -> None:
    for prefix in ("", "https://", "https://example.com/"):
        with contextlib.suppress(ValidationError):
            assert URL.validate_python(prefix + text) == prefix + text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", [None, "", "example.com", "10.0.0.1", "localhost.example.com", "0.0.0.0"])
def test_not_loopback(host: str | None) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize("hidden", ["\x00", "\x1b", "\n", "\u200b", "\u202e", "\u2028", "\u2066", "\ufeff", "\u00ad"])
def test_shown_text_holds_nothing_invisible(hidden: str) -> None:
    assert f"U+{ord(hidden):04X}" in refusal(TEXT, f"Git{hidden}Hub")


def test_shown_text_may_be_in_any_language() -> None:
    assert TEXT.validate_python("Größe · 日本語 · عربي · 🙂") == "Größe · 日本語 · عربي · 🙂"
    assert refusal(TEXT, "")
    assert refusal(TEXT, "x" * 1025)


@pytest.mark.parametrize("value", [{"env": "NAME"}, {"file": "secrets/github"}])
def test_a_secret_is_written_as_a_reference(value: dict[str, str]) -> None:
    assert SECRET.validate_python(value) == value


def test_a_secret_is_never_written_itself_and_never_repeated_in_the_refusal() -> None:
    assert refusal(SECRET, "hunter2").endswith("a secret is never written in the configuration")
    assert "hunter2" not in refusal(SECRET, "hunter2")
    for value in (None, 7, {}, {"env": 7}, {"env": "A", "file": "b"}, {"pigeon": "x"}, {"command": ["a"], "env": "A"}):
        assert "must be a reference with one of the keys env, file, keyring" in refusal(SECRET, value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"vault": "secret/okta"}, "{vault: MOUNT/PATH#FIELD}"),
        ({"vault": "okta#field"}, "{vault: MOUNT/PATH#FIELD}"),
        ({"keyring": "okta"}, "{keyring: SERVICE/USER}"),
        ({"command": "op read x"}, "as a list"),
        ({"command": []}, "as a list"),
        ({"command": ["op", 1]}, "as a list"),
    ],
)
def test_a_reference_has_the_form_of_its_source(value: object, words: str) -> None:
    assert words in refusal(SECRET, value)


@pytest.mark.parametrize(
    "value", [{"vault": "kv/a/b#c d"}, {"keyring": "a/b/c"}, {"command": ["op", "read", "op://a/b"]}, {"env": "A"}]
)
def test_a_reference_is_kept_as_written(value: object) -> None:
    assert SECRET.validate_python(value) == value


@pytest.mark.parametrize("scope", ["repo", "read:org", "https://www.googleapis.com/auth/drive", "!", "~"])
def test_scopes(scope: str) -> None:
    assert SCOPE.validate_python(scope) == scope


@pytest.mark.parametrize("scope", ["", "two scopes", 'quo"te', "back\\slash", "ümlaut", "x" * 257])
def test_what_is_no_scope(scope: str) -> None:
    assert refusal(SCOPE, scope)


class Lamp(Spec):
    """A block as a kind would declare it."""

    colour: str = "white"
    watts: int | None = None


def test_given_tells_omitted_from_default() -> None:
    assert written(Lamp(), "colour", "watts") == {}
    assert written(Lamp(colour="white", watts=None), "colour", "watts") == {"colour": "white", "watts": None}
    assert written(Lamp(colour="red"), "watts") == {}


@pytest.mark.parametrize("body", [{"color": "red"}, {"colour": 7}, {"watts": "60"}, {"watts": True}])
def test_blocks_are_strict(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Lamp.model_validate(body)


def test_blocks_do_not_change_after_reading() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Lamp().colour = "red"


def test_status_is_the_desired_state() -> None:
    assert ResourceSpec().state is State.ACTIVE
    assert ResourceSpec(status="inactive").state is State.INACTIVE
