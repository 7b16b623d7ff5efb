"""An authorization server: an Okta custom one (`aus...`, a resource), or an external one (a definition).

Okta custom authorization servers: Okta API reference, /api/v1/authorizationServers. An external authorization server
has no remote object of its own; its association with each MCP server has (see association.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import Field

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.model.kind import Declarations, Kind
from reconciler.model.lifecycle import Lifecycle, State, Transition
from reconciler.model.resource import Resource
from reconciler.model.spec import ResourceSpec, Scope, Spec, Text, Url, given

LIFECYCLE = Lifecycle(
    "an Okta custom authorization server",
    [
        Transition(None, "create", State.ACTIVE),
        Transition(State.INACTIVE, "activate", State.ACTIVE),
        Transition(State.ACTIVE, "deactivate", State.INACTIVE),
        Transition(State.INACTIVE, "delete", State.DELETED),
    ],
)

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
"""The grant by which an ID-JAG becomes an access token (Cross-App Access, second leg)."""


class ScopeSpec(Spec):
    """A scope of an Okta custom authorization server."""

    name: Annotated[Scope, Field(description="The scope as it stands in a token request.")]
    display_name: Annotated[Text, Field(description="Its short name on a consent page.")] | None = None
    description: Annotated[Text, Field(description="What it permits, as told on a consent page.")] | None = None
    consent: Annotated[
        Literal["IMPLICIT", "REQUIRED", "FLEXIBLE"], Field(description="Whether users are asked for consent.")
    ] = "IMPLICIT"


class AccessPolicySpec(Spec):
    """Who may get tokens from an Okta custom authorization server, and for what: one policy with one rule."""

    clients: Annotated[
        list[str], Field(min_length=1, description="Ids of the clients the policy is for, or ALL_CLIENTS.")
    ] = ["ALL_CLIENTS"]
    grant_types: Annotated[
        list[str], Field(min_length=1, description="Grants the rule permits; Cross-App Access needs jwt-bearer.")
    ] = [JWT_BEARER]
    scopes: (
        Annotated[
            list[Scope], Field(min_length=1, description="Scopes the rule permits; the server's own scopes if omitted.")
        ]
        | None
    ) = None
    access_token_lifetime_minutes: Annotated[
        int, Field(ge=5, le=1440, description="How long an access token is good for, in minutes.")
    ] = 60


class OktaAuthorizationServerSpec(ResourceSpec):
    """An Okta custom authorization server (`aus...`), which supports Cross-App Access (XAA)."""

    type: Literal["okta"]
    name: Annotated[Text, Field(description="Its name in Okta; the block's name if omitted.")] | None = None
    description: Annotated[Text, Field(description="What it is for.")] | None = None
    audiences: Annotated[
        list[Text], Field(min_length=1, max_length=1, description="The `aud` of its tokens; Okta takes exactly one.")
    ]
    scopes: Annotated[list[Scope | ScopeSpec], Field(description="Its scopes: names, or blocks with a name.")] = []
    access_policy: Annotated[
        AccessPolicySpec, Field(description="Who may get tokens; all clients by the jwt-bearer grant if omitted.")
    ] = AccessPolicySpec()


class ExternalAuthorizationServerSpec(ResourceSpec):
    """An authorization server outside Okta (`eas...`), reached through Okta's secure token service (STS)."""

    type: Literal["external"]
    issuer: Annotated[Url, Field(description="Its issuer identifier (RFC 8414), exactly. Can't change in place.")]
    authorization_endpoint: Annotated[Url, Field(description="Where users sign in and consent.")]
    token_endpoint: Annotated[Url, Field(description="Where codes and refresh tokens are exchanged for tokens.")]
    registration_endpoint: (
        Annotated[Url, Field(description="Where clients register themselves (RFC 7591), if it has such a place.")]
        | None
    ) = None
    grant_types: Annotated[
        list[Literal["authorization_code", "refresh_token"]],
        Field(min_length=1, description="Grants Okta uses; without refresh_token users consent again at every expiry."),
    ] = ["authorization_code", "refresh_token"]


def scope_attributes(scopes: list[str | ScopeSpec]) -> dict[str, dict[str, Any]]:
    """Scope name -> its managed attributes: a mapping, so that the order they are written in means nothing."""
    named = [scope if isinstance(scope, ScopeSpec) else ScopeSpec(name=scope) for scope in scopes]
    return {
        scope.name: given(scope, "display_name", "description", "consent")
        for scope in sorted(named, key=lambda s: s.name)
    }


def derive(declared: Declarations) -> Iterator[Resource | Diagnostic]:
    for block in declared["authorization_servers"].values():
        spec = block.spec
        if spec.type != "okta":
            continue
        scopes = scope_attributes(spec.scopes)
        yield Resource(
            address=Address(f"authorization_server.{block.name}"),
            kind="authorization_server",
            attributes={
                "name": spec.name or block.name,
                **given(spec, "description"),
                "audiences": spec.audiences,
                "scopes": scopes,
                **_access_policy(spec.access_policy, scopes),
            },
            status=spec.state,
            protect=spec.protect,
            ignores=spec.ignore_changes,
            span=block.span(),
        )


def _access_policy(policy: AccessPolicySpec, own: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Not managed where there is nothing to grant: Okta takes no rule without a scope."""
    scopes = sorted(own if policy.scopes is None else policy.scopes)
    if not scopes:
        return {}
    return {
        "access_policy": {
            "clients": sorted(policy.clients),
            "grant_types": sorted(policy.grant_types),
            "scopes": scopes,
            "access_token_lifetime_minutes": policy.access_token_lifetime_minutes,
        }
    }


KIND = Kind(
    name="authorization_server",
    section="authorization_servers",
    spec=Annotated[OktaAuthorizationServerSpec | ExternalAuthorizationServerSpec, Field(discriminator="type")],
    derive=derive,
    lifecycle=lambda attributes: LIFECYCLE,
    natural_key=lambda attributes: ("name",),
    collections=frozenset({"scopes"}),
)
