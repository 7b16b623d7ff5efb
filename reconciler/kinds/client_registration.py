"""The credentials by which Okta is a client of an external authorization server (`rsc...`).

Okta calls them client authentication settings (tag resourceserverclientauthsettings). The secret is write-only. One
block is one remote object for each MCP server whose association with the authorization server needs it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, error
from reconciler.model.kind import Block, Declarations, Kind, Reference
from reconciler.model.lifecycle import Lifecycle, State, Transition
from reconciler.model.resource import Need, NeedSort, Resource
from reconciler.model.spec import Scope, SecretReference, SharedSpec, Text, given

_OWN = ("registrar", "credentials_file", "registration_endpoint")
"""Attributes that Okta knows nothing of."""

LIFECYCLE = Lifecycle(
    "a client registration",
    [Transition(None, "create", State.ACTIVE), Transition(State.ACTIVE, "delete", State.DELETED)],
)


class ClientRegistrationSpec(SharedSpec):
    """A client of an external authorization server, registered there by hand (static) or by RFC 7591 (dynamic)."""

    authorization_server: Annotated[str, Field(description="The external authorization server it is a client of.")]
    mcp_servers: (
        Annotated[
            list[str], Field(description="MCP servers it is for; all that use the authorization server if omitted.")
        ]
        | None
    ) = None
    method: Annotated[
        Literal["static", "dynamic"],
        Field(
            description="static: client_id and client_secret are given. dynamic: Okta registers. Can't change in place."
        ),
    ] = "static"
    registrar: Annotated[
        Literal["okta", "tool"],
        Field(
            description="Who registers a dynamic one (RFC 7591). tool: this tool does, for one MCP server, and gives "
            "Okta the credentials. Can't change in place."
        ),
    ] = "okta"
    credentials_file: (
        Annotated[
            Text,
            Field(description="With registrar: tool, the file it keeps the client's secret and access token in."),
        ]
        | None
    ) = None
    name: Annotated[Text, Field(description="Its name in Okta; the block's name if omitted.")] | None = None
    client_id: Annotated[Text, Field(description="The id the authorization server knows the client by.")] | None = None
    client_secret: SecretReference | None = None
    client_secret_version: (
        Annotated[int, Field(ge=1, description="Raise it to send the secret again after it was rotated.")] | None
    ) = None
    scopes: (
        Annotated[
            list[Scope], Field(min_length=1, description="Scopes users consent to; all available ones if omitted.")
        ]
        | None
    ) = None
    protect: Annotated[bool, Field(description="Refuse to delete or replace it until this is set to false.")] = False

    def serves(self, server: Block) -> bool:
        """Whether the MCP server of that block gets this client."""
        named = self.mcp_servers is None or server.name in self.mcp_servers
        return named and self.authorization_server in server.spec.authorization_servers


def clients_by_server(declared: Declarations) -> Mapping[str, list[Block]]:
    """The registrations by the name of their authorization server: to look at all of them for every MCP server would
    take time with the square of the configuration's size."""
    found: dict[str, list[Block]] = {}
    for block in declared["client_registrations"].values():
        found.setdefault(block.spec.authorization_server, []).append(block)
    return found


def clients_of(server: Block, clients: Mapping[str, list[Block]]) -> list[Block]:
    """The registrations, out of `clients_by_server`, that the MCP server of that block gets."""
    names = server.spec.authorization_servers
    return [client for name in names for client in clients.get(name, ()) if client.spec.serves(server)]


def derive(declared: Declarations) -> Iterator[Resource | Diagnostic]:
    sound: list[Block] = []
    for block in declared["client_registrations"].values():
        problems = list(_problems(block, declared))
        yield from problems
        if not problems:
            sound.append(block)
    clients = clients_by_server({**declared, "client_registrations": {block.name: block for block in sound}})
    for server in declared["mcp_servers"].values():
        for block in clients_of(server, clients):
            definition = declared["authorization_servers"][block.spec.authorization_server].spec
            yield _registration(block, Address(f"mcp_server.{server.name}"), definition.registration_endpoint)


def _registration(block: Block, parent: Address, endpoint: str | None) -> Resource:
    spec: ClientRegistrationSpec = block.spec
    association = parent.child("authorization_server", spec.authorization_server)
    place = block.span("authorization_server")
    return Resource(
        address=parent.child("client_registration", block.name),
        kind="client_registration",
        attributes={
            "name": spec.name or block.name,
            **_method(spec, endpoint),
            **given(spec, "client_id", "client_secret", "client_secret_version"),
            **({"scopes": sorted(set(spec.scopes))} if spec.scopes is not None else {}),
        },
        needs=(Need(parent, NeedSort.EXISTS, place), Need(association, NeedSort.EXISTS, place)),
        refs={"mcp_server": parent, "association": association},
        protect=spec.protect,
        ignores=spec.ignore_changes,
        span=block.span(),
    )


