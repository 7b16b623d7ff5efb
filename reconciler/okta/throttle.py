"""Staying below the rate limit by what the server says is left of it, so that others in the org aren't starved.

Okta API reference, "Rate limits": `X-Rate-Limit-Limit`, `-Remaining` and `-Reset` are per method and path, and shared
by everybody in the org who uses the same credentials or none of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

from reconciler.okta.retry import DEADLINE, seconds_to_reset
from reconciler.ports import Answer

_MARGIN = 0.1


@dataclass(slots=True)
class _Window:
    """`left` is what may still be sent before `ends`: what the server said was left, less our share's rest."""

    left: float
    ends: float


class Throttle:
    """One budget for each bucket. Times are seconds of a monotonic clock, given by the caller."""

    def __init__(self, budget_percent: int) -> None:
        self._kept_free = 1 - budget_percent / 100
        self._windows: dict[str, _Window] = {}
        self._in_flight: dict[str, int] = {}

    def delay(self, bucket: str, now: float) -> float:
        """Seconds to wait before a call of this bucket may be sent."""
        window = self._windows.get(bucket)
        if window is None or now >= window.ends:
            return 0.0
        return window.ends - now if window.left < 1 else 0.0

    def sent(self, bucket: str) -> None:
        self._in_flight[bucket] = self._in_flight.get(bucket, 0) + 1
        if (window := self._windows.get(bucket)) is not None:
            window.left -= 1

    def heard(self, bucket: str, answer: Answer, now: float) -> None:
        """Learn from the headers of an answer; those of a concurrency limit (limit 0) say nothing of the budget."""
        self._in_flight[bucket] -= 1
        limit = answer.headers.get("x-rate-limit-limit", "")
        remaining = answer.headers.get("x-rate-limit-remaining", "")
        if not (limit.isdecimal() and remaining.isdecimal()) or int(limit) == 0:
            return
        seconds = seconds_to_reset(answer)
        if seconds is None or seconds > DEADLINE:
            # Nobody waits for so long: the next refusal is told, with its reason.
            return
        # Calls in flight may or may not be counted in what remains; they are taken not to be.
        left = int(remaining) - self._in_flight[bucket] - int(limit) * self._kept_free
        self._windows[bucket] = _Window(left, now + seconds + _MARGIN)
