"""The event stream of `-json`: one JSON object a line, in the shapes of Terraform's machine-readable UI.

Types of our own begin with `x_`; consumers of Terraform's stream skip what they don't know. An `apply_start` ...
`apply_complete` pair belongs to a step that makes, changes or unmakes an object; lifecycle steps are `x_step_*`.
"""

from __future__ import annotations

from typing import Any

from reconciler.apply.event import Event, Failed, Finished, Progressed, Skipped
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic
from reconciler.plan.change import Action, Change
from reconciler.plan.step import Op
from reconciler.readiness.gate import CheckResult
from reconciler.readiness.ruling import RESULT_SCHEMA, encode_result
from reconciler.render.diagnostic_text import one_line
from reconciler.render.page import safe
from reconciler.render.plan_text import lifecycle_text
from reconciler.render.summary import Counts, numbers, planned

UI_VERSION = "1.2"
TERRAFORM_VERSION = "1.11.4"
"""The Terraform whose shapes these are."""

_ACTIONS = {
    Action.NONE: "noop",
    Action.CREATE: "create",
    Action.UPDATE: "update",
    Action.REPLACE: "replace",
    Action.DELETE: "delete",
    Action.ADOPT: "import",
    Action.MOVE: "move",
    Action.FORGET: "remove",
}
_APPLIED = {Op.CREATE: "create", Op.UPDATE: "update", Op.DELETE: "delete"}

Line = dict[str, Any]


def version_line(version: str, now: str) -> Line:
    """The first line. `now` here and below: ISO 8601, UTC."""
    own = {"terraform": TERRAFORM_VERSION, "ui": UI_VERSION, "x_reconciler": version}
    return _line("version", f"reconciler {version}", now, **own)


def diagnostic_line(diagnostic: Diagnostic, now: str) -> Line:
    label = "Error" if diagnostic.is_error else "Warning"
    level = "error" if diagnostic.is_error else "warn"
    message = f"{label}: {safe(diagnostic.summary)}"
    return _line("diagnostic", message, now, level, diagnostic=diagnostic_value(diagnostic))


def diagnostic_value(diagnostic: Diagnostic) -> Line:
    """Terraform's diagnostic object, and `x_code`."""
    value: Line = {
        "severity": diagnostic.severity.value,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "x_code": diagnostic.code,
    }
    if diagnostic.address:
        value["address"] = str(diagnostic.address)
    if span := diagnostic.span:
        value["range"] = {
            "filename": span.file,
            "start": {"line": span.line, "column": span.column, "byte": 0},
            "end": {"line": span.end_line, "column": span.end_column, "byte": 0},
        }
    if span and diagnostic.snippet is not None:
        code = diagnostic.snippet.rstrip("\r\n")
        end = span.end_column - 1 if span.end_line == span.line else len(code)
        value["snippet"] = {
            "context": str(diagnostic.address) if diagnostic.address else None,
            "code": code,
            "start_line": span.line,
            "highlight_start_offset": span.column - 1,
            "highlight_end_offset": end,
            "values": [],
        }
    return value


def change_line(change: Change, now: str, drift: bool = False) -> Line:
    """A `planned_change`, or a `resource_drift`."""
    action = _ACTIONS[change.action]
    value: Line = {"resource": _resource(change.address, change.kind), "action": action}
    if change.moved_from:
        value["previous_resource"] = _resource(change.moved_from, change.kind)
    if change.importing:
        value["importing"] = {"id": change.importing}
    if change.reason:
        value["reason"] = change.reason.code
    if change.path:
        value["x_lifecycle"] = lifecycle_text(change.path)
        value["x_waits_for"] = [str(address) for address in change.waits_for]
    kind, words = ("resource_drift", "Drift detected:") if drift else ("planned_change", "Plan to")
    return _line(kind, f"{safe(change.address)}: {words} {action}", now, change=value)


def summary_line(counts: Counts, operation: str, now: str, applied: bool = False) -> Line:
    """`operation` is plan, apply or destroy; `applied` tells what was done rather than what will be."""
    changes = {
        "add": counts.add,
        "change": counts.change,
        "import": counts.imported,
        "remove": counts.destroy,
        "forget": counts.forget,
        "operation": operation,
    }
    message = f"Apply complete! Resources: {numbers(counts)}." if applied else planned(counts)
    return _line("change_summary", message, now, changes=changes)


def event_line(event: Event, now: str) -> Line:
    """A line for what happened to a step."""
    step = event.step
    hook: Line = {"resource": _resource(step.address, step.kind), "action": _APPLIED.get(step.op, "update")}
    own = {"x_step": step.id, **({"x_target": step.target.value} if step.target else {})}
    prefix = "apply_" if step.op in _APPLIED else "x_step_"
    if isinstance(event, Skipped):
        because = {"x_because": str(event.because) if event.because else None}
        return _line("x_step_skipped", f"{safe(step.id)}: skipped", now, hook=hook | own | because)
    if isinstance(event, Failed):
        hook |= own | {
            "elapsed_seconds": event.elapsed,
            "x_diagnostics": [diagnostic_value(d) for d in event.diagnostics],
            **_checks(event.checks),
        }
        return _line("apply_errored", f"{safe(step.id)}: {one_line(event.diagnostics)}", now, "error", hook=hook)
    if isinstance(event, Progressed):
        hook |= own | {"elapsed_seconds": event.elapsed, "x_state": event.state.value if event.state else None}
        return _line(f"{prefix}progress", f"{safe(step.id)}: still going [{event.elapsed:.0f}s]", now, hook=hook)
    if isinstance(event, Finished):
        named = {"id_key": "id", "id_value": event.remote_id} if event.remote_id else {}
        hook |= own | named | {"elapsed_seconds": event.elapsed, **({"x_note": event.note} if event.note else {})}
        hook |= _checks(event.checks)
        return _line(f"{prefix}complete", f"{safe(step.id)}: complete after {event.elapsed:.0f}s", now, hook=hook)
    return _line(f"{prefix}start", f"{safe(step.id)}: starting", now, hook=hook | own)


