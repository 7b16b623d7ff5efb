"""The System Log (`/api/v1/logs`), as far as it says who changed what: okta-api, System Log and its event types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.attribution import LogEvent
from reconciler.okta.errors import printable, refusal
from reconciler.okta.names import dig, text
from reconciler.okta.pages import next_page
from reconciler.okta.retry import ask
from reconciler.ports import Call, Conversation

LOGS = "/api/v1/logs"
_WANTED = ("resource_servers.", "app.oauth2.as.", "policy.")
_PAGE = "1000"
_SHOWN = 80


class Log(NamedTuple):
    """`is_whole` is false where there was more than was read."""

    events: tuple[LogEvent, ...]
    is_whole: bool = True


def read_log(since: str, pages: int = 20) -> Conversation[Log]:
    """What was changed from `since` (ISO 8601) on, oldest first; at most so many `pages` of a thousand entries."""
    wanted = " or ".join(f'eventType sw "{prefix}"' for prefix in _WANTED)
    call = Call("GET", LOGS, {"since": since, "filter": wanted, "sortOrder": "ASCENDING", "limit": _PAGE})
    found: dict[str, LogEvent] = {}
    for _ in range(pages):
        answer = yield from ask(call)
        if not answer.ok or not isinstance(answer.body, list):
            raise refusal(call, answer)
        for entry in answer.body:
            event = _event(entry)
            if event is not None:
                found.setdefault(text(dig(entry, "uuid")) or f"#{len(found)}", event)
        following = next_page(answer)
        # The log of the present has always a next page; an empty one is its end.
        if following is None or not answer.body:
            return Log(tuple(found.values()))
        call = Call("GET", following)
    return Log(tuple(found.values()), is_whole=False)


def _event(entry: Any) -> LogEvent | None:
    kind, at = text(dig(entry, "eventType")), text(dig(entry, "published"))
    if kind is None or at is None or dig(entry, "outcome", "result") not in ("SUCCESS", "ALLOW", None):
        return None
    listed = dig(entry, "target")
    targets = [target for target in listed if isinstance(target, Mapping)] if isinstance(listed, list) else []
    ids = tuple(identity for target in targets if (identity := text(target.get("id"))) is not None)
    became = next((to for target in targets if isinstance(to := dig(target, "changeDetails", "to"), Mapping)), {})
    return LogEvent(kind, at, _who(entry), _client(entry), ids, tuple((str(n), v) for n, v in became.items()))


def _who(entry: Any) -> str:
    names = (text(dig(entry, "actor", name)) for name in ("alternateId", "displayName", "id"))
    known = next((name for name in names if name and name != "unknown"), "somebody")
    return printable(known, _SHOWN)


def _client(entry: Any) -> str:
    """What it was done with: the user agent, else the address it came from."""
    agent, address = text(dig(entry, "client", "userAgent", "rawUserAgent")), text(dig(entry, "client", "ipAddress"))
    return printable(agent or (f"a client at {address}" if address else ""), _SHOWN)
