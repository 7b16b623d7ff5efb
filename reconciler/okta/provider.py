"""The live system as the core needs it: conversations with the Okta APIs, one family of them for each kind."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from typing import Any

from reconciler.apply.quarantine import QUARANTINE
from reconciler.model.diagnostic import Refused, error
from reconciler.model.resource import Observed, Promise
from reconciler.okta.associations import Associations, collection_of
from reconciler.okta.authorization_servers import AuthorizationServers
from reconciler.okta.client_auth_settings import ClientAuthSettings
from reconciler.okta.family import Family
from reconciler.okta.mcp_servers import McpServers
from reconciler.okta.names import ASSOCIATIONS, AUTHORIZATION_SERVERS, CLIENT_AUTH_SETTINGS, MCP_SERVERS
from reconciler.okta.operations import inquire
from reconciler.okta.org import OrgNames
from reconciler.okta.pages import Item, collect
from reconciler.ports import Conversation, Target, Together

_COLLECTIONS = {
    "mcp_server": MCP_SERVERS.rpartition("/")[2],
    "association": ASSOCIATIONS,
    "client_registration": CLIENT_AUTH_SETTINGS.rpartition("/")[2],
    "authorization_server": AUTHORIZATION_SERVERS.rpartition("/")[2],
}
"""By kind, the last segment of the path of the list that its objects stand in."""


class OktaProvider:
    """An Okta org, or a sandbox that behaves as one. Knows no transport: what it yields is performed elsewhere.

    `quarantine` is the time in seconds after which a request of which nothing was heard can't take effect any more.
    `callback` is where authorization servers send users back to."""

    def __init__(self, org: OrgNames | None = None, quarantine: float = QUARANTINE, callback: str = "") -> None:
        self._servers = McpServers()
        self._associations = Associations()
        self._clients = ClientAuthSettings()
        self._clients.callback = callback
        self._authorization_servers = AuthorizationServers(org or OrgNames())
        families = (self._servers, self._associations, self._clients, self._authorization_servers)
        self._families: Mapping[str, Family] = {family.kind: family for family in families}
        for family in families:
            family.quarantine = quarantine

    def observe(self, kinds: frozenset[str]) -> Conversation[tuple[Observed, ...]]:
        parts: list[Conversation[tuple[Observed, ...]]] = []
        if kinds & {"mcp_server", "association"}:
            parts.append(self._observe_servers(kinds))
        if "client_registration" in kinds:
            parts.append(self._observe_clients())
        if "authorization_server" in kinds:
            parts.append(self._observe_authorization_servers())
        found: tuple[tuple[Observed, ...], ...] = yield Together(parts)
        return tuple(chain.from_iterable(found))

    def look(self, target: Target) -> Conversation[Observed | None]:
        return self._family(target).look(target)

    def create(self, target: Target) -> Conversation[Observed]:
        return self._family(target).create(target)

    def follow(self, kind: str, location: str) -> Conversation[Promise]:
        return inquire(location, _COLLECTIONS.get(kind, ""))

    def update(self, target: Target, changed: frozenset[str]) -> Conversation[Observed]:
        return self._family(target).update(target, changed)

    def transition(self, target: Target, event: str) -> Conversation[None]:
        return self._family(target).transition(target, event)

    def delete(self, target: Target) -> Conversation[None]:
        return self._family(target).delete(target)

    def _family(self, target: Target) -> Family:
        if (family := self._families.get(target.kind)) is None:
            raise Refused(
                [error("okta.unknown-kind", f"Okta has nothing like {target.address}", address=target.address)]
            )
        return family

    def _observe_servers(self, kinds: frozenset[str]) -> Conversation[tuple[Observed, ...]]:
        items = (yield from collect(MCP_SERVERS)).items
        servers = tuple(self._servers.show(item) for item in items)
        if "association" not in kinds:
            return servers
        # A server that says it has none is not asked: with many servers this list is most of all reading.
        asked = [item for item in items if item.get("authorizationServerCount") != 0]
        rows: tuple[tuple[Observed, ...], ...] = yield Together([self._observe_associations(item) for item in asked])
        return (*(servers if "mcp_server" in kinds else ()), *chain.from_iterable(rows))

    def _observe_associations(self, server: Item) -> Conversation[tuple[Observed, ...]]:
        server_id, discovered = str(server["id"]), server.get("type") == "DISCOVERABLE"
        listing = yield from collect(collection_of(server_id))
        return tuple(self._associations.show_under(i, server_id, discovered=discovered) for i in listing.items)

    def _observe_clients(self) -> Conversation[tuple[Observed, ...]]:
        return tuple(self._clients.show(item) for item in (yield from collect(CLIENT_AUTH_SETTINGS)).items)

    def _observe_authorization_servers(self) -> Conversation[tuple[Observed, ...]]:
        items = (yield from collect(AUTHORIZATION_SERVERS)).items
        found: tuple[Any, ...] = yield Together([self._authorization_servers.with_contents(item) for item in items])
        return found
