"""Addresses: what is one, and that its parts come back."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.address import Address, Segment, instance

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,12}", fullmatch=True)
KEYS = st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SEGMENTS = st.lists(st.tuples(st.from_regex(r"[a-z_]{1,8}", fullmatch=True), NAMES, KEYS), min_size=1, max_size=4)


@settings(max_examples=200)
@given(SEGMENTS)
def test_the_parts_come_back_whatever_the_instance_keys_hold(parts: list[tuple[str, str, str | None]]) -> None:
    address = Address.of(*parts[0])
    for word, name, key in parts[1:]:
        address = address.child(word, instance(name, key))
    assert Address.parse(address) == address
    assert address.segments == tuple(Segment(*part) for part in parts)
    assert address.name == instance(*parts[-1][1:])
    assert address.key == parts[-1][2]
    if len(parts) == 1:
        assert address.parent is None
    else:
        assert address.parent is not None
        assert address.parent.segments == address.segments[:-1]
        assert address.parent.child(parts[-1][0], address.name) == address


@settings(max_examples=200)
@given(st.text(max_size=40))
def test_any_text_is_an_address_or_refused_in_words(text: str) -> None:
    try:
        address = Address.parse(text)
    except ValueError as refusal:
        assert "is not an address; one looks like mcp_server.github" in str(refusal)
    else:
        assert address == text
        assert address.kind


@pytest.mark.parametrize(
    "text",
    [
        *("", "github", "mcp_server.", ".github", "mcp_server.1st", "Mcp_Server.github", "mcp_server.git hub"),
        *("mcp_server.github/", "/mcp_server.github", "mcp_server.github//x.y", "mcp_server.github.extra"),
        *('mcp_server.a["b', 'mcp_server.a["b"', "mcp_server.a[b]", "mcp_server.a['b']", 'mcp_server.a["\\x"]'),
        *("mcp_server.github\n", "mcp_server.gïthub"),
    ],
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="is not an address"):
        Address.parse(text)


def test_a_nested_authorization_server_is_an_association() -> None:
    top, nested = Address("authorization_server.entra"), Address("mcp_server.a/authorization_server.entra")
    assert (top.kind, nested.kind) == ("authorization_server", "association")
    assert Address("mcp_server.a/client_registration.b").kind == "client_registration"


def test_a_key_may_look_like_an_address() -> None:
    address = Address.of("mcp_server", "a", 'x"]/b.c["').child("authorization_server", "entra")
    assert address.kind == "association"
    assert address.parent == Address.of("mcp_server", "a", 'x"]/b.c["')


def test_an_address_is_a_plain_string_to_everyone_else() -> None:
    address = Address("mcp_server.github")
    assert json.loads(json.dumps({address: [address]})) == {"mcp_server.github": ["mcp_server.github"]}
    assert {address: 1}["mcp_server.github"] == 1  # type: ignore[index]
    assert sorted([Address("b.b"), Address("a.a")]) == ["a.a", "b.b"]
