"""Rate limits for each method and path, and the headers that tell of them (okta-api: rate limits)."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW = 60.0
"""Seconds."""

_SHOWN_WITHOUT_LIMIT = 600


@dataclass(slots=True)
class _Bucket:
    until: float
    used: int = 0


class Limits:
    """`rate` requests a minute for each bucket; 0 for no limit, but with headers as if there were one."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._buckets: dict[str, _Bucket] = {}

    def take(self, bucket: str, now: float) -> tuple[bool, dict[str, str]]:
        """Whether one more request is within the limit, and the headers of its answer."""
        if self._rate == 0:
            return True, headers(_SHOWN_WITHOUT_LIMIT, _SHOWN_WITHOUT_LIMIT - 1, now + WINDOW)
        found = self._buckets.get(bucket)
        if found is None or found.until <= now:
            found = self._buckets[bucket] = _Bucket(now + WINDOW)
        found.used += 1
        remaining = max(self._rate - found.used, 0)
        return found.used <= self._rate, headers(self._rate, remaining, found.until)


def headers(limit: int, remaining: int, reset: float) -> dict[str, str]:
    """`reset` in epoch seconds. A limit of 0 tells a client that too many of its requests are in flight."""
    return {
        "X-Rate-Limit-Limit": str(limit),
        "X-Rate-Limit-Remaining": str(remaining),
        "X-Rate-Limit-Reset": str(int(-(-reset // 1))),
    }
