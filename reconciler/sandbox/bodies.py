"""Request bodies, checked against JSON Schemas before any handler sees them."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING, Any

from reconciler.sandbox.body_schemas import SCHEMAS
from reconciler.sandbox.errors import Cause, invalid, malformed, wrong_content_type
from reconciler.sandbox.exchange import Request

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError

MERGE_PATCH = "application/merge-patch+json"


def read_body(request: Request, schema: str) -> dict[str, Any]:
    """The JSON object of a POST or PUT; OktaError if it isn't one that `SCHEMAS[schema]` permits."""
    _require_content_type(request, "application/json")
    return read_document(request, schema)


def read_document(request: Request, schema: str) -> dict[str, Any]:
    """The same, whatever the Content-Type says."""
    return _validated(_object(request), schema)


def read_patch(request: Request, schema: str, immutable: Collection[str]) -> dict[str, Any]:
    """The merge patch (RFC 7386) of a PATCH; fields that can't change are refused by name."""
    _require_content_type(request, MERGE_PATCH)
    patch = _object(request)
    fixed = [name for name in patch if name in immutable]
    if fixed:
        raise invalid(
            fixed[0], *(Cause(f"{name}: The field cannot be changed", "IMMUTABLE_FIELD", name) for name in fixed)
        )
    return _validated(patch, schema)


def merge(body: dict[str, Any], patch: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Apply a merge patch of flat fields: null removes. Returns what changed: field -> (before, after)."""
    changes = {name: (body.get(name), value) for name, value in patch.items() if body.get(name) != value}
    for name, value in patch.items():
        if value is None:
            body.pop(name, None)
        else:
            body[name] = value
    return changes


def _require_content_type(request: Request, expected: str) -> None:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != expected:
        raise wrong_content_type()


def _object(request: Request) -> dict[str, Any]:
    try:
        document = request.json()
    except (ValueError, RecursionError):
        raise malformed() from None
    if not isinstance(document, dict):
        raise malformed()
    return document


def _validated(document: dict[str, Any], schema: str) -> dict[str, Any]:
    problems = sorted(_validator(schema).iter_errors(document), key=lambda problem: list(map(str, problem.path)))
    if problems:
        causes = tuple(cause for problem in problems for cause in _causes(problem))
        raise invalid(causes[0].location or "body", *causes)
    return document


@cache
def _validator(schema: str) -> Draft202012Validator:
    from jsonschema import Draft202012Validator

    return Draft202012Validator(SCHEMAS[schema])


def _causes(problem: ValidationError) -> list[Cause]:
    """In words that never repeat the value, which may be a secret."""
    location = ".".join(str(step) for step in problem.absolute_path)
    rule: Any = problem.validator_value
    schema: Any = problem.schema
    instance: Any = problem.instance
    if problem.validator == "required":
        missing = [name for name in rule if name not in instance]
        return [Cause(f"{name}: The field cannot be left blank", "REQUIRED", name) for name in missing]
    if problem.validator in ("additionalProperties", "unevaluatedProperties"):
        known = schema.get("properties", {})
        extra = [name for name in instance if name not in known]
        return [Cause(f"{name}: The field is not known", "UNKNOWN_FIELD", name) for name in extra]
    words = {
        "type": f"must be of the type {rule}",
        "enum": f"must be one of {rule}",
        "const": f"must be {rule}",
        "pattern": "has the wrong format",
        "minLength": f"must have at least {rule} characters",
        "maxLength": f"must have at most {rule} characters",
        "minItems": f"must have at least {rule} elements",
        "maxItems": f"must have at most {rule} elements",
    }
    return [Cause(f"{location or 'body'}: {words.get(str(problem.validator), 'is not valid')}", "INVALID", location)]
