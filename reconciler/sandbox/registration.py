"""What Okta does by itself to MCP servers and their authorization servers: register, discover, validate, notice."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox.checks import (
    configuration_problem,
    connectivity_problem,
    detected,
    has_active,
    is_complete,
    is_connectable,
    read_issuer,
    read_resource,
    resource_problem,
)
from reconciler.sandbox.database import Item
from reconciler.sandbox.errors import refused, wrong_state
from reconciler.sandbox.exchange import SYSTEM, Actor
from reconciler.sandbox.lifecycle import Event, next_state
from reconciler.sandbox.org import Org

NOT_CONNECTABLE = (
    "The resource server can't be activated: at least one authorization server must be ACTIVE and support Cross-App "
    "Access, or have client authentication settings."
)


def is_discoverable(server: Item) -> bool:
    return bool(server.body["type"] == "DISCOVERABLE")


def table_of(row: Item) -> str:
    """The lifecycle that a row follows: what is discovered is not commanded."""
    return "discovered_association" if row.body.get("_discovered") else "association"


def schedule(org: Org, item: Item, stuck: bool = False) -> None:
    """Let it be validated in a while; a fault makes it stick instead."""
    item.due = None if stuck else org.now() + org.options.settle_seconds
    item.body.pop("_waiting", None)


def settle_server(org: Org, server: Item) -> None:
    """Registration, or validation after a change, of a server that is PENDING or INVALID."""
    if server.status not in ("PENDING", "INVALID"):
        server.due = None
        org.db.save(server)
        return
    problem = _discover(org, server) if is_discoverable(server) else _manual_problem(org, server)
    if problem is None:
        _move_server(org, server, "register" if server.status == "PENDING" else "revalidate")
    elif server.body.get("_waiting"):
        server.due = None
        org.db.save(server)
    elif server.status == "PENDING":
        _move_server(org, server, "reject", problem)
    else:
        server.due = None
        server.body["statusReason"] = problem
        org.save(server)


def settle_association(org: Org, row: Item) -> None:
    """Registration, or validation after a change, of a declared row that is PENDING or INVALID."""
    if row.status not in ("PENDING", "INVALID") or row.body.get("_discovered"):
        row.due = None
        org.db.save(row)
        return
    problem = configuration_problem(org, row)
    if row.status == "INVALID":
        problem = problem or connectivity_problem(org, row)
        if problem is None:
            move_association(org, row, "revalidate")
        else:
            row.due = None
            row.body["statusReason"] = problem
            org.save(row)
    else:
        move_association(org, row, "reject" if problem else "register", problem)


def move_association(org: Org, row: Item, event: Event, reason: str | None = None, actor: Actor = SYSTEM) -> None:
    """Bring a row to its next state, and let its MCP server notice."""
    before = row.status
    org.move(row, table_of(row), event, reason)
    changes = {"status": (before, row.status)}
    org.log(actor, "resource_servers.mcp_server.auth_server.update", row, changes=changes, failure=reason)
    if is_complete(row):
        _wake(org, row.parent)
    if before == "ACTIVE" and row.status != "ACTIVE":
        notice_lost_access(org, row.parent)


def activate_association(org: Org, row: Item, actor: Actor) -> None:
    """Verify connectivity, then activate: INVALID with the reason if there is none."""
    if next_state(table_of(row), row.status, "activate") is None:
        raise wrong_state()
    problem = connectivity_problem(org, row)
    move_association(org, row, "reject" if problem else "activate", problem, actor)


def activate_server(org: Org, server: Item, actor: Actor) -> None:
    """Activate after a last look at the server itself. Raises OktaError if it may not be activated."""
    if server.status == "INACTIVE" and not is_connectable(org, server):
        raise refused(NOT_CONNECTABLE)
    problem = resource_problem(org, server.body["resourceUrl"]) if server.status == "INACTIVE" else None
    if problem:
        _move_server(org, server, "reject", problem)
        return
    org.move(server, "mcp_server", "activate")
    org.log(actor, "resource_servers.mcp_server.activate", server)


def deactivate_server(org: Org, server: Item, actor: Actor) -> None:
    org.move(server, "mcp_server", "deactivate")
    org.log(actor, "resource_servers.mcp_server.deactivate", server)


def notice_lost_access(org: Org, server_id: str) -> None:
    """Runtime validation: an ACTIVE server without an ACTIVE authorization server is INVALID."""
    server = org.db.get("mcp_server", server_id)
    if org.options.runtime_validation and server and server.status == "ACTIVE" and not has_active(org, server):
        _move_server(org, server, "fail", "None of its authorization servers is active.")


def notice_lost_authorization_server(org: Org, identity: str) -> None:
    """Configuration issues: ACTIVE rows of an Okta authorization server that isn't active any more are INVALID."""
    if not org.options.runtime_validation:
        return
    for row in org.db.find_anywhere(identity):
        if row.kind == "association" and row.status == "ACTIVE":
            move_association(org, row, "fail", "The authorization server is not active.")


