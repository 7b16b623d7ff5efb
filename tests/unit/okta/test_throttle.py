"""The budget keeps a share of the org's rate limit for others, by what the headers say."""

from __future__ import annotations

from email.utils import formatdate

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.okta.names import bucket
from reconciler.okta.throttle import Throttle
from reconciler.ports import Answer
from tests.unit.okta.stage import EPOCH


def told(remaining: int, limit: int = 60, seconds: float = 30) -> Answer:
    headers = {
        "x-rate-limit-limit": str(limit),
        "x-rate-limit-remaining": str(remaining),
        "x-rate-limit-reset": str(int(EPOCH + seconds)),
        "date": formatdate(EPOCH, usegmt=True),
    }
    return Answer(200, headers)


def after(throttle: Throttle, answer: Answer, now: float = 0.0) -> None:
    throttle.sent("b")
    throttle.heard("b", answer, now)


def test_nobody_waits_before_anything_is_known() -> None:
    assert Throttle(80).delay("b", 0) == 0


def test_it_stops_short_of_what_is_left_to_others() -> None:
    throttle = Throttle(80)
    after(throttle, told(13))
    assert throttle.delay("b", 0) == 0
    after(throttle, told(12))
    assert 30 <= throttle.delay("b", 0) < 31
    assert 10 <= throttle.delay("b", 20) < 11
    assert throttle.delay("b", 31) == 0
    assert throttle.delay("another", 0) == 0


def test_all_of_it_may_be_used_if_that_is_the_budget() -> None:
    throttle = Throttle(100)
    after(throttle, told(1))
    assert throttle.delay("b", 0) == 0
    throttle.sent("b")
    assert throttle.delay("b", 0) > 0


def test_calls_in_flight_are_counted() -> None:
    throttle = Throttle(100)
    for _ in range(5):
        throttle.sent("b")
    throttle.heard("b", told(4), 0)
    assert throttle.delay("b", 0) > 0


def test_a_concurrency_limit_and_answers_without_headers_say_nothing() -> None:
    throttle = Throttle(80)
    after(throttle, told(0, limit=0))
    after(throttle, Answer(0, lost="broke"))
    after(throttle, Answer(200, {"x-rate-limit-limit": "x", "x-rate-limit-remaining": "-1"}))
    assert throttle.delay("b", 0) == 0


def test_nobody_waits_for_a_window_that_a_refusal_would_not_be_waited_out_for() -> None:
    throttle = Throttle(80)
    for seconds in (3600, 1e12):
        after(throttle, told(0, seconds=seconds))
        assert throttle.delay("b", 0) == 0


@settings(max_examples=60)
@given(st.integers(5, 200), st.integers(10, 100), st.integers(1, 400))
def test_no_window_sees_more_than_our_share(limit: int, percent: int, wanted: int) -> None:
    """A server that counts in windows of a minute, and a client that sends as soon as it may."""
    throttle, now = Throttle(percent), 0.0
    used: dict[int, int] = {}
    for _ in range(wanted):
        now += throttle.delay("b", now)
        window = int(now // 60)
        used[window] = used.get(window, 0) + 1
        throttle.sent("b")
        remaining = limit - used[window]
        headers = {
            "x-rate-limit-limit": str(limit),
            "x-rate-limit-remaining": str(max(remaining, 0)),
            "x-rate-limit-reset": str(int(EPOCH) + (window + 1) * 60),
            "date": formatdate(EPOCH + int(now), usegmt=True),
        }
        throttle.heard("b", Answer(200, headers), now)
    assert max(used.values()) <= max(1, limit * percent / 100)


def test_ids_make_no_bucket_of_their_own() -> None:
    one = bucket("GET", "/resource-servers/api/v1/mcp-servers/ems1/authorization-servers?after=x")
    other = bucket("GET", "/resource-servers/api/v1/mcp-servers/activate2/authorization-servers")
    assert one == other == "GET /resource-servers/api/v1/mcp-servers/*/authorization-servers"
    assert bucket("GET", "/api/v1/authorizationServers") != bucket("POST", "/api/v1/authorizationServers")