def _checks(checks: tuple[CheckResult, ...]) -> Line:
    return {"x_checks": [encode_result(check) for check in checks]} if checks else {}


def _resource(address: Address, kind: str) -> Line:
    return {
        "addr": str(address),
        "module": "",
        "resource": str(address),
        "implied_provider": "okta",
        "resource_type": kind,
        "resource_name": address.segments[-1].name if address.segments else str(address),
        "resource_key": address.key,
    }


def _line(kind: str, message: str, now: str, level: str = "info", **rest: Any) -> Line:
    return {
        "@level": level,
        "@message": message,
        "@module": "reconciler.ui",
        "@timestamp": now,
        "type": kind,
        **rest,
    }


_TEXT = {"type": "string"}
_COUNT = {"type": "integer", "minimum": 0}
_SECONDS = {"type": "number", "minimum": 0}
_PLACE = {
    "type": "object",
    "required": ["line", "column", "byte"],
    "properties": {"line": _COUNT, "column": _COUNT, "byte": _COUNT},
}
_DIAGNOSTIC = {
    "type": "object",
    "required": ["severity", "summary", "detail", "x_code"],
    "properties": {
        "severity": {"enum": ["error", "warning"]},
        "summary": _TEXT,
        "detail": _TEXT,
        "address": _TEXT,
        "x_code": {"type": "string", "description": "Stable, for machines: family.what."},
        "range": {
            "type": "object",
            "required": ["filename", "start", "end"],
            "properties": {"filename": _TEXT, "start": _PLACE, "end": _PLACE},
        },
        "snippet": {"type": "object", "required": ["code", "start_line"]},
    },
}
_RESOURCE = {
    "type": "object",
    "required": ["addr", "module", "resource", "implied_provider", "resource_type", "resource_name", "resource_key"],
    "properties": {"addr": _TEXT, "resource_type": _TEXT, "resource_key": {"type": ["string", "null"]}},
}
_CHANGE = {
    "type": "object",
    "required": ["resource", "action"],
    "properties": {
        "resource": _RESOURCE,
        "previous_resource": _RESOURCE,
        "action": {"enum": ["noop", "create", "update", "replace", "delete", "import", "move", "remove"]},
        "importing": {"type": "object", "required": ["id"]},
        "reason": _TEXT,
        "x_lifecycle": {"type": "string", "description": "INACTIVE -> ACTIVE"},
        "x_waits_for": {"type": "array", "items": _TEXT},
    },
}
_HOOK = {
    "type": "object",
    "required": ["resource", "action", "x_step"],
    "properties": {
        "resource": _RESOURCE,
        "action": {"enum": ["create", "update", "delete"]},
        "id_key": _TEXT,
        "id_value": _TEXT,
        "elapsed_seconds": _SECONDS,
        "x_step": {"type": "string", "description": "The id of the step in the plan."},
        "x_target": {"type": "string", "description": "The lifecycle state the step leads to."},
        "x_because": {"type": ["string", "null"], "description": "Address to blame; null if interrupted."},
        "x_diagnostics": {"type": "array", "items": _DIAGNOSTIC},
        "x_checks": {"type": "array", "items": RESULT_SCHEMA, "description": "What a gate was judged by."},
    },
}
_CHANGES = {
    "type": "object",
    "required": ["add", "change", "import", "remove", "operation"],
    "properties": {
        "add": _COUNT,
        "change": _COUNT,
        "import": _COUNT,
        "remove": _COUNT,
        "forget": _COUNT,
        "operation": {"enum": ["plan", "apply", "destroy"]},
    },
}
_HOOK_TYPES = (
    *(f"apply_{phase}" for phase in ("start", "progress", "complete", "errored")),
    *(f"x_step_{phase}" for phase in ("start", "progress", "complete", "skipped")),
)
_BY_TYPE: dict[str, dict[str, Any]] = {
    "version": {"terraform": _TEXT, "ui": _TEXT, "x_reconciler": _TEXT},
    "diagnostic": {"diagnostic": _DIAGNOSTIC},
    "planned_change": {"change": _CHANGE},
    "resource_drift": {"change": _CHANGE},
    "change_summary": {"changes": _CHANGES},
    **{kind: {"hook": _HOOK} for kind in _HOOK_TYPES},
}


def event_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of one line."""
    heads = ["@level", "@message", "@module", "@timestamp", "type"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "https://reconciler.dev/schemas/events.schema.json",
        "title": "One line of reconciler's event stream (-json)",
        "type": "object",
        "required": heads,
        "properties": {
            "@level": {"enum": ["info", "warn", "error"]},
            "@message": _TEXT,
            "@module": {"const": "reconciler.ui"},
            "@timestamp": {"type": "string", "format": "date-time"},
            "type": {"enum": list(_BY_TYPE)},
        },
        "allOf": [
            {
                "if": {"properties": {"type": {"const": kind}}},
                "then": {"required": list(own), "properties": own},
            }
            for kind, own in _BY_TYPE.items()
        ],
    }