def _method(spec: ClientRegistrationSpec, endpoint: str | None) -> dict[str, str | None]:
    """To Okta a client that we registered is one that was registered by hand."""
    if spec.registrar == "okta":
        return {"method": spec.method}
    own = {"registrar": spec.registrar, "credentials_file": spec.credentials_file, "registration_endpoint": endpoint}
    return {"method": "static", **own}


def _problems(block: Block, declared: Declarations) -> Iterator[Diagnostic]:
    yield from _unsuitable(block, declared)
    yield from _credentials(block)
    yield from _registrar(block, declared)
    spec: ClientRegistrationSpec = block.spec
    for index, name in enumerate(spec.mcp_servers or ()):
        if spec.authorization_server not in declared["mcp_servers"][name].spec.authorization_servers:
            yield error(
                "config.not-attached",
                f"mcp_server.{name} doesn't use the authorization server {spec.authorization_server}",
                f"Add {spec.authorization_server} to its authorization_servers, or remove {name} here.",
                span=block.span("mcp_servers", index),
                address=_address(block),
            )


def _registrar(block: Block, declared: Declarations) -> Iterator[Diagnostic]:
    """What we register is one client, whose credentials have one place."""
    spec: ClientRegistrationSpec = block.spec
    code, address = "config.registrar", _address(block)
    if (spec.registrar == "tool") != (spec.credentials_file is not None):
        detail = "Give both, or neither: the tool keeps there what it is given when it registers."
        summary = f"{address} has only one of registrar: tool and credentials_file"
        yield error(code, summary, detail, span=block.span(), address=address)
    if spec.registrar != "tool":
        return
    if spec.method != "dynamic":
        detail = "Set method: dynamic, or remove registrar."
        yield error(
            code, f"{address} is not dynamic, so nobody registers it", detail, span=block.span(), address=address
        )
    served = sum(spec.serves(server) for server in declared["mcp_servers"].values())
    others = [
        other.name
        for other in declared["client_registrations"].values()
        if other.name < block.name and other.spec.credentials_file == spec.credentials_file
    ]
    if served > 1 or others:
        what = f"client_registration.{others[0]}" if others else f"{served} MCP servers"
        summary = f"{address} would share its credentials_file with {what}" if others else f"{address} is for {what}"
        detail = "A client that the tool registers is for one MCP server: write a block for each, with its own file."
        yield error(code, summary, detail, span=block.span(), address=address)


def _address(block: Block) -> Address:
    return Address(f"client_registration.{block.name}")


def _unsuitable(block: Block, declared: Declarations) -> Iterator[Diagnostic]:
    """What the authorization server can't give a client."""
    spec: ClientRegistrationSpec = block.spec
    definition = declared["authorization_servers"][spec.authorization_server].spec
    if definition.type == "okta":
        yield error(
            "config.registration-of-okta",
            f"{spec.authorization_server} is an Okta authorization server, which needs no client registration",
            "Remove this block: agents reach it by Cross-App Access.",
            span=block.span("authorization_server"),
            address=_address(block),
        )
    elif spec.method == "dynamic" and definition.registration_endpoint is None:
        yield error(
            "config.no-registration-endpoint",
            f"{spec.authorization_server} has no registration_endpoint, so a client can't register there",
            "Give the authorization server its registration_endpoint, or use method: static with a client_id.",
            span=block.span("method"),
            address=_address(block),
        )


def _credentials(block: Block) -> Iterator[Diagnostic]:
    """A static registration has them, a dynamic one gets its own."""
    spec: ClientRegistrationSpec = block.spec
    address = _address(block)
    missing = [name for name in ("client_id", "client_secret") if getattr(spec, name) is None]
    if spec.method == "static" and missing:
        yield error(
            "config.missing-key",
            f"{address} has no {' and no '.join(missing)}",
            "A static registration needs the client_id and a reference to the client_secret.",
            span=block.span(),
            address=address,
        )
    extra = [name for name in ("client_id", "client_secret") if getattr(spec, name) is not None]
    if spec.method == "dynamic" and extra:
        yield error(
            "config.dynamic-credentials",
            f"{address} registers itself, so it has no {' or '.join(extra)} of its own",
            "Remove the credentials, or use method: static.",
            span=block.span(extra[0]),
            address=address,
        )


KIND = Kind(
    name="client_registration",
    section="client_registrations",
    spec=ClientRegistrationSpec,
    derive=derive,
    lifecycle=lambda attributes: LIFECYCLE,
    natural_key=lambda attributes: ("name",),
    immutable=frozenset({"client_id", "method", *_OWN}),
    write_only=frozenset({"client_secret", "client_secret_version", *_OWN}),
    references=(
        Reference("authorization_server", "authorization_servers"),
        Reference("mcp_servers", "mcp_servers"),
    ),
    # The client at the authorization server, which this tool has registered.
    outlives=lambda attributes: attributes.get("registrar") == "tool",
)
