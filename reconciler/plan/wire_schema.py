"""The JSON Schema of a plan file: Terraform's plan JSON, format 1.2, and what reconciler adds to it under `x_`."""

from __future__ import annotations

from typing import Any

from reconciler.model.lifecycle import Sort, State
from reconciler.model.resource import NeedSort
from reconciler.plan.change import Action
from reconciler.plan.step import Op

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_OBJECT: Schema = {"type": "object"}
_TEXTS: Schema = {"type": "array", "items": _TEXT}
_STATE: Schema = {"enum": [str(state) for state in State]}
_ACTIONS = [["no-op"], ["create"], ["update"], ["delete"], ["delete", "create"], ["create", "delete"], ["forget"]]


def build_schema() -> Schema:
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "reconciler plan",
        "description": "A plan: Terraform's plan JSON (format_version 1.2), and under x_ what reconciler applies.",
        **_object(
            {
                "format_version": {"const": "1.2"},
                "terraform_version": _TEXT,
                "planned_values": _OBJECT,
                "prior_state": _OBJECT,
                "configuration": _OBJECT,
                "variables": {"type": "object", "additionalProperties": {"type": "object", "required": ["value"]}},
                "resource_changes": {"type": "array", "items": _resource_change()},
                "resource_drift": {"type": "array", "items": _resource_change()},
                "timestamp": {"type": "string", "format": "date-time"},
                "applyable": _FLAG,
                "complete": _FLAG,
                "errored": _FLAG,
                "x_version": {"const": 1, "description": "Version of the keys that begin with x_."},
                "x_basis": _basis(),
                "x_steps": {"type": "array", "items": _step(), "description": "What apply does, and in which order."},
                "x_desired": {"type": "array", "items": _resource(), "description": "What the steps make."},
                "x_diagnostics": {"type": "array", "items": _diagnostic()},
                "x_allowed": {**_TEXTS, "description": "Guards that were lifted for this plan."},
                "x_fingerprint": {
                    "type": "string",
                    "pattern": "^[0-9a-f]{64}$",
                    "description": "SHA-256 of all but x_signature, as JSON with sorted keys and no spaces.",
                },
                "x_signature": {
                    "type": "string",
                    "pattern": "^[0-9a-f]{64}$",
                    "description": "HMAC-SHA256 of x_fingerprint, with the configuration's key for signing plans.",
                },
            },
            optional=("planned_values", "prior_state", "configuration", "variables", "x_signature"),
        ),
    }


def _object(properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _resource_change() -> Schema:
    return _object(
        {
            "address": _TEXT,
            "previous_address": _TEXT,
            "mode": {"const": "managed"},
            "type": _TEXT,
            "name": _TEXT,
            "index": _TEXT,
            "provider_name": _TEXT,
            "change": _change(),
            "action_reason": _TEXT,
            "x_change": _own_change(),
        },
        optional=("previous_address", "index", "action_reason"),
    )


def _change() -> Schema:
    state = {"type": ["object", "null"]}
    return _object(
        {
            "actions": {"enum": _ACTIONS},
            "before": state,
            "after": state,
            "after_unknown": _OBJECT,
            "before_sensitive": {"type": ["object", "boolean"]},
            "after_sensitive": {"type": ["object", "boolean"]},
            "replace_paths": {"type": "array", "items": _TEXTS},
            "importing": _object({"id": _TEXT}),
        },
        optional=("replace_paths", "importing"),
    )


def _own_change() -> Schema:
    difference = _object(
        {"path": _TEXTS, "before": {}, "after": {}, "replaces": _FLAG, "secret": _FLAG},
        optional=("before", "after", "replaces", "secret"),
    )
    source = {"enum": [None, *_STATE["enum"]]}
    sort = {"enum": [str(sort) for sort in Sort]}
    transition = _object({"source": source, "event": _TEXT, "target": _STATE, "sort": sort})
    return _object(
        {
            "action": {"enum": [str(action) for action in Action]},
            "status_before": _STATE,
            "status_after": _STATE,
            "differences": {"type": "array", "items": difference},
            "path": {"type": "array", "items": transition, "description": "Lifecycle transitions, in order."},
            "waits_for": {**_TEXTS, "description": "What has to be ACTIVE before this is activated."},
            "reason": _object({"code": _TEXT, "text": _TEXT}),
            "span": _TEXT,
            "notes": {"type": "object", "additionalProperties": _TEXT},
        },
        optional=(*("status_before", "status_after", "differences", "path", "waits_for", "reason", "span", "notes"),),
    )


def _basis() -> Schema:
    texts = ("lineage", "configuration", "workspace", "created", "expires", "tool", "provider")
    return _object(
        {
            **dict.fromkeys(texts, _TEXT),
            "serial": {"type": "integer", "minimum": 0},
            "operation": {"enum": ["apply", "destroy", "refresh-only"]},
        }
    )


def _step() -> Schema:
    return _object(
        {
            "id": _TEXT,
            "op": {"enum": [str(op) for op in Op]},
            "address": _TEXT,
            "kind": _TEXT,
            "event": _TEXT,
            "target": _STATE,
            "changed": _TEXTS,
            "needs": _TEXTS,
            "source": _TEXT,
            "remote_id": _TEXT,
            "waits": {**_TEXTS, "description": "Ids of the steps that must be done before."},
        },
        optional=("event", "target", "changed", "needs", "source", "remote_id", "waits"),
    )


def _resource() -> Schema:
    sort = {"enum": [str(sort) for sort in NeedSort]}
    need = _object({"target": _TEXT, "sort": sort, "span": _TEXT}, optional=("span",))
    return _object(
        {
            "address": _TEXT,
            "kind": _TEXT,
            "attributes": _OBJECT,
            "status": _STATE,
            "needs": {"type": "array", "items": need},
            "refs": {"type": "object", "additionalProperties": _TEXT},
            "protect": _FLAG,
            "discovered": _FLAG,
            "span": _TEXT,
            "ignores": {"type": "object", "additionalProperties": _TEXT},
        },
        optional=("attributes", "needs", "refs", "protect", "discovered", "span", "ignores"),
    )


def _diagnostic() -> Schema:
    texts = dict.fromkeys(("code", "summary", "detail", "span", "address", "snippet"), _TEXT)
    return _object(
        {"severity": {"enum": ["error", "warning"]}, **texts},
        optional=("summary", "detail", "span", "address", "snippet"),
    )
