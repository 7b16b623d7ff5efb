"""One authorization server on one MCP server: an `eas...` row, or an `aus...` attached by its ORN.

okta-api: secures-ai-resource-servers, listmcpserverauthorizationservers; lifecycle from the MCP servers guide.
The rows of a discovered MCP server are made, validated and removed by Okta: there they are expectations.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reconciler.kinds.client_registration import clients_by_server, clients_of
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.kind import Block, Declarations, Kind
from reconciler.model.lifecycle import Lifecycle, Sort, State, Transition
from reconciler.model.resource import Attributes, Need, NeedSort, Resource
from reconciler.model.spec import given

DECLARED = Lifecycle(
    "an authorization server of an MCP server",
    [
        Transition(None, "create", State.PENDING),
        Transition(State.PENDING, "register", State.INACTIVE, Sort.AWAITED),
        Transition(State.PENDING, "fail_validation", State.INVALID, Sort.OBSERVED),
        Transition(State.INACTIVE, "fail_validation", State.INVALID, Sort.OBSERVED),
        Transition(State.PENDING, "delete", State.DELETED),
        Transition(State.INACTIVE, "activate", State.ACTIVE),
        Transition(State.INACTIVE, "delete", State.DELETED),
        Transition(State.ACTIVE, "deactivate", State.INACTIVE),
        Transition(State.ACTIVE, "fail_configuration", State.INVALID, Sort.OBSERVED),
        Transition(State.INVALID, "revalidate", State.INACTIVE),
        Transition(State.INVALID, "delete", State.DELETED),
    ],
)

DISCOVERED = Lifecycle(
    "a discovered authorization server of an MCP server",
    [
        Transition(None, "discover", State.ACTIVE, Sort.AWAITED),
        Transition(State.PENDING, "discover", State.ACTIVE, Sort.AWAITED),
        Transition(State.INACTIVE, "discover", State.ACTIVE, Sort.AWAITED),
        Transition(State.INVALID, "discover", State.ACTIVE, Sort.AWAITED),
        Transition(State.ACTIVE, "fail_validation", State.INVALID, Sort.OBSERVED),
        *(Transition(s, "vanish", State.DELETED, Sort.AWAITED) for s in State if s is not State.DELETED),
    ],
)


def derive(declared: Declarations) -> Iterator[Resource | Diagnostic]:
    registered = clients_by_server(declared)
    for server in declared["mcp_servers"].values():
        clients = clients_of(server, registered)
        for index, name in enumerate(server.spec.authorization_servers):
            yield _association(server, index, declared["authorization_servers"][name], clients)


def _association(server: Block, index: int, definition: Block, clients: list[Block]) -> Resource | Diagnostic:
    parent = Address(f"mcp_server.{server.name}")
    address = parent.child("authorization_server", definition.name)
    place = server.span("authorization_servers", index)
    discovered = server.spec.registration == "discovered"
    needs = [Need(parent, NeedSort.EXISTS, server.span())]
    refs = {"mcp_server": parent}
    attributes: dict[str, Any]
    if definition.spec.type == "okta":
        if discovered:
            return error(
                "config.discovered-okta",
                f"{parent} is discovered, so its Okta authorization server can't be declared",
                f"Set registration: manual to attach {definition.name}, or remove it from authorization_servers.",
                span=place,
                address=address,
            )
        source = Address(f"authorization_server.{definition.name}")
        needs += [Need(source, NeedSort.EXISTS, place), Need(source, NeedSort.READY, place)]
        refs["authorization_server"] = source
        attributes = {"type": "OKTA"}
    else:
        attributes = {"type": "EXTERNAL", "issuer": definition.spec.issuer}
        if not discovered:
            attributes |= _protocol(definition)
            needs += _client_needs(parent, definition, clients)
    return Resource(
        address=address,
        kind="association",
        attributes=attributes,
        status=State.ACTIVE if discovered else definition.spec.state,
        needs=tuple(needs),
        refs=refs,
        protect=server.spec.protect,
        discovered=discovered,
        span=place,
        ignores=definition.spec.ignore_changes,
    )


def _protocol(definition: Block) -> dict[str, Any]:
    spec = definition.spec
    return {
        "authorization_endpoint": spec.authorization_endpoint,
        "token_endpoint": spec.token_endpoint,
        **given(spec, "registration_endpoint"),
        "grant_types": sorted(set(spec.grant_types)),
    }


def _client_needs(parent: Address, definition: Block, clients: list[Block]) -> list[Need]:
    return [
        Need(parent.child("client_registration", client.name), NeedSort.READY, client.span("authorization_server"))
        for client in clients
        if client.spec.authorization_server == definition.name
    ]


def _natural_key(attributes: Attributes) -> tuple[str, ...]:
    return ("authorization_server",) if attributes.get("type") == "OKTA" else ("issuer",)


def lifecycle_of(attributes: Attributes) -> Lifecycle:
    """Discovered rows are known by having no protocol configuration of ours."""
    declared = attributes.get("type") == "OKTA" or "token_endpoint" in attributes
    return DECLARED if declared else DISCOVERED


KIND = Kind(
    name="association",
    derive=derive,
    lifecycle=lifecycle_of,
    natural_key=_natural_key,
    immutable=frozenset({"type", "issuer"}),
)
