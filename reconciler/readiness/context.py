"""What the checks are told: definitions, what the live system says, what is permitted; and the subject of one check."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Resource
from reconciler.ports import Conversation, Fetched
from reconciler.readiness.credentials import SecretFacts
from reconciler.readiness.discovery import Found, find_document, issuer_candidates
from reconciler.readiness.egress import Egress
from reconciler.readiness.finding import Finding, unanswered
from reconciler.readiness.gate import CheckResult
from reconciler.readiness.inquiry import Inquiry, Memory

MAX_EVIDENCE_AGE = 300.0
"""Seconds: evidence older than this doesn't open the gate of an activation."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What an MCP server and its authorization servers published at its activation (facts of mcp.metadata_drift)."""

    digest: str
    critical: str


@dataclass(frozen=True, slots=True)
class Options:
    """How to look, and what is permitted.

    egress          what may be connected to; the fetch door has the same
    deep            also make the checks that are made only when asked for
    mutating        also register a client, and delete it again, where registration is dynamic
    mcp_strict      judge as a strict MCP client would: PKCE with S256 is a must
    split_horizon   host names may exist for Okta only: an unknown one proves nothing
    anonymous       MCP servers that are meant to answer without a token
    token_hosts     hosts besides an issuer's own that may be sent credentials
    overrides       associations whose endpoints are meant to differ from their metadata, and why
    redirect_uri    Okta's callback; {org}/oauth2/v1/sts/callback if None
    max_age         the oldest answer that counts, in seconds
    hosts           those that are there to be asked: a sandbox without a world plays none but the org; None: all
    predicts        take for granted that what is not active yet will be, where that is desired
    """

    egress: Egress = field(default_factory=Egress)
    deep: bool = False
    mutating: bool = False
    mcp_strict: bool = False
    split_horizon: bool = False
    anonymous: frozenset[Address] = frozenset()
    token_hosts: frozenset[str] = frozenset()
    overrides: Mapping[Address, str] = field(default_factory=dict)
    redirect_uri: str | None = None
    max_age: float = MAX_EVIDENCE_AGE
    hosts: frozenset[str] | None = None
    predicts: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """`observed` holds what was looked up in the live system: None for what isn't there, nothing for what wasn't (or
    couldn't be) looked up. `secrets` is what is known of each referenced secret, by `describe(reference)`. `epoch` is
    the time, in seconds since 1970."""

    org_url: str
    resources: Mapping[Address, Resource]
    observed: Mapping[Address, Observed | None]
    epoch: float
    secrets: Mapping[str, SecretFacts] = field(default_factory=dict)
    baselines: Mapping[Address, Baseline] = field(default_factory=dict)
    options: Options = field(default_factory=Options)
    memory: Memory = field(default_factory=Memory)

    def nested(self, server: Address, kind: str) -> list[Resource]:
        """The resources of that kind nested in an MCP server."""
        return [r for a, r in self.resources.items() if r.kind == kind and a.parent == server]


Results = tuple[CheckResult, ...]


@dataclass(slots=True)
class Subject:
    """One resource under examination: `inquiry` asks for it, `found` fills up check by check, `peers` examines
    another resource unless that was done just now."""

    resource: Resource
    context: Context
    inquiry: Inquiry
    peers: Callable[[Address], Conversation[Results]]
    found: dict[str, Finding] = field(default_factory=dict)

    @property
    def attributes(self) -> Mapping[str, Any]:
        return self.resource.attributes

    @property
    def options(self) -> Options:
        return self.context.options

    @property
    def live(self) -> Observed | None:
        return self.context.observed.get(self.resource.address)

    def is_foreseen(self, address: Address) -> bool:
        """Whether it is taken for granted that the resource, desired to be active and not so yet, will be."""
        if not self.options.predicts:
            return False
        seen = self.context.observed.get(address)
        return seen is None or seen.status in (State.PENDING, State.INACTIVE)

    def issuer_of(self, association: Resource) -> str | None:
        """The issuer an association stands for; None while its authorization server isn't there yet."""
        if association.attributes.get("type") == "OKTA":
            source = association.refs.get("authorization_server")
            seen = self.context.observed.get(source) if source else None
            return okta_issuer(self.context.org_url, seen) if seen else None
        issuer: str | None = association.attributes.get("issuer")
        return issuer

    def issuer_metadata(self, issuer: str) -> Conversation[Found]:
        candidates = issuer_candidates(issuer)
        return (yield from find_document(self.inquiry, candidates, split_horizon=self.options.split_horizon))

    def unanswered(self, url: str, answer: Fetched) -> Finding | None:
        return unanswered(url, answer, split_horizon=self.options.split_horizon)


def okta_issuer(org_url: str, seen: Observed) -> str:
    """What Okta says, or the issuer it gives one without a custom domain."""
    issuer = seen.computed.get("issuer")
    return issuer if isinstance(issuer, str) else f"{org_url.rstrip('/')}/oauth2/{seen.id}"


def is_active(seen: Observed | None) -> bool:
    return seen is not None and seen.status is State.ACTIVE