def recount(org: Org, server_id: str) -> int:
    """Keep `authorizationServerCount`, which lists show without looking at the rows."""
    count = len(org.db.items("association", server_id))
    if server := org.db.get("mcp_server", server_id):
        server.body["authorizationServerCount"] = count
        org.db.save(server)
    return count


def refresh(org: Org) -> None:
    """Read all metadata again: what broke becomes INVALID, what was mended is found valid."""
    for row in org.db.items("association"):
        if row.body.get("_discovered"):
            continue
        if row.status == "INVALID":
            settle_association(org, row)
        elif row.status == "ACTIVE" and (problem := connectivity_problem(org, row)):
            move_association(org, row, "fail", problem)
    for server in org.db.items("mcp_server"):
        if server.status == "INVALID":
            settle_server(org, server)
        elif server.status != "PENDING":
            problem = _discover(org, server) if is_discoverable(server) else None
            problem = problem or resource_problem(org, server.body["resourceUrl"])
            server = org.db.get("mcp_server", server.id) or server
            if problem and server.status in ("ACTIVE", "INACTIVE"):
                _move_server(org, server, "fail" if server.status == "ACTIVE" else "reject", problem)


def _move_server(org: Org, server: Item, event: Event, reason: str | None = None) -> None:
    before = server.status
    org.move(server, "mcp_server", event, reason)
    changes = {"status": (before, server.status)}
    org.log(SYSTEM, "resource_servers.mcp_server.update", server, changes=changes, failure=reason)


def _wake(org: Org, server_id: str) -> None:
    """A server that waits for a complete authorization server is looked at again at once."""
    server = org.db.get("mcp_server", server_id)
    if server and server.body.pop("_waiting", None):
        server.due = org.now()
        org.db.save(server)


def _manual_problem(org: Org, server: Item) -> str | None:
    if not any(is_complete(row) for row in org.db.items("association", server.id)):
        server.body["_waiting"] = True
        return "No authorization server has a complete protocol configuration."
    return resource_problem(org, server.body["resourceUrl"]) if server.status == "INVALID" else None


def _discover(org: Org, server: Item) -> str | None:
    """Read the server's metadata and that of its issuers; the rows follow what they say. Returns what is wrong."""
    document = read_resource(org, server.body["resourceUrl"])
    if isinstance(document, str):
        return document
    server.body["detectedMetadata"] = {
        "resourceName": document.get("resource_name", ""),
        "scopesSupported": list(document.get("scopes_supported", ())),
        "lastRefreshedAt": org.stamp(),
    }
    org.save(server)
    known = {row.body["issuer"]: row for row in org.db.items("association", server.id)}
    for issuer in dict.fromkeys(document["authorization_servers"]):
        _discover_row(org, server, known.pop(issuer, None), issuer)
    referenced = {client.body["_row"] for client in org.db.items("client_auth_settings", server.id)}
    for row in known.values():
        if row.id in referenced:
            _set_detected(org, row, "The server's metadata no longer lists it.")
        else:
            org.move(row, "discovered_association", "vanish")
            org.log(SYSTEM, "resource_servers.mcp_server.auth_server.delete", row)
    server.body["authorizationServerCount"] = recount(org, server.id)
    return None


def _discover_row(org: Org, server: Item, row: Item | None, issuer: str) -> None:
    metadata = read_issuer(org, issuer)
    if row is not None:
        _set_detected(org, row, metadata)
        return
    identity = org.new_id("eas")
    body = {
        "type": "EXTERNAL",
        "orn": org.orn("idp", "external_authorization_servers", identity),
        "issuer": issuer,
        "status": next_state("discovered_association", "", "reject" if isinstance(metadata, str) else "detect"),
        "detectedMetadata": {} if isinstance(metadata, str) else detected(metadata),
        "_discovered": True,
    }
    if isinstance(metadata, str):
        body["statusReason"] = metadata
    row = org.new(Item("association", identity, body, parent=server.id, key=f"issuer {issuer}"))
    org.log(SYSTEM, "resource_servers.mcp_server.auth_server.create", row)


def _set_detected(org: Org, row: Item, metadata: dict[str, Any] | str) -> None:
    if isinstance(metadata, str):
        if row.status == "ACTIVE":
            move_association(org, row, "fail", metadata)
        return
    row.body["detectedMetadata"] = detected(metadata)
    if row.status == "INVALID":
        move_association(org, row, "detect")
    else:
        org.save(row)
