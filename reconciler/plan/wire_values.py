"""The values inside a plan as JSON, and back: spans, transitions, resources, diagnostics, steps. What is empty is left
out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from reconciler.diff import ABSENT, Difference
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Severity, Span
from reconciler.model.lifecycle import Sort, State, Transition
from reconciler.model.resource import Need, NeedSort, Resource
from reconciler.plan.step import Op, Step

Encoded: TypeAlias = Mapping[str, Any]

_SPAN = re.compile(r"(.*):(\d+):(\d+)-(\d+):(\d+)", re.DOTALL)
_STATES = {str(state): state for state in State}
_SORTS = {str(sort): sort for sort in NeedSort}
_OPS = {str(op): op for op in Op}


def encode_span(span: Span | None) -> str | None:
    """`main.yaml:3:5-3:17`."""
    return f"{span}-{span.end_line}:{span.end_column}" if span else None


def decode_span(text: str | None) -> Span | None:
    if text is None:
        return None
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no place in a file")
    file, *numbers = match.groups()
    return Span(file, *map(int, numbers))


def encode_transition(transition: Transition) -> dict[str, Any]:
    source, event, target, sort = transition
    return {"source": source and str(source), "event": event, "target": str(target), "sort": str(sort)}


def decode_transition(encoded: Encoded) -> Transition:
    source = encoded["source"]
    state = _STATES[source] if source else None
    return Transition(state, encoded["event"], _STATES[encoded["target"]], Sort(encoded["sort"]))


def encode_difference(difference: Difference) -> dict[str, Any]:
    sides = {"before": difference.before, "after": difference.after}
    return {
        "path": list(difference.path),
        **{side: value for side, value in sides.items() if value is not ABSENT},
        **({"replaces": True} if difference.replaces else {}),
        **({"secret": True} if difference.secret else {}),
    }


def decode_difference(encoded: Encoded) -> Difference:
    return Difference(
        tuple(encoded["path"]),
        encoded.get("before", ABSENT),
        encoded.get("after", ABSENT),
        encoded.get("replaces", False),
        encoded.get("secret", False),
    )


def encode_resource(resource: Resource) -> dict[str, Any]:
    return filled(
        address=str(resource.address),
        kind=resource.kind,
        attributes=dict(resource.attributes),
        status=str(resource.status),
        needs=[
            filled(target=str(need.target), sort=str(need.sort), span=encode_span(need.span)) for need in resource.needs
        ],
        refs={role: str(target) for role, target in resource.refs.items()},
        protect=resource.protect,
        discovered=resource.discovered,
        span=encode_span(resource.span),
        ignores=dict(resource.ignores),
    )


def decode_resource(encoded: Encoded) -> Resource:
    return Resource(
        address=Address.parse(encoded["address"]),
        kind=encoded["kind"],
        attributes=encoded.get("attributes", {}),
        status=_STATES[encoded["status"]],
        needs=tuple(
            Need(Address.parse(need["target"]), _SORTS[need["sort"]], decode_span(need.get("span")))
            for need in encoded.get("needs", ())
        ),
        refs={role: Address.parse(target) for role, target in encoded.get("refs", {}).items()},
        protect=encoded.get("protect", False),
        discovered=encoded.get("discovered", False),
        span=decode_span(encoded.get("span")),
        ignores=encoded.get("ignores", {}),
    )


def encode_diagnostic(diagnostic: Diagnostic) -> dict[str, Any]:
    return filled(
        severity=str(diagnostic.severity),
        code=diagnostic.code,
        summary=diagnostic.summary,
        detail=diagnostic.detail,
        span=encode_span(diagnostic.span),
        address=diagnostic.address and str(diagnostic.address),
        snippet=diagnostic.snippet,
    )


def decode_diagnostic(encoded: Encoded) -> Diagnostic:
    address = encoded.get("address")
    return Diagnostic(
        Severity(encoded["severity"]),
        encoded["code"],
        encoded.get("summary", ""),
        encoded.get("detail", ""),
        decode_span(encoded.get("span")),
        Address(address) if address else None,
        encoded.get("snippet"),
    )


def encode_step(step: Step) -> dict[str, Any]:
    return filled(
        id=step.id,
        op=str(step.op),
        address=str(step.address),
        kind=step.kind,
        event=step.event,
        target=step.target and str(step.target),
        changed=list(step.changed),
        needs=[str(address) for address in step.needs],
        source=step.source and str(step.source),
        remote_id=step.remote_id,
        waits=list(step.waits),
    )


def decode_step(encoded: Encoded) -> Step:
    target, source = encoded.get("target"), encoded.get("source")
    return Step(
        id=encoded["id"],
        op=_OPS[encoded["op"]],
        address=Address.parse(encoded["address"]),
        kind=encoded["kind"],
        event=encoded.get("event"),
        target=_STATES[target] if target else None,
        changed=tuple(encoded.get("changed", ())),
        needs=tuple(Address.parse(address) for address in encoded.get("needs", ())),
        source=Address.parse(source) if source else None,
        remote_id=encoded.get("remote_id"),
        waits=tuple(encoded.get("waits", ())),
    )


def filled(**values: Any) -> dict[str, Any]:
    """Those of the values that are not None, False or an empty list or object."""
    return {
        name: value
        for name, value in values.items()
        if value is not None and value is not False and value != [] and value != {}
    }
