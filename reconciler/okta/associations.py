"""Authorization servers of an MCP server: `eas...` rows, and `aus...` attached by their ORN.

okta-api: secures-ai-resource-servers, listmcpserverauthorizationservers. The rows of a discovered MCP server show only
what they were recognised by; what Okta detected of them is computed.
"""

from __future__ import annotations

from typing import Any

from reconciler.model.resource import Observed
from reconciler.okta.family import Family, orn_of, parent_of, status_of
from reconciler.okta.names import ASSOCIATION_FIELDS, ASSOCIATIONS, MCP_SERVERS, text, texts, under
from reconciler.okta.pages import Item
from reconciler.okta.proof import is_alike
from reconciler.ports import Target

_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "registration_endpoint")


class Associations(Family):
    kind = "association"
    fields = ASSOCIATION_FIELDS

    def collection(self, target: Target) -> str:
        return collection_of(parent_of(target).id)

    def show(self, item: Item, target: Target | None = None) -> Observed:
        parent = parent_of(target).id if target else ""
        return self.show_under(item, parent, discovered=target is not None and target.discovered)

    def show_under(self, item: Item, parent_id: str, *, discovered: bool) -> Observed:
        status, reason = status_of(item)
        handle = text(item.get("orn"))
        own = item.get("type") == "OKTA"
        attributes: dict[str, Any] = {"type": "OKTA" if own else "EXTERNAL"}
        issuer = text(item.get("issuer"))
        if not own:
            attributes |= {"issuer": issuer} if issuer else {}
            attributes |= {} if discovered else self._protocol(item)
        return Observed(
            kind=self.kind,
            id=str(item["id"]),
            attributes=attributes,
            status=status,
            parent_id=parent_id,
            handle=handle,
            reason=reason,
            links={"authorization_server": handle} if own and handle else {},
            computed={"issuer": issuer, "created": item.get("created"), "detected": item.get("detectedMetadata")},
        )

    def _protocol(self, item: Item) -> dict[str, Any]:
        endpoints = {name: text(item.get(self.fields[name])) for name in _ENDPOINTS}
        grants = item.get(self.fields["grant_types"])
        return {name: url for name, url in endpoints.items() if url is not None} | (
            {"grant_types": texts(grants)} if isinstance(grants, list) else {}
        )

    def has_key(self, item: Item, target: Target) -> bool:
        if target.attributes.get("type") == "OKTA":
            wanted = target.refs.get("authorization_server")
            return wanted is not None and (item.get("id") == wanted.id or item.get("orn") == wanted.handle)
        return item.get("type") != "OKTA" and is_alike(target.attributes.get("issuer"), item.get("issuer"))

    def creation(self, target: Target) -> dict[str, Any]:
        if target.attributes.get("type") == "OKTA":
            return {"type": "OKTA", "orn": orn_of(target, "authorization_server")}
        return {self.fields[name]: value for name, value in target.attributes.items()}


def collection_of(server_id: str) -> str:
    return under(MCP_SERVERS, server_id, ASSOCIATIONS)
