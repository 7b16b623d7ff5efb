"""Lists in pages: the enveloped ones of the newer APIs and the bare arrays of the classic ones, both with Link."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import urlencode

from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import Cause, invalid
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.filters import Allowed, parse_filter
from reconciler.sandbox.org import Org


class Limit(NamedTuple):
    """How many objects a page has, if the request doesn't say, and at most."""

    default: int
    most: int


CLASSIC = Limit(200, 200)
_NEWER = Limit(20, 200)
Render = Callable[[Item], dict[str, Any]]
Entry = tuple[int, dict[str, Any]]
"""A rendered object and its sequence number, which is what a cursor points to."""


def enveloped(request: Request, entries: Iterator[Entry], allowed: tuple[str, Allowed] | None = None) -> Response:
    """`{"data": [...], "_links": {...}}`; `allowed` is the name of the filter parameter and what it may say."""
    page, following = _cut(request, entries, _NEWER, allowed)
    links = {"self": {"href": request.base + _target(request, dict(request.query))}}
    if following:
        links["next"] = {"href": following}
    return Response(200, {"data": page, "_links": links}, _link_header(request, following))


def arrayed(
    request: Request,
    entries: Iterator[Entry],
    allowed: tuple[str, Allowed] | None = None,
    limit: Limit = CLASSIC,
) -> Response:
    """A bare array, its paging only in the Link header."""
    page, following = _cut(request, entries, limit, allowed)
    return Response(200, page, _link_header(request, following))


def entries(org: Org, request: Request, kind: str, render: Render, parent: str | None = None) -> Iterator[Entry]:
    """The stored objects of a kind from the request's cursor on."""
    before = org.now() - request.stale_seconds if request.stale_seconds else None
    for item in org.db.scan(kind, parent, cursor(request), before):
        yield item.seq, render(item)


def cursor(request: Request) -> int:
    text = request.query.get("after", "")
    try:
        return int(text, 16) if text else 0
    except ValueError:
        raise invalid("after", Cause("The cursor is not one this list gave", "INVALID_CURSOR")) from None


def _cut(
    request: Request, found: Iterator[Entry], bounds: Limit, allowed: tuple[str, Allowed] | None
) -> tuple[list[dict[str, Any]], str | None]:
    limit = _limit(request, bounds)
    if allowed and (text := request.query.get(allowed[0])):
        predicate = parse_filter(text, allowed[1])
        found = (entry for entry in found if predicate(entry[1]))
    page = list(islice(found, limit + 1))
    following = None
    if len(page) > limit:
        after = f"{page[limit - 1][0]:x}"
        following = request.base + _target(request, {**request.query, "after": after, "limit": str(limit)})
    return [shown for _, shown in page[:limit]], following


def _limit(request: Request, bounds: Limit) -> int:
    text = request.query.get("limit", str(bounds.default))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= bounds.most):
        raise invalid("limit", Cause(f"limit must be a number from 1 to {bounds.most}"))
    return int(text)


def _target(request: Request, query: dict[str, str]) -> str:
    return f"{request.path}?{urlencode(query)}" if query else request.path


def _link_header(request: Request, following: str | None) -> dict[str, str]:
    own = f'<{request.base}{_target(request, dict(request.query))}>; rel="self"'
    return {"Link": f'{own}, <{following}>; rel="next"' if following else own}
