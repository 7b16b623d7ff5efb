"""A configuration as a document, and every kind of change that somebody may make to it, by a seeded choice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

Block = dict[str, Any]
GRANTS = ("urn:ietf:params:oauth:grant-type:jwt-bearer", "client_credentials", "authorization_code")
SCOPES = ("read", "write", "share", "admin")
INSTRUCTIONS = ("moved", "removed", "import")
KINDS = {"authorization_servers": "authorization_server", "mcp_servers": "mcp_server"}


@dataclass
class Desired:
    """`document` is the configuration; `secrets` are the files it refers to. `forgotten` are the natural keys of what
    was left to others, which must stay as it is."""

    document: Block
    registrar: str
    secrets: dict[str, str] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    number: int = 0

    @classmethod
    def empty(cls, url: str, registrar: str) -> Desired:
        auth = {"token": {"env": "CHAOS_TOKEN"}}
        okta = {"org_url": url, "auth": auth, "request_timeout_seconds": 2, "late_seconds": 0.5}
        document = {
            "version": 1,
            "provider": {"okta": okta},
            "readiness": {"probe": False},
            "authorization_servers": {},
            "client_registrations": {},
            "mcp_servers": {},
        }
        return cls(document, registrar)

    @property
    def servers(self) -> dict[str, Block]:
        found: dict[str, Block] = self.document["mcp_servers"]
        return found

    @property
    def issuers(self) -> dict[str, Block]:
        found: dict[str, Block] = self.document["authorization_servers"]
        return found

    @property
    def clients(self) -> dict[str, Block]:
        found: dict[str, Block] = self.document["client_registrations"]
        return found

    def copy(self) -> Desired:
        return deepcopy(self)

    def write(self, place: Path) -> None:
        (place / "secrets").mkdir(exist_ok=True)
        for name, secret in self.secrets.items():
            (place / "secrets" / name).write_text(secret, "utf-8")
        fresh = place / "main.yaml.new"
        fresh.write_text(json.dumps(self.document, indent=1), "utf-8")
        fresh.replace(place / "main.yaml")

    def served_by(self, name: str) -> list[str]:
        """The MCP servers that get the client."""
        client = self.clients[name]
        named = client.get("mcp_servers", self.servers)
        return [s for s in named if client["authorization_server"] in self.servers[s]["authorization_servers"]]


def new_name(desired: Desired) -> str:
    desired.number += 1
    return f"n{desired.number}"


def add_okta(desired: Desired, dice: Random) -> None:
    name = new_name(desired)
    desired.issuers[name] = {
        "type": "okta",
        "audiences": [f"https://{name}.example.com"],
        "scopes": dice.sample(SCOPES, dice.randint(1, 3)),
    }


def add_external(desired: Desired, dice: Random) -> None:
    name = new_name(desired)
    host = f"https://{name}.example.com"
    desired.issuers[name] = {
        "type": "external",
        "issuer": host,
        "authorization_endpoint": f"{host}/a",
        "token_endpoint": f"{host}/t",
        "registration_endpoint": f"{desired.registrar}/register",
    }


def add_server(desired: Desired, dice: Random) -> None:
    if not desired.issuers:
        add_okta(desired, dice)
    name = new_name(desired)
    issuers = dice.sample(sorted(desired.issuers), min(len(desired.issuers), dice.randint(1, 2)))
    desired.servers[name] = {
        "resource_url": f"https://{name}.example.com/mcp",
        "display_name": name,
        "authorization_servers": issuers,
    }


def add_client(desired: Desired, dice: Random) -> None:
    places = [(e, s) for s, server in desired.servers.items() for e in server["authorization_servers"]]
    places = [(e, s) for e, s in places if desired.issuers[e]["type"] == "external"]
    if not places:
        add_external(desired, dice)
        add_server(desired, dice)
        return
    issuer, server = dice.choice(places)
    name, block = new_name(desired), {"authorization_server": issuer}
    match dice.choice(("static", "static", "dynamic", "tool")):
        case "static":
            block |= {"client_id": f"id-{name}", "client_secret": {"file": f"secrets/{name}"}, "scopes": ["x"]}
            desired.secrets[name] = f"secret-{name}"
        case "dynamic":
            block |= {"method": "dynamic"}
        case _:
            kept = {"registrar": "tool", "credentials_file": f"kept/{name}.json", "mcp_servers": [server]}
            block |= {"method": "dynamic", **kept}
    desired.clients[name] = block


def remove(desired: Desired, dice: Random) -> None:
    section = dice.choice(("authorization_servers", "client_registrations", "mcp_servers"))
    blocks = desired.document[section]
    if blocks:
        del blocks[dice.choice(sorted(blocks))]


def change_server(desired: Desired, dice: Random) -> None:
    if not desired.servers:
        return
    server = desired.servers[dice.choice(sorted(desired.servers))]
    match dice.choice(("name", "description", "status", "status", "attach", "detach", "detach", "url")):
        case "name":
            server["display_name"] = f"Named {new_name(desired)}"
        case "description":
            server["description"] = f"Described {new_name(desired)}"
        case "status":
            server["status"] = "inactive" if server.get("status") == "active" else "active"
        case "attach":
            server["authorization_servers"] = sorted(
                {*server["authorization_servers"], dice.choice([*desired.issuers])}
            )
        case "detach":
            server["authorization_servers"].remove(dice.choice(server["authorization_servers"]))
        case _:
            server["resource_url"] = f"https://{new_name(desired)}.example.com/mcp"


def change_okta(desired: Desired, dice: Random) -> None:
    names = [name for name, block in sorted(desired.issuers.items()) if block["type"] == "okta"]
    if not names:
        return
    block = desired.issuers[dice.choice(names)]
    match dice.choice(("scopes", "scopes", "policy", "policy", "policy", "description", "status")):
        case "scopes":
            chosen = dice.sample(SCOPES, dice.randint(1, 4))
            block["scopes"] = [
                {
                    "name": scope,
                    "description": f"S {new_name(desired)}",
                    "consent": dice.choice(("IMPLICIT", "REQUIRED")),
                }
                if dice.random() < 0.5
                else scope
                for scope in chosen
            ]
            block.get("access_policy", {}).pop("scopes", None)
        case "policy":
            names = [scope if isinstance(scope, str) else scope["name"] for scope in block["scopes"]]
            clients = dice.choice((["ALL_CLIENTS"], ["0oaone"], ["0oaone", "0oatwo"], ["0oatwo", "0oathree"]))
            block["access_policy"] = {
                "clients": clients,
                "grant_types": sorted({GRANTS[0], *dice.sample(GRANTS, dice.randint(1, 3))}),
                "access_token_lifetime_minutes": dice.choice((10, 30, 60)),
                **({"scopes": dice.sample(names, dice.randint(1, len(names)))} if dice.random() < 0.5 else {}),
            }
        case "description":
            block["description"] = f"Described {new_name(desired)}"
        case _:
            block["status"] = "inactive" if block.get("status") == "active" else "active"


def change_external(desired: Desired, dice: Random) -> None:
    names = [name for name, block in sorted(desired.issuers.items()) if block["type"] == "external"]
    if not names:
        return
    block = desired.issuers[dice.choice(names)]
    match dice.choice(("token", "grants", "status", "issuer")):
        case "token":
            block["token_endpoint"] = f"{block['issuer']}/{new_name(desired)}"
        case "grants":
            block["grant_types"] = dice.choice((["authorization_code"], ["authorization_code", "refresh_token"]))
        case "status":
            block["status"] = "inactive" if block.get("status") == "active" else "active"
        case _:
            block["issuer"] = f"https://{new_name(desired)}.example.com"


def change_client(desired: Desired, dice: Random) -> None:
    if not desired.clients:
        return
    name = dice.choice(sorted(desired.clients))
    block = desired.clients[name]
    match dice.choice(("scopes", "name", "rotate", "rotate", "rotate", "version", "id", "narrow")):
        case "scopes":
            block["scopes"] = dice.sample(("x", "y", "z"), dice.randint(1, 3))
        case "name":
            block["name"] = f"Named {new_name(desired)}"
        case "rotate" if name in desired.secrets:
            desired.secrets[name] = f"secret-{new_name(desired)}"
        case "version" if name in desired.secrets:
            block["client_secret_version"] = block.get("client_secret_version", 0) + 1
        case "id" if name in desired.secrets:
            block["client_id"] = f"id-{new_name(desired)}"
        case "narrow" if "credentials_file" not in block:
            served = desired.served_by(name)
            block["mcp_servers"] = dice.sample(served, min(1, len(served)))
        case _:
            block["scopes"] = ["x", "z"]


def rename(desired: Desired, dice: Random) -> None:
    """With a moved block, as it should be."""
    section = dice.choice(sorted(KINDS))
    blocks = {n: b for n, b in desired.document[section].items() if b.get("type") != "external"}
    if not blocks:
        return
    old, new = dice.choice(sorted(blocks)), new_name(desired)
    block = desired.document[section].pop(old)
    # What Okta calls it must not change with its name here.
    desired.document[section][new] = block if section == "mcp_servers" else {"name": old, **block}
    _replaced(desired, old, new)
    desired.document.setdefault("moved", []).append(
        {"from": f"{KINDS[section]}.{old}", "to": f"{KINDS[section]}.{new}"}
    )


def _replaced(desired: Desired, old: str, new: str) -> None:
    for server in desired.servers.values():
        server["authorization_servers"] = [new if n == old else n for n in server["authorization_servers"]]
    for client in desired.clients.values():
        client["authorization_server"] = (
            new if client["authorization_server"] == old else client["authorization_server"]
        )
        if "mcp_servers" in client:
            client["mcp_servers"] = [new if n == old else n for n in client["mcp_servers"]]


def forget(desired: Desired, dice: Random) -> None:
    """Leave a server, with all that is nested in it, to others."""
    if len(desired.servers) < 3:
        return
    name = dice.choice(sorted(desired.servers))
    if any(name in desired.served_by(c) and "credentials_file" in desired.clients[c] for c in desired.clients):
        return
    if any(desired.issuers[n]["type"] == "okta" for n in desired.servers[name]["authorization_servers"]):
        # Okta's own could not be deleted any more.
        return
    desired.forgotten.add(desired.servers.pop(name)["resource_url"])
    desired.document.setdefault("removed", []).append({"from": f"mcp_server.{name}", "destroy": False})


Edit = Callable[[Desired, Random], None]
EDITS: dict[Edit, int] = {
    add_okta: 2,
    add_external: 1,
    add_server: 4,
    add_client: 4,
    remove: 6,
    change_server: 8,
    change_okta: 6,
    change_external: 3,
    change_client: 6,
    rename: 4,
    forget: 2,
}


def edited(desired: Desired, dice: Random, forgets: bool = True) -> tuple[Desired, list[str]]:
    """Another configuration that makes sense, and by which edits it became so."""
    fresh = desired.copy()
    for word in INSTRUCTIONS:
        fresh.document.pop(word, None)
    chosen = dice.choices(list(EDITS), list(EDITS.values()), k=dice.randint(1, 5))
    chosen = [edit for edit in chosen if forgets or edit is not forget]
    for edit in chosen:
        edit(fresh, dice)
        mend(fresh)
    return fresh, [edit.__name__ for edit in chosen]


def mend(desired: Desired) -> None:
    """Take out what refers to what isn't there, and switch off what nobody could reach."""
    for name, server in list(desired.servers.items()):
        server["authorization_servers"] = [n for n in server["authorization_servers"] if n in desired.issuers]
        if not server["authorization_servers"]:
            del desired.servers[name]
    for name, client in list(desired.clients.items()):
        if "mcp_servers" in client:
            client["mcp_servers"] = [n for n in client["mcp_servers"] if n in desired.servers]
        issuer = desired.issuers.get(client["authorization_server"])
        if issuer is None or issuer["type"] != "external" or not set(desired.served_by(name)):
            del desired.clients[name]
            desired.secrets.pop(name, None)
        elif "mcp_servers" in client:
            client["mcp_servers"] = desired.served_by(name)
    for name, server in desired.servers.items():
        if not any(_reaches(desired, name, issuer) for issuer in server["authorization_servers"]):
            server["status"] = "inactive"


def _reaches(desired: Desired, server: str, issuer: str) -> bool:
    block = desired.issuers[issuer]
    has_client = any(server in desired.served_by(c) for c in _clients_at(desired, issuer))
    return block.get("status") != "inactive" and (block["type"] == "okta" or has_client)


def _clients_at(desired: Desired, issuer: str) -> Iterator[str]:
    return (name for name, client in desired.clients.items() if client["authorization_server"] == issuer)
