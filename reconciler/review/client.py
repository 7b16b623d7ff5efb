"""Calls to a forge's API: patient with rate limits and outages, and never telling its token.

Waiting follows GitHub's advice for its limits (docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-
rest-api): `retry-after`, else `x-ratelimit-reset` once nothing remains, else longer every time. GitLab sends
`retry-after` and `ratelimit-reset`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx

from reconciler.model.diagnostic import Refused, error
from reconciler.model.secret import Secret

_TRIES = 5
_LONGEST = 120.0
"""Seconds; who would have to wait longer is better told."""
_TIMEOUT = 30.0
_MOST_PAGES = 100


class ForgeClient:
    """`pause` waits that many seconds; `now` is the time in seconds since 1970."""

    def __init__(
        self, api: str, headers: Mapping[str, Secret | str], pause: Callable[[float], None], now: Callable[[], float]
    ) -> None:
        self._origin = urlsplit(api)[:2]
        self._api = api
        self._pause = pause
        self._now = now
        self._headers = headers
        self._client = httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=True)

    def close(self) -> None:
        self._client.close()

    def send(self, method: str, path: str, body: Any = None, may_repeat: bool = True) -> httpx.Response:
        """The answer, of whatever status below 500; without `may_repeat` a request that may have arrived isn't sent
        again. A `body` of bytes is sent as it is, any other as JSON. Raises Refused `review.unreachable`,
        `review.limited`."""
        content = {"content": body} if isinstance(body, bytes) else {"json": body}
        url = path if "://" in path else f"{self._api}{path}"
        if urlsplit(url)[:2] != self._origin:
            raise Refused([error("review.unreachable", f"The forge refers to another host than {self._api}")])
        problem = ""
        for attempt in range(_TRIES):
            try:
                answer = self._client.request(method, url, headers=self._revealed(), **content)
            except httpx.TransportError as failed:
                problem = type(failed).__name__
                arrived = not isinstance(failed, httpx.ConnectError | httpx.ConnectTimeout)
                if arrived and not may_repeat:
                    raise Refused([_unreachable(self._api, problem)]) from None
                wait = 2.0**attempt
            else:
                problem = f"it answered {answer.status_code}"
                limited = self._limited(answer)
                if limited is None and (answer.status_code < 500 or not may_repeat):
                    return answer
                wait = 2.0**attempt if limited is None else limited
            if wait > _LONGEST:
                raise Refused([error("review.limited", f"{self._api} takes no more requests for {wait:.0f} seconds")])
            if attempt + 1 < _TRIES:
                self._pause(wait)
        raise Refused([_unreachable(self._api, problem)])

    def listed(self, path: str) -> Iterator[Any]:
        """The items of a list, page by page (`link: <...>; rel="next"`, which both forges send)."""
        url: str | None = path
        for _ in range(_MOST_PAGES):
            if url is None:
                return
            answer = self.send("GET", url)
            require(answer, "list what is there")
            yield from answer.json()
            url = answer.links.get("next", {}).get("url")

    def _limited(self, answer: httpx.Response) -> float | None:
        """Seconds to wait where the answer is that there were too many requests."""
        headers = answer.headers
        spent = headers.get("x-ratelimit-remaining") == "0"
        if answer.status_code != 429 and not (answer.status_code == 403 and (spent or "retry-after" in headers)):
            return None
        if headers.get("retry-after", "").isdigit():
            return float(headers["retry-after"])
        reset = headers.get("x-ratelimit-reset") or headers.get("ratelimit-reset", "")
        return max(1.0, float(reset) - self._now()) if reset.isdigit() else 60.0

    def _revealed(self) -> dict[str, str]:
        return {name: v.reveal() if isinstance(v, Secret) else v for name, v in self._headers.items()}


def require(answer: httpx.Response, doing: str) -> Any:
    """The answer's JSON; Refused where it isn't a success."""
    if answer.is_success:
        return answer.json()
    detail = {
        401: "The token isn't valid.",
        403: "The token lacks a permission: to write pull-requests, statuses, issues (GitHub); the scope api (GitLab).",
        404: "The token doesn't see the project, or there is no such pull or merge request.",
    }.get(answer.status_code, "")
    code = "auth.forge" if answer.status_code in (401, 403) else "review.refused"
    raise Refused([error(code, f"The forge refused to {doing}: it answered {answer.status_code}", detail)])


def _unreachable(api: str, problem: str) -> Any:
    return error("review.unreachable", f"{api} can't be reached: {problem}", "Run the job again.")
