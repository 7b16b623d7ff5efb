"""Asking: what is retried and what isn't, what is remembered and how long, when it is given up."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.ports import Fetch, Fetched, Now, Sleep
from reconciler.readiness.egress import Egress
from reconciler.readiness.inquiry import Inquiry, Memory, same_origin
from tests.readiness.played import Played

URL = "https://as.example/.well-known/oauth-authorization-server"
OK, DOWN, BUSY = Fetched(200), Fetched(503), Fetched(429)
REFUSED, SILENT = Fetched(0, problem="connect"), Fetched(0, problem="timeout")


def ask(answers: list[Fetched], memory: Memory | None = None, url: str = URL) -> tuple[Fetched, Played]:
    played = Played(answers)
    return played.run(Inquiry(memory or Memory(), Egress()).get(url)), played


@pytest.mark.parametrize(
    ("answers", "status", "requests"),
    [
        ([OK], 200, 1),
        ([DOWN, OK], 200, 2),
        ([REFUSED, BUSY, OK], 200, 3),
        ([DOWN, DOWN, DOWN], 503, 3),
        ([Fetched(404)], 404, 1),
        ([Fetched(401)], 401, 1),
        ([Fetched(302)], 302, 1),
        ([SILENT], 0, 1),
        ([Fetched(0, problem="tls")], 0, 1),
        ([Fetched(0, problem="policy")], 0, 1),
        ([Fetched(0, problem="broken")], 0, 1),
        ([Fetched(429, {"retry-after": "3600"})], 429, 1),
    ],
)
def test_only_what_may_pass_is_asked_again(answers: list[Fetched], status: int, requests: int) -> None:
    found, played = ask(answers)
    assert (found.status, len(played.asked)) == (status, requests)
    assert all(0 <= wait <= 4 for wait in played.slept)


def test_the_wait_a_host_asks_for_is_kept() -> None:
    _, played = ask([Fetched(503, {"retry-after": "7"}), OK])
    assert played.slept == [7.0]


def test_a_host_that_wants_more_patience_says_so_in_the_answer() -> None:
    found, played = ask([Fetched(503, {"retry-after": "60"})])
    assert "60 s" in found.detail
    assert played.slept == []


def test_an_answer_is_remembered_and_grows_old() -> None:
    memory, played = Memory(), Played([OK, Fetched(201), Fetched(202)])
    inquiry = Inquiry(memory, Egress())
    assert [played.run(inquiry.get(URL)).status for _ in range(2)] == [200, 200]
    played.now += 301
    assert played.run(Inquiry(memory, Egress()).get(URL)).status == 201
    fresh = Inquiry(memory, Egress(), max_age=0.0)
    played.now += 1
    assert played.run(fresh.get(URL)).status == 202
    assert len(inquiry.trace) == 2


def test_a_refusal_is_remembered_for_half_a_minute_only() -> None:
    memory, played = Memory(), Played([Fetched(404), OK])
    assert played.run(Inquiry(memory, Egress()).get(URL)).status == 404
    played.now += 31
    assert played.run(Inquiry(memory, Egress()).get(URL)).status == 200


def test_what_changes_something_is_asked_once_and_every_time() -> None:
    memory, played = Memory(), Played([DOWN, OK])
    inquiry = Inquiry(memory, Egress())
    request = Fetch("POST", "https://as.example/register", body={"a": 1}, content_type="application/json")
    assert [played.run(inquiry.ask(request, once=True)).status for _ in range(2)] == [503, 200]


def test_a_host_that_never_answers_is_left_alone_and_another_is_not() -> None:
    memory, played = Memory(), Played([SILENT] * 3 + [OK])
    for path in "abc":
        played.run(Inquiry(memory, Egress()).get(f"https://as.example/{path}"))
    given_up = played.run(Inquiry(memory, Egress()).get("https://as.example/d"))
    assert (given_up.problem, len(played.asked)) == ("given-up", 3)
    assert played.run(Inquiry(memory, Egress()).get("https://other.example/")).status == 200


def test_a_resource_has_half_a_minute() -> None:
    played = Played([OK] * 99)
    played.seconds_each = 8.0
    inquiry = Inquiry(Memory(), Egress())
    answers = [played.run(inquiry.get(f"https://h{n}.example/")) for n in range(6)]
    assert [a.status for a in answers] == [200, 200, 200, 200, 0, 0]


def test_a_forbidden_url_is_never_asked() -> None:
    found, played = ask([], url="https://10.0.0.1/")
    assert (found.problem, played.asked) == ("url", [])


def test_requests_that_differ_only_in_their_body_or_their_secret_are_two() -> None:
    played = Played([Fetched(400), Fetched(401), Fetched(402)])
    inquiry = Inquiry(Memory(), Egress())
    found = [
        played.run(inquiry.post_form("https://as.example/t", {"client_id": "a"})),
        played.run(inquiry.post_form("https://as.example/t", {"client_id": "b"})),
        played.run(inquiry.post_form("https://as.example/t", {"client_id": "b"}, basic=("b", {"env": "X"}))),
    ]
    assert [answer.status for answer in found] == [400, 401, 402]


@settings(max_examples=50)
@given(st.sampled_from(["https://a.example", "https://A.example:443/x", "https://b.example", "http://a.example", "x"]))
def test_an_origin_is_scheme_host_and_port(url: str) -> None:
    assert same_origin("https://a.example/y", url) is (url.lower().startswith("https://a.example"))


def test_what_somebody_else_is_asking_is_not_asked_twice() -> None:
    """Many servers share an authorization server; their gates come at the same moment."""
    memory, request = Memory(), Fetch("GET", "https://a.example.com/metadata")
    first = Inquiry(memory, Egress()).ask(request)
    second = Inquiry(memory, Egress()).ask(request)
    assert isinstance(next(first), Now)
    assert first.send(0.0) == request
    assert isinstance(next(second), Sleep)
    assert isinstance(second.send(None), Sleep)
    assert isinstance(first.send(Fetched(200)), Now)
    with pytest.raises(StopIteration):
        first.send(1.0)
    assert isinstance(second.send(None), Now)
    with pytest.raises(StopIteration) as end:
        second.send(1.1)
    assert end.value.value == Fetched(200)


def test_an_asker_that_is_cut_off_leaves_the_question_to_the_next() -> None:
    memory, request = Memory(), Fetch("GET", "https://a.example.com/metadata")
    first = Inquiry(memory, Egress()).ask(request)
    next(first)
    first.send(0.0)
    first.close()
    second = Inquiry(memory, Egress()).ask(request)
    assert isinstance(next(second), Now)
    assert second.send(0.0) == request
