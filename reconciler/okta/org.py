"""The org's own names: its id, read once, and the ORNs that are built from it because no answer shows them."""

from __future__ import annotations

from reconciler.okta.errors import refusal
from reconciler.okta.names import ORG, WELL_KNOWN_ORG, dig, text
from reconciler.okta.retry import ask
from reconciler.ports import Call, Conversation


class OrgNames:
    """`partition` is the first part of every ORN: `okta`, or `oktapreview` on a preview org."""

    def __init__(self, partition: str = "okta") -> None:
        self.partition = partition
        self._id: str | None = None

    @classmethod
    def at(cls, org_url: str) -> OrgNames:
        return cls("oktapreview" if org_url.rstrip("/").endswith(".oktapreview.com") else "okta")

    def authorization_server(self, server_id: str) -> Conversation[str]:
        """`orn:okta:idp:{org}:authorization_servers:{id}`."""
        if self._id is None:
            self._id = yield from _read_id()
        return f"orn:{self.partition}:idp:{self._id}:authorization_servers:{server_id}"


def _read_id() -> Conversation[str]:
    call = Call("GET", ORG)
    answer = yield from ask(call)
    if answer.status in (403, 404):
        # A service app without okta.orgs.read: the public document says the same.
        call = Call("GET", WELL_KNOWN_ORG)
        answer = yield from ask(call)
    found = text(dig(answer.body, "id"))
    if not answer.ok or found is None:
        raise refusal(call, answer)
    return found
