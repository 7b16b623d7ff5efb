"""A plan as a file: Terraform's plan JSON, so that tools made for it work, with our own keys beside.

Everything that apply needs is under `x_` or in `resource_changes`; `planned_values`, `prior_state` and `configuration`
say the same again for other tools, and are not read back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cache
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Attributes
from reconciler.model.secret import is_reference
from reconciler.plan.change import Action, Change, Reason
from reconciler.plan.document import Basis, Plan
from reconciler.plan.shape import Fits, compiled
from reconciler.plan.wire_schema import build_schema
from reconciler.plan.wire_values import (
    decode_diagnostic,
    decode_difference,
    decode_resource,
    decode_span,
    decode_step,
    decode_transition,
    encode_diagnostic,
    encode_difference,
    encode_resource,
    encode_span,
    encode_step,
    encode_transition,
    filled,
)

VERSION = 1
_PROVIDER = "registry.terraform.io/reconciler/okta"
_ACTIONS = {
    Action.NONE: ["no-op"],
    Action.CREATE: ["create"],
    Action.UPDATE: ["update"],
    Action.REPLACE: ["delete", "create"],
    Action.DELETE: ["delete"],
    Action.ADOPT: ["no-op"],
    Action.MOVE: ["no-op"],
    Action.FORGET: ["forget"],
}


def encode(plan: Plan) -> dict[str, Any]:
    """The plan as JSON values, with its fingerprint."""
    changes = [_encode_change(change) for change in plan.changes]
    document: dict[str, Any] = {
        "format_version": "1.2",
        "terraform_version": "1.11.4",
        "variables": {n: {"value": v, **filled(x_default=n in plan.defaulted)} for n, v in plan.variables.items()},
        "planned_values": _values((c.address, c.kind, c.after) for c in plan.changes),
        "resource_drift": [_encode_change(change) for change in plan.drift],
        "resource_changes": changes,
        "prior_state": {
            "format_version": "1.0",
            "terraform_version": "1.11.4",
            "values": _values((c.address, c.kind, c.before) for c in plan.changes),
        },
        "configuration": _configuration(plan),
        "timestamp": plan.basis.created,
        "applyable": plan.is_applyable,
        "complete": not any(diagnostic.code == "plan.partial" for diagnostic in plan.diagnostics),
        "errored": any(diagnostic.is_error for diagnostic in plan.diagnostics),
        "x_version": VERSION,
        "x_basis": asdict(plan.basis),
        "x_steps": [encode_step(step) for step in plan.steps],
        "x_desired": [encode_resource(resource) for resource in plan.desired.values()],
        "x_diagnostics": [encode_diagnostic(diagnostic) for diagnostic in plan.diagnostics],
        "x_allowed": sorted(plan.allowed),
    }
    return {**document, "x_fingerprint": fingerprint(document)}


def decode(data: bytes, name: str) -> Plan:
    """The plan in the file `name`. Raises Refused: plan.unreadable, or stale.edited if it isn't as it was written."""
    document = _read(data, name)
    _validate(document, name)
    if document["x_fingerprint"] != fingerprint(document):
        raise Refused(
            [
                error(
                    "stale.edited",
                    f"{name} was changed after the plan was made: its fingerprint doesn't match",
                    "A plan is applied exactly as it was reviewed. Run plan again.",
                )
            ]
        )
    try:
        return _decode_plan(document)
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise _unreadable(name, f"it contradicts itself ({problem})") from None


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of what `encode` returns."""
    return build_schema()


def fingerprint(document: Mapping[str, Any]) -> str:
    """SHA-256 over the canonical JSON of everything but the fingerprint itself, and who vouches for it."""
    rest = {key: value for key, value in document.items() if key not in ("x_fingerprint", "x_signature")}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _encode_change(change: Change) -> dict[str, Any]:
    actions = _ACTIONS[change.action]
    replaced = [list(difference.path) for difference in change.differences if difference.replaces]
    own = filled(
        action=str(change.action),
        status_before=change.status_before and str(change.status_before),
        status_after=change.status_after and str(change.status_after),
        differences=[encode_difference(difference) for difference in change.differences],
        path=[encode_transition(transition) for transition in change.path],
        waits_for=[str(address) for address in change.waits_for],
        reason=asdict(change.reason) if change.reason else None,
        span=encode_span(change.span),
        notes=dict(change.notes),
    )
    return {
        **_named(change.address, change.kind),
        **({"previous_address": str(change.moved_from)} if change.moved_from else {}),
        "change": {
            "actions": actions,
            "before": change.before,
            "after": change.after,
            "after_unknown": {},
            "before_sensitive": _sensitive(change.before),
            "after_sensitive": _sensitive(change.after),
            **({"replace_paths": replaced} if replaced and change.action is Action.REPLACE else {}),
            **({"importing": {"id": change.importing}} if change.importing is not None else {}),
        },
        **({"action_reason": change.reason.code} if change.reason and change.reason.code else {}),
        "x_change": own,
    }


def _decode_change(encoded: Mapping[str, Any]) -> Change:
    change, own = encoded["change"], encoded["x_change"]
    before, after, moved = own.get("status_before"), own.get("status_after"), encoded.get("previous_address")
    reason = own.get("reason")
    return Change(
        address=Address.parse(encoded["address"]),
        kind=encoded["type"],
        action=Action(own["action"]),
        before=change["before"],
        after=change["after"],
        differences=tuple(decode_difference(difference) for difference in own.get("differences", ())),
        status_before=State(before) if before else None,
        status_after=State(after) if after else None,
        path=tuple(decode_transition(transition) for transition in own.get("path", ())),
        waits_for=tuple(Address.parse(address) for address in own.get("waits_for", ())),
        reason=Reason(reason["code"], reason["text"]) if reason else None,
        moved_from=Address.parse(moved) if moved else None,
        importing=change["importing"]["id"] if "importing" in change else None,
        span=decode_span(own.get("span")),
        notes=own.get("notes", {}),
    )


def _decode_plan(document: Mapping[str, Any]) -> Plan:
    desired = [decode_resource(resource) for resource in document["x_desired"]]
    plan = Plan(
        basis=Basis(**document["x_basis"]),
        changes=tuple(_decode_change(change) for change in document["resource_changes"]),
        steps=tuple(decode_step(step) for step in document["x_steps"]),
        desired={resource.address: resource for resource in desired},
        drift=tuple(_decode_change(change) for change in document["resource_drift"]),
        diagnostics=tuple(decode_diagnostic(diagnostic) for diagnostic in document["x_diagnostics"]),
        allowed=frozenset(document["x_allowed"]),
        variables={name: variable["value"] for name, variable in document.get("variables", {}).items()},
        defaulted=frozenset(name for name, v in document.get("variables", {}).items() if v.get("x_default")),
    )
    known = {step.id for step in plan.steps}
    if len(known) != len(plan.steps) or not known.issuperset(wait for step in plan.steps for wait in step.waits):
        raise ValueError("its steps don't fit together")
    return plan


def _read(data: bytes, name: str) -> dict[str, Any]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        raise _unreadable(name, "it isn't JSON") from None
    if not isinstance(document, dict) or "x_version" not in document:
        raise _unreadable(name, "it wasn't written by plan -out")
    if isinstance(document["x_version"], int) and document["x_version"] > VERSION:
        raise _unreadable(name, "a newer reconciler wrote it")
    return document


def _validate(document: Mapping[str, Any], name: str) -> None:
    if _fits()(document):
        return
    from jsonschema import Draft202012Validator

    try:
        found = next(Draft202012Validator(plan_schema()).iter_errors(document), None)
    except RecursionError:
        raise _unreadable(name, "it is nested too deeply") from None
    if found is not None:
        place = ".".join(str(part) for part in found.absolute_path) or "the file"
        raise _unreadable(name, f"{place} breaks the rule {found.validator}")


@cache
def _fits() -> Fits:
    return compiled(plan_schema())


def _unreadable(name: str, why: str) -> Refused:
    summary = f"{name} is not a plan that can be applied: {why}"
    return Refused([error("plan.unreadable", summary, "Write one with: reconciler plan -out=FILE")])


def _named(address: Address, kind: str) -> dict[str, Any]:
    last = address.segments[-1]
    index = {} if last.key is None else {"index": last.key}
    shared = {"address": str(address), "mode": "managed", "type": kind, "name": last.name, **index}
    return {**shared, "provider_name": _PROVIDER}


def _values(resources: Iterable[tuple[Address, str, Attributes | None]]) -> dict[str, Any]:
    listed = [
        {
            **_named(address, kind),
            "schema_version": 0,
            "values": attributes,
            "sensitive_values": _sensitive(attributes) or {},
        }
        for address, kind, attributes in resources
        if attributes is not None
    ]
    return {"root_module": {"resources": listed}}


def _configuration(plan: Plan) -> dict[str, Any]:
    listed = []
    for change in plan.changes:
        if change.after is not None:
            named = _named(change.address, change.kind)
            del named["provider_name"]
            listed.append({**named, "provider_config_key": "okta", "schema_version": 0})
    provider = {"okta": {"name": "okta", "full_name": _PROVIDER}}
    return {"provider_config": provider, "root_module": {"resources": listed}}


def _sensitive(attributes: Attributes | None) -> dict[str, Any] | bool:
    """Terraform's marks: true for the attributes that refer to secrets, false for what isn't there."""
    if attributes is None:
        return False
    return {name: True for name, value in attributes.items() if is_reference(value)}
