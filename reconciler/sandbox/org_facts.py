"""The org itself (`/api/v1/org`) and its System Log (`/api/v1/logs`)."""

from __future__ import annotations

from datetime import datetime

from reconciler.sandbox import paging
from reconciler.sandbox.errors import Cause, invalid
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.org import Org, format_time

_EQ = frozenset({"eq"})
_TEXT = frozenset({"eq", "sw", "co"})
_FILTER = (
    "filter",
    {
        "eventType": _TEXT,
        "target.id": _EQ,
        "target.type": _EQ,
        "actor.id": _EQ,
        "actor.type": _EQ,
        "actor.alternateId": _TEXT,
        "outcome.result": _EQ,
    },
)
_LONG_AGO = "0000"
_NEVER = "9999"


def read(org: Org, request: Request) -> Response:
    return Response(200, {"id": org.id, "companyName": "Sandbox", "status": "ACTIVE"})


def read_logs(org: Org, request: Request) -> Response:
    """`since`, `until` (ISO 8601), `filter`, `sortOrder`, `limit`, `after`."""
    since, until = _time(request, "since", _LONG_AGO), _time(request, "until", _NEVER)
    after = paging.cursor(request) if "after" in request.query else None
    newest_first = request.query.get("sortOrder") == "DESCENDING"
    found = org.db.events(since, until, after, newest_first)
    return paging.arrayed(request, found, _FILTER, paging.Limit(100, 1000))


def _time(request: Request, name: str, default: str) -> str:
    text = request.query.get(name)
    if not text:
        return default
    try:
        return format_time(datetime.fromisoformat(text).timestamp())
    except (ValueError, OverflowError):
        raise invalid(name, Cause(f"{name} must be a time such as 2026-01-31T12:00:00.000Z")) from None
