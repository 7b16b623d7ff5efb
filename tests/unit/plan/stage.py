"""Configurations, snapshots and plans for tests, made from the kinds themselves without the YAML in between."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import TypeAdapter

from reconciler.config.configuration import Configuration, Import, Moved, Removed
from reconciler.config.settings import GuardSettings, Settings
from reconciler.kinds import kinds, sections
from reconciler.model.address import Address
from reconciler.model.diagnostic import Span
from reconciler.model.kind import Block
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action, Change
from reconciler.plan.document import Plan
from reconciler.plan.planner import Facts, Options, make_plan
from reconciler.plan.step import Step

NOW = "2026-01-01T00:00:00Z"
HERE = Span("main.yaml", 1, 1, 1, 2)
Blocks = Mapping[str, Mapping[str, Any]]

_ADAPTERS = {section: TypeAdapter(kind.spec) for section, kind in sections().items()}
_LIMITLESS = GuardSettings(max_deletes=1_000_000)


def okta(*scopes: str, **more: Any) -> dict[str, Any]:
    return {"type": "okta", "audiences": ["https://aud.example"], "scopes": list(scopes), **more}


def external(issuer: str = "https://issuer.example", **more: Any) -> dict[str, Any]:
    endpoints = {"authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token"}
    return {"type": "external", "issuer": issuer, **endpoints, **more}


def client(of: str, **more: Any) -> dict[str, Any]:
    given = {"client_id": "id-1", "client_secret": {"env": "SECRET"}}
    return {"authorization_server": of, **given, **more}


def server(*attached: str, url: str = "https://mcp.example/mcp", **more: Any) -> dict[str, Any]:
    return {"resource_url": url, "authorization_servers": list(attached), **more}


def derive(blocks: Mapping[str, Blocks]) -> dict[Address, Resource]:
    """The desired resources of blocks by section and name; fails on any that can't be derived."""
    declared = {
        section: {
            name: Block(name, adapter.validate_python(body), lambda *path: HERE)
            for name, body in blocks.get(section, {}).items()
        }
        for section, adapter in _ADAPTERS.items()
    }
    found: dict[Address, Resource] = {}
    for kind in kinds().values():
        for one in kind.derive(declared):
            assert isinstance(one, Resource), one
            found[one.address] = one
    return found


def configured(
    blocks: Mapping[str, Blocks] | None = None,
    *,
    moved: Iterable[tuple[str, str]] = (),
    removed: Iterable[tuple[str, bool]] = (),
    imports: Iterable[tuple[str, str]] = (),
    guards: GuardSettings = _LIMITLESS,
) -> Configuration:
    text = json.dumps(blocks, sort_keys=True)
    return Configuration(
        settings=Settings(guards=guards),
        resources=derive(blocks or {}),
        moved=tuple(Moved(Address(a), Address(b), HERE) for a, b in moved),
        removed=tuple(Removed(Address(a), destroy, HERE) for a, destroy in removed),
        imports=tuple(Import(Address(a), remote_id, HERE) for a, remote_id in imports),
        variables={},
        warnings=(),
        digest=hashlib.sha256(text.encode()).hexdigest(),
    )


def planned(
    configuration: Configuration,
    snapshot: Snapshot | None = None,
    observed: Iterable[Observed] | None = (),
    options: Options | None = None,
) -> Plan:
    allowed = frozenset({"mass-deletion", "replace-active"})
    facts = Facts(
        configuration=configuration,
        snapshot=snapshot or Snapshot("lineage"),
        observed=None if observed is None else tuple(observed),
        workspace="default",
        now=NOW,
        tool="reconciler test",
        provider="sandbox",
    )
    return make_plan(facts, options or Options(allowed=allowed))


def change(plan: Plan, address: str) -> Change:
    return next(change for change in plan.changes if change.address == address)


def actions(plan: Plan) -> dict[str, str]:
    """What will become of every resource that something becomes of."""
    return {str(c.address): str(c.action) for c in plan.changes if c.action is not Action.NONE}


def step(plan: Plan, name: str) -> Step:
    return next(step for step in plan.steps if step.id == name)


def codes(plan: Plan) -> list[str]:
    return [diagnostic.code for diagnostic in plan.diagnostics]


def comes_before(plan: Plan, earlier: str, later: str) -> bool:
    """Whether `later` waits for `earlier`, directly or not."""
    waits = {step.id: step.waits for step in plan.steps}
    assert earlier in waits and later in waits, sorted(waits)
    seen: set[str] = set()
    waiting = [later]
    while waiting:
        for other in waits[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return earlier in seen


def path_of(plan: Plan, address: str) -> list[str]:
    return [transition.event for transition in change(plan, address).path]


ACTIVE, INACTIVE, PENDING, INVALID = State.ACTIVE, State.INACTIVE, State.PENDING, State.INVALID
