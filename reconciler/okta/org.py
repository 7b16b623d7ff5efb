"""The org's own names: its id, read once, and the ORNs that are built from it because no answer shows them."""

from __future__ import annotations

from reconciler.okta.errors import refusal
from reconciler.okta.names import ORG, PREVIEW_HOSTS, WELL_KNOWN_ORG, dig, text
from reconciler.okta.pages import Item
from reconciler.okta.retry import ask
from reconciler.ports import Call, Conversation


class OrgNames:
    """What the org told once is kept: an org doesn't change its id."""

    def __init__(self) -> None:
        self._known: tuple[str, str] | None = None

    def authorization_server(self, server_id: str) -> Conversation[str]:
        """`orn:okta:idp:{org}:authorization_servers:{id}`."""
        if self._known is None:
            org = yield from _read_org()
            self._known = (_partition(org), str(org["id"]))
        partition, org_id = self._known
        return f"orn:{partition}:idp:{org_id}:authorization_servers:{server_id}"


def _read_org() -> Conversation[Item]:
    call = Call("GET", ORG)
    answer = yield from ask(call)
    if answer.status in (403, 404):
        # A service app without okta.orgs.read: the public document says the same.
        call = Call("GET", WELL_KNOWN_ORG)
        answer = yield from ask(call)
    if not answer.ok or text(dig(answer.body, "id")) is None:
        raise refusal(call, answer)
    org: Item = answer.body
    return org


def _partition(org: Item) -> str:
    """Told by the host in the org's own links: no field says it."""
    links = org.get("_links")
    hrefs = [text(dig(link, "href")) or "" for link in links.values()] if isinstance(links, dict) else []
    return "oktapreview" if any(PREVIEW_HOSTS in href for href in hrefs) else "okta"
