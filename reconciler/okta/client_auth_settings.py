"""Client authentication settings (`rsc...`): Okta as a client of an external authorization server.

okta-api: secures-ai-resource-servers, tag resourceserverclientauthsettings. The secret is write-only: it can be sent
again, never compared.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.keeping import Leftover
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.okta.dynamic_registration import Client, acknowledge, amend, disown, is_ours, register, unregister
from reconciler.okta.family import Family, orn_of, parent_of
from reconciler.okta.names import CLIENT_AUTH_SETTINGS, CLIENT_FIELDS, METHODS, dig, text, texts
from reconciler.okta.pages import Item
from reconciler.ports import Conversation, Incomplete, Target

_METHOD = {value: name for name, value in METHODS.items()}


class ClientAuthSettings(Family):
    kind = "client_registration"
    fields = CLIENT_FIELDS
    secrets = frozenset({CLIENT_FIELDS["client_secret"]})

    callback = ""
    """Where authorization servers send users back to: needed to register a client ourselves."""

    def create(self, target: Target) -> Conversation[Observed]:
        if not is_ours(target):
            return (yield from super().create(target))
        client = yield from register(target, self.callback)
        made = yield from super().create(_with(target, client))
        if not client.is_alone:
            try:
                yield from disown(target)
            except Leftover as left:
                raise Incomplete(left.diagnostics, made) from None
        return made

    def update(self, target: Target, changed: frozenset[str]) -> Conversation[Observed]:
        if not is_ours(target):
            return (yield from super().update(target, changed))
        client = yield from amend(target, self.callback)
        changed |= {"client_secret"} if client.is_renewed else set()
        observed = yield from super().update(_with(target, client), changed)
        if client.is_renewed:
            yield from acknowledge(target)
        return observed

    def delete(self, target: Target) -> Conversation[None]:
        yield from super().delete(target)
        if is_ours(target):
            yield from unregister(target)

    def collection(self, target: Target) -> str:
        return CLIENT_AUTH_SETTINGS

    def show(self, item: Item, target: Target | None = None) -> Observed:
        scopes = item.get("scopes")
        shown = {
            "name": text(item.get("name")),
            "method": _METHOD.get(str(item.get("registrationType"))),
            "client_id": text(item.get("clientId")),
            "scopes": texts(scopes) if isinstance(scopes, list) else None,
        }
        links = {"association": dig(item, "authorizationServer", "id"), "mcp_server": dig(item, "resource", "orn")}
        return Observed(
            kind=self.kind,
            id=str(item["id"]),
            attributes={name: value for name, value in shown.items() if value is not None},
            status=State.ACTIVE,
            parent_id=_server_id(item),
            handle=text(item.get("orn")),
            links={role: value for role, value in links.items() if isinstance(value, str)},
            computed={"created": item.get("created"), "last_updated": item.get("lastUpdated")},
        )

    def has_key(self, item: Item, target: Target) -> bool:
        return item.get("name") == target.attributes.get("name") and _server_id(item) == parent_of(target).id

    def wire(self, name: str, value: Any) -> Any:
        return METHODS[value] if name == "method" else value

    def creation(self, target: Target) -> dict[str, Any]:
        return {
            **{self.fields[n]: self.wire(n, v) for n, v in target.attributes.items() if n in self.fields},
            "resource": {"orn": orn_of(target, "mcp_server")},
            "authorizationServer": {"id": _association_id(target), "orn": orn_of(target, "association")},
        }

    def amendment(self, target: Target, changed: frozenset[str]) -> dict[str, Any]:
        """A raised version means nothing to Okta; it means that the secret is to be sent again."""
        again = (
            {"client_secret"} if "client_secret_version" in changed and "client_secret" in target.attributes else set()
        )
        return super().amendment(target, (changed | again) - {"client_secret_version"})


def _with(target: Target, client: Client) -> Target:
    credentials = {"client_id": client.id, "client_secret": client.secret}
    return replace(target, attributes={**target.attributes, **credentials})


def _server_id(item: Item) -> str | None:
    shown = text(dig(item, "resource", "mcpServerId"))
    return shown or (text(dig(item, "resource", "orn")) or "").rpartition(":")[2] or None


def _association_id(target: Target) -> str:
    orn_of(target, "association")
    return target.refs["association"].id
