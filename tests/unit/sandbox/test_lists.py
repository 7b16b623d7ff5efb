from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.sandbox.errors import OktaError
from reconciler.sandbox.filters import parse_filter
from tests.unit.sandbox.played import AUTHORIZATION_SERVERS, MCP, Org, refused

ALLOWED = {"status": frozenset({"eq"}), "metadata.displayName": frozenset({"eq", "sw", "co"})}


def document(status: str, name: str) -> dict[str, object]:
    return {"status": status, "metadata": {"displayName": name}}


@pytest.mark.parametrize(
    ("text", "matches"),
    [
        ('status eq "ACTIVE"', True),
        ('status eq "INACTIVE"', False),
        ('status EQ "ACTIVE" AND metadata.displayName sw "Git"', True),
        ('metadata.displayName co "HUB"', True),
        ('status eq "INVALID" or status eq "ACTIVE" and metadata.displayName sw "x"', False),
        ('(status eq "INVALID" or status eq "ACTIVE") and metadata.displayName sw "g"', True),
        (r'metadata.displayName eq "a\"b"', False),
    ],
)
def test_filters_mean_what_they_say(text: str, matches: bool) -> None:
    assert parse_filter(text, ALLOWED)(document("ACTIVE", "GitHub")) is matches


@pytest.mark.parametrize(
    "text",
    [
        "status",
        "status eq",
        "status eq ACTIVE",
        'status sw "A"',
        'secret eq "x"',
        'status eq "A" and',
        '(status eq "A"',
        'status eq "A")',
        'status eq "A',
        '"status" eq "A"',
        "(" * 500 + 'status eq "A"' + ")" * 500,
    ],
)
def test_what_is_not_a_filter_is_refused(text: str) -> None:
    with pytest.raises(OktaError) as refusal:
        parse_filter(text, ALLOWED)
    assert refusal.value.causes[0].reason == "INVALID_FILTER"


@settings(max_examples=200)
@given(st.text(st.sampled_from('status eq"()\\ and or ACTIVE.'), max_size=60))
def test_no_filter_crashes(text: str) -> None:
    try:
        parse_filter(text, ALLOWED)(document("ACTIVE", "x"))
    except OktaError as refusal:
        assert refusal.status == 400


@settings(max_examples=100)
@given(st.text(max_size=20), st.text(max_size=20))
def test_a_quoted_value_stands_for_itself(wanted: str, other: str) -> None:
    import json

    predicate = parse_filter(f"metadata.displayName eq {json.dumps(wanted)}", ALLOWED)
    assert predicate(document("", wanted))
    assert predicate(document("", other)) is (other == wanted)


def test_pages_follow_each_other_by_either_link(org: Org) -> None:
    urls = [f"https://s{number}.example.com/mcp" for number in range(5)]
    for url in urls:
        org.call("POST", MCP, {"resourceUrl": url})
    found, path = [], f"{MCP}?limit=2"
    while path:
        answer = org.call("GET", path)
        page = answer.json()
        found += [item["resourceUrl"] for item in page["data"]]
        path = page["_links"].get("next", {}).get("href", "")
        assert answer.links.get("next", {}).get("url", "") == path
    assert found == urls


def test_a_page_has_twenty_objects_and_at_most_two_hundred(org: Org) -> None:
    for number in range(21):
        org.call("POST", MCP, {"resourceUrl": f"https://s{number}.example.com/mcp"})
    assert len(org.ok("GET", MCP)["data"]) == 20
    assert len(org.ok("GET", f"{MCP}?limit=200")["data"]) == 21
    for limit in ("0", "201", "-1", "x", "", "²"):
        refused(org.call("GET", f"{MCP}?limit={limit}"), 400, "E0000001")
    refused(org.call("GET", f"{MCP}?after=!"), 400, "E0000001")


def test_classic_lists_are_arrays_with_a_link(org: Org) -> None:
    for name in ("a", "b", "c"):
        org.authorization_server(name)
    first = org.call("GET", f"{AUTHORIZATION_SERVERS}?limit=2")
    assert [item["name"] for item in first.json()] == ["a", "b"]
    second = org.call("GET", first.links["next"]["url"])
    assert [item["name"] for item in second.json()] == ["c"]
    assert "next" not in second.links


@pytest.mark.parametrize("limit", [1, 3, 7, 8, 200])
def test_scopes_page_through_the_systems_own(org: Org, limit: int) -> None:
    path = f"{AUTHORIZATION_SERVERS}/{org.authorization_server()['id']}/scopes"
    org.ok("POST", path, {"name": "read"})
    whole = [scope["name"] for scope in org.ok("GET", path)]
    found: list[str] = []
    following = f"{path}?limit={limit}"
    while following:
        answer = org.call("GET", following)
        found += [scope["name"] for scope in answer.json()]
        following = answer.links.get("next", {}).get("url", "")
    assert found == whole and whole[-1] == "read"


def test_a_search_goes_on_over_pages(org: Org) -> None:
    for number in range(6):
        name = "Even" if number % 2 == 0 else "Odd"
        org.call("POST", MCP, {"resourceUrl": f"https://s{number}.example.com/", "displayName": name})
    path = f'{MCP}?limit=2&search=metadata.displayName sw "even"'
    first = org.ok("GET", path)
    second = org.ok("GET", first["_links"]["next"]["href"])
    assert len(first["data"]) == 2 and len(second["data"]) == 1
    assert {item["metadata"]["displayName"] for item in first["data"] + second["data"]} == {"Even"}
