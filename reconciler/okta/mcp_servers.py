"""MCP servers (`ems...`): okta-api, secures-ai-resource-servers, tag mcpserverregistration."""

from __future__ import annotations

from typing import Any

from reconciler.model.resource import Observed
from reconciler.okta.family import Family, status_of
from reconciler.okta.names import MCP_SERVER_FIELDS, MCP_SERVERS, REGISTRATIONS, dig, text
from reconciler.okta.pages import Item
from reconciler.okta.proof import is_alike
from reconciler.ports import Target

_REGISTRATION = {value: name for name, value in REGISTRATIONS.items()}


class McpServers(Family):
    kind = "mcp_server"
    fields = MCP_SERVER_FIELDS

    def collection(self, target: Target) -> str:
        return MCP_SERVERS

    def show(self, item: Item, target: Target | None = None) -> Observed:
        status, reason = status_of(item)
        # The discriminator's field is unpublished: where an org doesn't show it, it can't be proven.
        unshown = target.attributes.get("registration") if target else None
        shown = {
            "resource_url": text(item.get("resourceUrl")),
            "registration": _REGISTRATION.get(str(item.get("type"))) or unshown,
            # Written at the top, read back under metadata; older orgs show them at the top.
            "display_name": text(dig(item, "metadata", "displayName")) or text(item.get("displayName")),
            "description": text(dig(item, "metadata", "description")) or text(item.get("description")),
        }
        return Observed(
            kind=self.kind,
            id=str(item["id"]),
            attributes={name: value for name, value in shown.items() if value is not None},
            status=status,
            handle=text(item.get("orn")),
            reason=reason,
            computed={
                "created": item.get("created"),
                "last_updated": item.get("lastUpdated"),
                "authorization_server_count": item.get("authorizationServerCount"),
                "detected": item.get("detectedMetadata"),
            },
        )

    def has_key(self, item: Item, target: Target) -> bool:
        return is_alike(target.attributes.get("resource_url"), item.get("resourceUrl"))

    def wire(self, name: str, value: Any) -> Any:
        return REGISTRATIONS[value] if name == "registration" else value

    def creation(self, target: Target) -> dict[str, Any]:
        return {self.fields[name]: self.wire(name, value) for name, value in target.attributes.items()}

    def nudge(self, item: Item) -> dict[str, Any]:
        name = self.show(item).attributes.get("display_name")
        return {} if name is None else {self.fields["display_name"]: name}
