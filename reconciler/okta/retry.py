"""Asking until there is an answer worth having: rate limits, momentary conflicts, broken connections.

Okta API reference, "Rate limits": wait until `X-Rate-Limit-Reset` by the server's own clock. A 429 whose limit is 0 is
the concurrency limit, and its reset only a suggestion.
"""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from zlib import crc32

from reconciler.apply.waiting import Wait
from reconciler.okta.errors import error_code, refusal
from reconciler.okta.names import UNREADABLE
from reconciler.ports import Answer, Call, Conversation, Now, Read, Send

DEADLINE = 300.0
"""Seconds after the first refusal until the last one is taken for the answer."""
_BROKEN_ATTEMPTS = 5
_LONGEST = 30.0
_MOMENTARY = {(423, "E0000239"), (409, "E0000268")}
"""Policy priorities being reconciled; a concurrent change. Nothing was written."""


def ask(call: Call, purpose: str = "", *, repeatable: bool | None = None) -> Conversation[Answer]:
    """The answer to `call`; its refusals for the moment are waited out.

    A call that may have been carried out without our hearing of it is only repeated if it is `repeatable` (by default
    all but POST): doing it twice must be the same as doing it once. Raises Refused for an answer that is not JSON.
    """
    again = call.method != "POST" if repeatable is None else repeatable
    started: float | None = None
    attempt = 0
    while True:
        answer: Answer = yield Read(call) if call.method == "GET" else Send(call, purpose)
        if answer.ok:
            if UNREADABLE in answer.headers:
                raise refusal(call, answer, None, purpose)
            return answer
        pause = _pause(call, answer, attempt, again)
        if pause is None:
            return answer
        now: float = yield Now()
        started = now if started is None else started
        if now + pause - started > DEADLINE:
            return answer
        yield Wait(pause, f"status {answer.status}" if answer.status else "connection lost")
        attempt += 1


def server_time(answer: Answer) -> float | None:
    """Seconds since the epoch by the server's clock (its Date header), if it told."""
    try:
        return parsedate_to_datetime(answer.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def seconds_to_reset(answer: Answer) -> float | None:
    """Seconds until the rate limit's window ends, by the server's clock; None if it can't be known."""
    now = server_time(answer)
    reset = answer.headers.get("x-rate-limit-reset", "")
    return max(0.0, float(reset) - now) if now is not None and reset.isdecimal() else None


def _pause(call: Call, answer: Answer, attempt: int, again: bool) -> float | None:
    """Seconds to wait before the same call is made again; None if it must not be."""
    backoff: float = min(_LONGEST, 0.5 * 2 ** min(attempt, 10)) * (1 + _jitter(call, attempt))
    if answer.status == 429:
        if answer.headers.get("x-rate-limit-limit") == "0":
            return backoff
        window = seconds_to_reset(answer)
        return backoff if window is None else window + 0.2 + 2 * _jitter(call, attempt)
    if (answer.status, error_code(answer)) in _MOMENTARY:
        return backoff
    broken = answer.status in (0, 408, 500, 502, 503, 504)
    return backoff if broken and (again or not answer.sent) and attempt + 1 < _BROKEN_ATTEMPTS else None


def _jitter(call: Call, attempt: int) -> float:
    """Between 0 and 1 and always the same for the same call, so that a recorded run can be played again."""
    return crc32(f"{call.method} {call.path} {attempt}".encode()) / 2**32
