"""An MCP server registered in Okta (`ems...`).

okta-api: secures-ai-resource-servers, tag mcpserverregistration; lifecycle from the MCP servers guide.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from reconciler.kinds.client_registration import clients_by_server, clients_of
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.kind import Block, Declarations, Kind, Reference
from reconciler.model.lifecycle import Lifecycle, Sort, State, Transition
from reconciler.model.resource import Need, NeedSort, Resource
from reconciler.model.spec import ResourceSpec, Text, Url, given

LIFECYCLE = Lifecycle(
    "an MCP server",
    [
        Transition(None, "create", State.PENDING),
        Transition(State.PENDING, "register", State.INACTIVE, Sort.AWAITED),
        Transition(State.PENDING, "fail_validation", State.INVALID, Sort.OBSERVED),
        Transition(State.INACTIVE, "fail_validation", State.INVALID, Sort.OBSERVED),
        Transition(State.PENDING, "delete", State.DELETED),
        Transition(State.INACTIVE, "activate", State.ACTIVE),
        Transition(State.INACTIVE, "delete", State.DELETED),
        Transition(State.ACTIVE, "deactivate", State.INACTIVE),
        Transition(State.ACTIVE, "fail_at_runtime", State.INVALID, Sort.OBSERVED),
        Transition(State.INVALID, "revalidate", State.INACTIVE),
        Transition(State.INVALID, "delete", State.DELETED),
    ],
)


class McpServerSpec(ResourceSpec):
    """A Model Context Protocol server that agents reach through Okta."""

    resource_url: Annotated[
        Url, Field(description="The server's resource identifier, exactly as it publishes it. Can't change in place.")
    ]
    registration: Annotated[
        Literal["manual", "discovered"],
        Field(
            description="manual: its authorization servers are attached as declared. discovered: Okta reads them from "
            "the server's RFC 9728 metadata, and the declared ones become expectations. Can't change in place."
        ),
    ] = "manual"
    display_name: Annotated[Text, Field(description="The name administrators and users see.")] | None = None
    description: Annotated[Text, Field(description="What the server is for.")] | None = None
    authorization_servers: Annotated[
        list[str], Field(description="Names of the authorization servers that issue tokens for it.")
    ] = []


def derive(declared: Declarations) -> Iterator[Resource | Diagnostic]:
    registered = clients_by_server(declared)
    for block in declared["mcp_servers"].values():
        spec: McpServerSpec = block.spec
        address = Address(f"mcp_server.{block.name}")
        clients = clients_of(block, registered)
        yield from _connectability(address, block, clients, declared)
        yield Resource(
            address=address,
            kind="mcp_server",
            attributes={
                "resource_url": spec.resource_url,
                "registration": spec.registration,
                **given(spec, "display_name", "description"),
            },
            status=spec.state,
            needs=tuple(_ready_needs(address, block, clients, declared)),
            protect=spec.protect,
            ignores=spec.ignore_changes,
            span=block.span(),
        )


def _ready_needs(address: Address, block: Block, clients: list[Block], declared: Declarations) -> Iterator[Need]:
    for index, name in enumerate(block.spec.authorization_servers):
        if declared["authorization_servers"][name].spec.state is State.ACTIVE:
            place = block.span("authorization_servers", index)
            yield Need(address.child("authorization_server", name), NeedSort.READY, place)
    for client in clients:
        place = client.span("authorization_server")
        yield Need(address.child("client_registration", client.name), NeedSort.READY, place)


def _connectability(
    address: Address, block: Block, clients: list[Block], declared: Declarations
) -> Iterator[Diagnostic]:
    """Connectable: one active authorization server supports XAA (Okta's own) or STS (external, with a client)."""
    spec: McpServerSpec = block.spec
    if spec.registration == "manual" and not spec.authorization_servers:
        yield error(
            "config.no-authorization-server",
            f"{address} has no authorization server",
            "Name at least one under authorization_servers, or set registration: discovered to let Okta read them "
            "from the server's own metadata.",
            span=block.span(),
            address=address,
        )
        return
    attached = [declared["authorization_servers"][name] for name in spec.authorization_servers]
    served = {client.spec.authorization_server for client in clients}
    usable = [a for a in attached if a.spec.state is State.ACTIVE and (a.spec.type == "okta" or a.name in served)]
    if attached and not usable and spec.state is State.ACTIVE:
        yield error(
            "config.not-connectable",
            f"{address} can't become active: no agent could get a token for it",
            "It needs one active authorization server that supports Cross-App Access (type: okta), or an external one "
            "with a client registration. Add a block under client_registrations, or set status: inactive.",
            span=block.span("authorization_servers"),
            address=address,
        )


KIND = Kind(
    name="mcp_server",
    section="mcp_servers",
    spec=McpServerSpec,
    derive=derive,
    lifecycle=lambda attributes: LIFECYCLE,
    natural_key=lambda attributes: ("resource_url",),
    immutable=frozenset({"resource_url", "registration"}),
    references=(Reference("authorization_servers", "authorization_servers"),),
)
