"""Reading objects and whole lists: paging by `Link` and `_links.next`, and 404 understood, once for all, as gone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.okta.errors import refusal
from reconciler.okta.names import PAGE, dig, text
from reconciler.okta.retry import ask, server_time
from reconciler.ports import Answer, Call, Conversation

Item = Mapping[str, Any]

_LINK = re.compile(r'<([^<>]*)>((?:[^,"<]|"[^"]*")*)')
_NEXT = re.compile(r';\s*rel\s*=\s*"?next"?\s*(;|$)', re.IGNORECASE)


class Listing(NamedTuple):
    """A whole list, and when it was read by the server's clock (seconds since the epoch, if it told)."""

    items: tuple[Item, ...]
    read_at: float | None


def fetch(path: str, address: Address | None = None) -> Conversation[Item | None]:
    """The object at `path`; None if it is gone."""
    call = Call("GET", path)
    answer = yield from ask(call)
    if answer.status == 404:
        return None
    if not answer.ok or not isinstance(answer.body, Mapping) or not text(answer.body.get("id")):
        raise refusal(call, answer, address)
    return None if answer.body.get("status") == "DELETED" else answer.body


def collect(path: str, address: Address | None = None) -> Conversation[Listing]:
    """Every object of the list at `path`, each once; none if what it belongs to is gone."""
    found: dict[Any, Item] = {}
    call = Call("GET", path, {"limit": PAGE})
    seen = {path}
    while True:
        answer = yield from ask(call)
        if answer.status == 404:
            return Listing((), server_time(answer))
        items = answer.body.get("data") if isinstance(answer.body, Mapping) else answer.body
        if not answer.ok or not isinstance(items, list) or not all(text(dig(item, "id")) for item in items):
            raise refusal(call, answer, address)
        for item in items:
            if item.get("status") != "DELETED":
                found.setdefault(item["id"], item)
        following = next_page(answer)
        if following is None:
            return Listing(tuple(found.values()), server_time(answer))
        if following in seen:
            raise Refused([error("okta.paging-loop", f"The pages of {path} lead back to one that was already read")])
        seen.add(following)
        call = Call("GET", following)


def next_page(answer: Answer) -> str | None:
    """The URL of the next page. It goes to the transport as it is, which refuses any origin but the live system's."""
    if (href := text(dig(answer.body, "_links", "next", "href"))) is not None:
        return href
    for match in _LINK.finditer(answer.headers.get("link", "")):
        if _NEXT.search(match[2]):
            return match[1]
    return None


def own_path(location: str) -> str:
    """Path and query of a Location, whatever its origin: what is asked next stays on the live system's own."""
    parts = urlsplit(location)
    path = parts.path if parts.path.startswith("/") else f"/{parts.path}"
    return f"{path}?{parts.query}" if parts.query else path
