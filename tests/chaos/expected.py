"""What a sandbox must hold if it is exactly what a configuration says: worked out from the document alone.

Objects are told apart by what they are, not by their ids; what the configuration leaves open is not looked at.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from tests.chaos.edits import GRANTS, Block, Desired

Items = Mapping[str, Sequence[Block]]
"""By kind, the objects of a sandbox; those of `client_auth_settings` with the digest of their secret (`_secret`)."""


class Thing(NamedTuple):
    """An object that must be there, with at least those fields, or that is. `name` tells it apart."""

    kind: str
    name: tuple[str, ...]
    fields: Block

    @property
    def spot(self) -> str:
        """Where an object that is there is found again."""
        return f"{self.kind} {self.fields.get('parent', '')} {self.fields['id']}"


def wanted(desired: Desired) -> Iterator[Thing]:
    for name, block in desired.issuers.items():
        if block["type"] == "okta":
            yield from _okta(block.get("name", name), block)
    for server in desired.servers.values():
        url = server["resource_url"]
        yield Thing(
            "mcp_server",
            (url,),
            {**_given(server, display_name="displayName", description="description"), "status": _status(server)},
        )
        for issuer in server["authorization_servers"]:
            yield _row(url, issuer, desired)
    for name, client in desired.clients.items():
        for served in desired.served_by(name):
            yield _client(name, client, desired.servers[served]["resource_url"], desired)


def _okta(name: str, block: Block) -> Iterator[Thing]:
    fields = {**_given(block, description="description", audiences="audiences"), "status": _status(block)}
    yield Thing("authorization_server", (name,), fields)
    scopes = [{"name": s} if isinstance(s, str) else s for s in block["scopes"]]
    for scope in scopes:
        yield Thing("scope", (name, scope["name"]), _given(scope, consent="consent", description="description"))
    policy = block.get("access_policy", {})
    yield Thing("policy", (name,), {"clients": sorted(policy.get("clients", ["ALL_CLIENTS"])), "status": "ACTIVE"})
    granted = {
        "grants": sorted(policy.get("grant_types", GRANTS[:1])),
        "scopes": sorted(policy.get("scopes", [scope["name"] for scope in scopes])),
        "lifetime": policy.get("access_token_lifetime_minutes", 60),
        "status": "ACTIVE",
    }
    yield Thing("rule", (name,), granted)


def _row(url: str, name: str, desired: Desired) -> Thing:
    block = desired.issuers[name]
    if block["type"] == "okta":
        return Thing("association", (url, block.get("name", name)), {"status": _status(block)})
    grants = sorted(block.get("grant_types", ["authorization_code", "refresh_token"]))
    fields = {"status": _status(block), "tokenEndpoint": block["token_endpoint"], "grantTypesSupported": grants}
    return Thing("association", (url, block["issuer"]), fields)


def _client(name: str, client: Block, url: str, desired: Desired) -> Thing:
    fields = {**_given(client, scopes="scopes", client_id="clientId")}
    if "scopes" in fields:
        fields["scopes"] = sorted(fields["scopes"])
    if "client_secret" in client:
        fields["secret"] = desired.secrets[name]
    fields["registrationType"] = "DCR" if "client_id" not in client and "registrar" not in client else "STATIC"
    issuer = desired.issuers[client["authorization_server"]]["issuer"]
    return Thing("client_auth_settings", (url, client.get("name", name)), {**fields, "issuer": issuer})


def _status(block: Block) -> str:
    return str(block.get("status", "active")).upper()


def _given(block: Block, **names: str) -> Block:
    return {field: block[name] for name, field in names.items() if name in block}


# ------------------------------------------------------------------------------------------------------------- found


def found(items: Items) -> Iterator[tuple[Thing, Block]]:
    """Every object as a thing, and as it is."""
    by_id = {kind: {item["id"]: item for item in them} for kind, them in items.items()}
    servers, issuers, policies = by_id["mcp_server"], by_id["authorization_server"], by_id["policy"]
    rows = {(row["parent"], row["id"]): row for row in items["association"]}
    for kind, them in items.items():
        for item in them:
            above = item.get("parent", "")
            match kind:
                case "mcp_server":
                    yield Thing(kind, (item["resourceUrl"],), item), item
                case "authorization_server":
                    yield Thing(kind, (item["name"],), item), item
                case "association":
                    name = (
                        item["issuer"] if item["type"] == "EXTERNAL" else issuers.get(item["id"], {}).get("name", "?")
                    )
                    shown = {**item, "grantTypesSupported": sorted(item.get("grantTypesSupported", []))}
                    yield Thing(kind, (servers.get(above, {}).get("resourceUrl", "?"), name), shown), item
                case "client_auth_settings":
                    row = rows.get((above, item.get("_row", "")), {})
                    shown = {**item, "issuer": row.get("issuer"), "scopes": sorted(item.get("scopes", []))}
                    yield Thing(kind, (servers.get(above, {}).get("resourceUrl", "?"), item["name"]), shown), item
                case "scope":
                    yield Thing(kind, (issuers.get(above, {}).get("name", "?"), item["name"]), item), item
                case "policy":
                    shown = {**item, "clients": sorted(item["conditions"]["clients"]["include"])}
                    yield Thing(kind, (issuers.get(above, {}).get("name", "?"),), shown), item
                case "rule":
                    conditions = item["conditions"]
                    shown = {
                        **item,
                        "grants": sorted(conditions["grantTypes"]["include"]),
                        "scopes": sorted(conditions["scopes"]["include"]),
                        "lifetime": item["actions"]["token"]["accessTokenLifetimeMinutes"],
                    }
                    owner = policies.get(above, {}).get("parent", "")
                    yield Thing(kind, (issuers.get(owner, {}).get("name", "?"),), shown), item


def complaints(desired: Desired, items: Items, left_alone: Mapping[str, Block]) -> Iterator[tuple[str, str]]:
    """What is wrong: whether `lost`, `duplicated` or `wrong`, and in words. `left_alone` are the objects of others by
    kind and id, which must be there as they were."""
    others = dict(left_alone)
    ours: list[tuple[Thing, Block]] = []
    for thing, item in found(items):
        before = others.pop(thing.spot, None)
        if before is None:
            ours.append((thing, item))
        elif _essence(before) != _essence(item):
            yield "wrong", f"somebody else's {thing.kind} was changed: {before} -> {item}"
    yield from (("lost", f"somebody else's object is gone: {item}") for item in others.values())
    there = Counter((thing.kind, thing.name) for thing, _ in ours)
    due = {(thing.kind, thing.name): thing.fields for thing in wanted(desired)}
    for key in due.keys() - there.keys():
        yield "lost", f"{key} is not there"
    for key, number in there.items():
        if number > 1 or key not in due:
            yield "duplicated", f"{number} of {key}, wanted {int(key in due)}"
    for thing, item in ours:
        yield from _differences(thing, item, due.get((thing.kind, thing.name), {}))


def _differences(thing: Thing, item: Block, due: Block) -> Iterator[tuple[str, str]]:
    for field, value in due.items():
        if field == "secret":
            digest = hashlib.sha256(f"{item['id']}:{value}".encode()).hexdigest()
            if item["_secret"] != digest:
                yield "wrong", f"{thing.kind} {thing.name} holds another secret than {value}"
        elif thing.fields.get(field) != value:
            yield "wrong", f"{field} of {thing.kind} {thing.name} is {thing.fields.get(field)!r}, not {value!r}"


def _essence(item: Block) -> Block:
    return {name: value for name, value in item.items() if name not in ("lastUpdated", "authorizationServerCount")}
