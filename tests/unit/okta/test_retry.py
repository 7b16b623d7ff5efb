"""Rate limits, momentary conflicts and broken connections are waited out; nothing is done twice."""

from __future__ import annotations

from email.utils import formatdate

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.okta.names import UNREADABLE
from reconciler.okta.retry import DEADLINE, ask
from reconciler.ports import Answer, Call
from tests.unit.okta.stage import EPOCH, LOST, Stage, ok, okta_error

GET, POST, DELETE = Call("GET", "/x"), Call("POST", "/x", body={}), Call("DELETE", "/x")


def limited(reset_in: float, limit: str = "60", at: float = EPOCH) -> Answer:
    return okta_error(
        429,
        "E0000047",
        x_rate_limit_limit=limit,
        x_rate_limit_remaining="0",
        x_rate_limit_reset=str(int(at + reset_in)),
        date=formatdate(at, usegmt=True),
    )


@pytest.mark.parametrize("call", [GET, POST, DELETE])
def test_a_rate_limit_is_waited_out_by_the_servers_own_clock(call: Call) -> None:
    stage = Stage([limited(17), ok({"id": "1"})])
    assert stage.play(ask(call, "create")).ok
    assert len(stage.slept) == 1
    assert 17 <= stage.slept[0] < 20


def test_a_concurrency_limit_is_backed_off_from_without_trusting_its_reset() -> None:
    stage = Stage([limited(250, limit="0"), limited(250, limit="0"), ok()])
    assert stage.play(ask(GET)).ok
    assert stage.slept[0] < stage.slept[1] < 5


def test_a_rate_limit_without_a_date_is_backed_off_from() -> None:
    stage = Stage([okta_error(429, "E0000047", x_rate_limit_limit="60", x_rate_limit_reset="99"), ok()])
    assert stage.play(ask(POST, "create")).ok
    assert stage.slept[0] <= 1


@pytest.mark.parametrize(
    ("answer", "least", "most"),
    [
        (limited(1), 1, 4),
        (limited(60), 60, 63),
        (limited(-3600), 0.1, 3),
        (okta_error(429, "E0000047", date=formatdate(EPOCH, usegmt=True)), 0.1, 1),
        (okta_error(429, "E0000047", x_rate_limit_reset="soon", date=formatdate(EPOCH, usegmt=True)), 0.1, 1),
        (okta_error(429, "E0000047", x_rate_limit_reset="-1", date="yesterday"), 0.1, 1),
        (okta_error(429, "E0000047", x_rate_limit_reset=str(int(EPOCH) + 9), date=""), 0.1, 1),
    ],
    ids=["1 s", "60 s", "in the past", "missing", "garbage", "no date", "no clock"],
)
def test_whatever_a_rate_limit_says_of_its_end(answer: Answer, least: float, most: float) -> None:
    stage = Stage([answer, ok()])
    assert stage.play(ask(POST, "create")).ok
    assert len(stage.slept) == 1
    assert least <= stage.slept[0] <= most


def test_a_rate_limit_that_ends_tomorrow_is_not_waited_out() -> None:
    stage = Stage([limited(86_400)])
    assert stage.play(ask(POST, "create")).status == 429
    assert stage.slept == []


def test_waiting_ends_at_a_deadline() -> None:
    stage = Stage(lambda call: limited(45))
    assert stage.play(ask(GET)).status == 429
    assert stage.now <= DEADLINE


@pytest.mark.parametrize(("status", "code"), [(423, "E0000239"), (409, "E0000268")])
def test_a_momentary_conflict_is_tried_again_even_for_a_post(status: int, code: str) -> None:
    stage = Stage([okta_error(status, code), okta_error(status, code), ok()])
    assert stage.play(ask(POST, "policy")).ok
    assert len(stage.calls) == 3


@pytest.mark.parametrize(
    "broken", [LOST, okta_error(500, "E0000009"), okta_error(503, "E0000010"), Answer(502), Answer(504)]
)
def test_what_may_have_happened_is_repeated_only_where_twice_is_once(broken: Answer) -> None:
    assert Stage([broken, ok()]).play(ask(GET)).ok
    assert Stage([broken, ok()]).play(ask(DELETE, "delete")).ok
    assert Stage([broken, ok()]).play(ask(POST, "activate", repeatable=True)).ok
    once = Stage([broken])
    assert once.play(ask(POST, "create")) is broken
    assert len(once.calls) == 1


def test_a_connection_that_stays_broken_is_given_up() -> None:
    stage = Stage(lambda call: LOST)
    assert stage.play(ask(GET)) is LOST
    assert 3 <= len(stage.calls) <= 6


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 501])
def test_a_verdict_is_not_argued_with(status: int) -> None:
    stage = Stage([okta_error(status, "E0000001")])
    assert stage.play(ask(GET)).status == status


def test_the_same_call_waits_the_same_time_in_every_run_and_others_do_not() -> None:
    def slept(path: str) -> list[float]:
        stage = Stage(lambda call: LOST)
        stage.play(ask(Call("GET", path)))
        return stage.slept

    assert slept("/a") == slept("/a")
    assert slept("/a") != slept("/b")


def test_success_that_is_not_json_is_told_and_not_believed() -> None:
    page = Answer(200, {UNREADABLE: "<html> Sign in", "content-type": "text/html"})
    with pytest.raises(Refused, match="HTML, beginning") as refused:
        Stage([page]).play(ask(GET))
    assert refused.value.diagnostics[0].code == "okta.http-200"
