"""Lists are read to their end, whichever way they are paged, and never for ever."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostic import Refused
from reconciler.okta.pages import collect, fetch, next_page, own_path
from reconciler.ports import Answer, Call
from tests.unit.okta.stage import GONE, Stage, ok, okta_error


def items(*ids: str) -> list[dict[str, Any]]:
    return [{"id": identity} for identity in ids]


def test_an_enveloped_list_is_followed_by_its_next_links() -> None:
    following = {"next": {"href": "https://acme.okta.com/list?after=b&limit=200"}}
    stage = Stage([ok({"data": items("a", "b"), "_links": following}), ok({"data": items("c"), "_links": {}})])
    assert [item["id"] for item in stage.play(collect("/list")).items] == ["a", "b", "c"]
    assert stage.calls[0] == Call("GET", "/list", {"limit": "200"})
    assert stage.calls[1] == Call("GET", "https://acme.okta.com/list?after=b&limit=200")


def test_a_bare_array_is_followed_by_its_link_header() -> None:
    link = '<https://acme.okta.com/list?limit=2>; rel="self", <https://acme.okta.com/list?after=b&x=1,2>; rel="next"'
    stage = Stage([ok(items("a", "b"), link=link), ok(items("c"))])
    assert [item["id"] for item in stage.play(collect("/list")).items] == ["a", "b", "c"]
    assert stage.asked[1] == "GET https://acme.okta.com/list?after=b&x=1,2"


def test_an_object_that_moves_between_pages_counts_once() -> None:
    stage = Stage([ok({"data": items("a", "b"), "_links": {"next": {"href": "/list?2"}}}), ok({"data": items("b")})])
    assert [item["id"] for item in stage.play(collect("/list")).items] == ["a", "b"]


def test_pages_that_lead_back_are_refused() -> None:
    def answer(call: Call) -> Answer:
        following = "/list?b" if call.path.endswith("a") else "/list?a"
        return ok({"data": [], "_links": {"next": {"href": following}}})

    with pytest.raises(Refused, match="lead back"):
        Stage(answer).play(collect("/list"))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(1, 5), max_size=8))
def test_nothing_is_left_out_or_read_twice(sizes: list[int]) -> None:
    ids = [[f"{page}-{n}" for n in range(size)] for page, size in enumerate(sizes)] or [[]]

    def answer(call: Call) -> Answer:
        page = int(call.path.partition("?")[2] or 0)
        links = {"next": {"href": f"/list?{page + 1}"}} if page + 1 < len(ids) else {}
        return ok({"data": items(*ids[page]), "_links": links})

    found = Stage(answer).play(collect("/list")).items
    assert [item["id"] for item in found] == [identity for page in ids for identity in page]


def test_the_list_of_something_gone_is_empty() -> None:
    assert Stage([GONE]).play(collect("/gone/list")).items == ()


def test_gone_and_deleted_objects_are_none() -> None:
    assert Stage([GONE]).play(fetch("/x")) is None
    assert Stage([ok({"id": "x", "status": "DELETED"})]).play(fetch("/x")) is None
    assert Stage([ok({"data": [{"id": "x", "status": "DELETED"}, {"id": "y"}]})]).play(collect("/x")).items == (
        {"id": "y"},
    )


@pytest.mark.parametrize("body", [None, [], "x", {"name": "no id"}, {"id": 7}])
def test_an_object_of_another_shape_is_refused(body: Any) -> None:
    with pytest.raises(Refused, match="not what Okta's API gives"):
        Stage([ok(body)]).play(fetch("/x"))


@pytest.mark.parametrize("body", [None, {}, "x", {"data": {}}, {"data": ["x"]}, [{"name": "no id"}]])
def test_a_list_of_another_shape_is_refused(body: Any) -> None:
    with pytest.raises(Refused, match="not what Okta's API gives"):
        Stage([ok(body)]).play(collect("/x"))


def test_a_refused_read_says_what_and_why() -> None:
    with pytest.raises(Refused) as refused:
        Stage([okta_error(403, "E0000006", "You do not have permission")]).play(collect("/list"))
    (told,) = refused.value.diagnostics
    assert told.code == "auth.E0000006"
    assert told.summary == "Okta refused to read /list: You do not have permission"
    assert "request reqX" in told.detail


@pytest.mark.parametrize(
    ("link", "following"),
    [
        ('<https://a/1>; rel="next"', "https://a/1"),
        ("<https://a/1>; rel=next", "https://a/1"),
        ('<https://a/1>; title="x"; rel="next"', "https://a/1"),
        ('<https://a/1>; rel="nextish", <https://a/2>; rel="prev"', None),
        ("garbage", None),
        ("", None),
    ],
)
def test_link_headers(link: str, following: str | None) -> None:
    assert next_page(ok([], link=link)) == following


def test_a_location_stays_on_our_own_origin() -> None:
    assert own_path("https://elsewhere.example/operations/1?x=y") == "/operations/1?x=y"
    assert own_path("/operations/1") == "/operations/1"
    assert own_path("operations/1") == "/operations/1"
