"""What a sandbox is started with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.sandbox.world import World


@dataclass(frozen=True, slots=True)
class ServiceApp:
    """An OAuth service app that may ask for tokens: its public keys (JWKs), the okta.* scopes it is granted, and
    whether its tokens must be bound to a key (RFC 9449)."""

    keys: tuple[Mapping[str, Any], ...]
    scopes: frozenset[str]
    dpop: bool = False


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """`world` None: every foreign host of a manual server is healthy, and a discovered server finds nothing.

    db                  a file, or `:memory:`
    token               the SSWS token that is accepted
    settle_seconds      how long what Okta does asynchronously takes
    rate_limit          requests a minute for each method and path; 0 for no limit
    org_url             the org's address; None: the address by which it is called
    clock               the time in epoch seconds; None: the machine's
    seed                from which ids are made; None: random, but fixed for the life of a database
    runtime_validation  an ACTIVE server or authorization server whose needs went away becomes INVALID
    """

    db: str = ":memory:"
    world: World | None = None
    token: str = "sandbox"
    settle_seconds: float = 0.2
    rate_limit: int = 0
    org_url: str | None = None
    clock: Callable[[], float] | None = None
    clients: Mapping[str, ServiceApp] = field(default_factory=dict)
    seed: str | None = None
    runtime_validation: bool = True
