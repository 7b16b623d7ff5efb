"""Asking foreign hosts: with patience for what passes, a memory of what was answered, and an end to insisting."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from reconciler.model.address import Address
from reconciler.ports import Conversation, Fetch, Fetched, Now, Sleep
from reconciler.readiness.egress import Egress, Forbidden, place_of
from reconciler.readiness.finding import GIVEN_UP, TRANSIENT, quoted
from reconciler.readiness.gate import CheckResult
from reconciler.readiness.payload import FORM

METADATA, NEGATIVE, CREDENTIALS = 300.0, 30.0, 900.0
"""Seconds for which an answer is kept: metadata, anything but a success, an answer about credentials."""

_ATTEMPTS = 3
_PATIENCE = 10.0
_BUDGET = 30.0
_CIRCUIT = 3
_TURN = 0.05
"""Seconds between two looks at whether somebody else's answer is there."""
_UNREACHED = ("timeout", "connect", "broken")


@dataclass(slots=True)
class Memory:
    """What was answered and found, shared by all checks of one run of the program; times are of Now(). `asking` is
    what is being asked at this moment: many servers share an authorization server, which is asked once. `unreached`
    has, by host, why each of the requests got no answer that got none."""

    answers: dict[str, tuple[float, Fetched]] = field(default_factory=dict)
    results: dict[Address, tuple[float, tuple[CheckResult, ...]]] = field(default_factory=dict)
    unreached: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    asking: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that was made for a resource, and what came of it."""

    request: Fetch
    answer: Fetched
    may_redirect: bool = False


class Unasked(Exception):
    """The host is not there to be asked; the message says so, in words for a user."""


class Inquiry:
    """The requests made for one resource; `trace` remembers them, and `oldest` when the oldest answer was given. None
    is made once `_BUDGET` seconds are spent, and none to a host that is not among `hosts`, unless that is None."""

    def __init__(
        self, memory: Memory, egress: Egress, max_age: float = METADATA, hosts: frozenset[str] | None = None
    ) -> None:
        self.trace: list[Exchange] = []
        self.oldest = math.inf
        self._hosts = hosts
        self._memory = memory
        self._egress = egress
        self._max_age = max_age
        self._spent = 0.0

    def get(self, url: str, limit: int = 65_536) -> Conversation[Fetched]:
        return (yield from self.ask(Fetch("GET", url, limit=limit)))

    def post_form(self, url: str, form: Mapping[str, Any], **more: Any) -> Conversation[Fetched]:
        """`more` are further fields of Fetch."""
        return (yield from self.ask(Fetch("POST", url, body=form, content_type=FORM, **more), CREDENTIALS))

    def ask(
        self, request: Fetch, keep: float = METADATA, *, may_redirect: bool = False, once: bool = False
    ) -> Conversation[Fetched]:
        """The answer, perhaps one given not long ago (never longer than the `max_age` of this inquiry). `once` is for
        a request that changes something: it is made now, and not again. Raises Unasked."""
        self._require_askable(request.url)
        key = _digest(request)
        while not once and key in self._memory.asking:
            yield Sleep(_TURN, "another check is asking the same")
        now: float = yield Now()
        at, answer = self._memory.answers.get(key, (0.0, None))
        if once or answer is None or now - at > min(self._max_age, keep if _is_good(answer) else NEGATIVE):
            self._memory.asking.add(key)
            try:
                answer = yield from self._insist(request, key, 1 if once else _ATTEMPTS)
            finally:
                self._memory.asking.discard(key)
            at = yield Now()
            self._spent += at - now
            self._memory.answers[key] = (at, answer)
        self.oldest = min(self.oldest, at)
        self.trace.append(Exchange(request, answer, may_redirect))
        return answer

    def _require_askable(self, url: str) -> None:
        if self._hosts is None:
            return
        try:
            host = place_of(url, self._egress).host
        except Forbidden:
            return
        if host not in self._hosts:
            raise Unasked(f"{quoted(host)} is not asked here")

    def _insist(self, request: Fetch, key: str, attempts: int) -> Conversation[Fetched]:
        try:
            host = place_of(request.url, self._egress).host
        except Forbidden as reason:
            return Fetched(0, problem="url", detail=str(reason))
        if self._spent > _BUDGET:
            return Fetched(0, problem="timeout", detail=f"the {_BUDGET:.0f} s for this resource are spent")
        failures = self._memory.unreached[host]
        if len(failures) >= _CIRCUIT:
            return Fetched(0, problem=GIVEN_UP, detail=failures[-1])
        answer = Fetched(0)
        for attempt in range(attempts):
            if attempt:
                yield Sleep(_delay(answer, key, attempt), f"asking {host} again")
            answer = yield request
            if not _may_pass(answer) or _wants_more_patience(answer):
                break
        if answer.problem in _UNREACHED:
            failures.append(answer.detail)
        return _with_patience(answer)


def _is_good(answer: Fetched) -> bool:
    return answer.problem is None and answer.status < 400


def _may_pass(answer: Fetched) -> bool:
    """Worth another try. A timeout isn't: it cost its whole deadline already."""
    return answer.problem == "connect" or answer.status >= 500 or answer.status in TRANSIENT


def _retry_after(answer: Fetched) -> float:
    value = answer.headers.get("retry-after", "")
    return float(value) if value.isascii() and value.isdigit() and len(value) < 7 else 0.0


def _wants_more_patience(answer: Fetched) -> bool:
    return _retry_after(answer) > _PATIENCE


def _with_patience(answer: Fetched) -> Fetched:
    if _wants_more_patience(answer):
        return replace(answer, detail=f"asks to be left alone for {_retry_after(answer):.0f} s")
    return answer


def _delay(answer: Fetched, key: str, attempt: int) -> float:
    """Full jitter below 0.5 s doubled at each attempt; drawn from the request, so that a run can be repeated."""
    share: float = int(hashlib.sha256(f"{key}{attempt}".encode()).hexdigest()[:8], 16) / 0xFFFFFFFF
    return max(_retry_after(answer), share * min(4.0, 0.5 * (2.0**attempt)))


def _digest(request: Fetch) -> str:
    parts = [request.method, request.url, sorted(request.headers.items()), request.body, request.basic]
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port, by which two URLs are of the same origin (RFC 6454). ValueError if it isn't a URL."""
    parts = urlsplit(url)
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return parts.scheme.lower(), (parts.hostname or "").lower(), port


def same_origin(one: str, other: str) -> bool:
    try:
        return origin(one) == origin(other)
    except ValueError:
        return False
