"""What an authorization server's metadata says of itself, whether Okta's own or somebody else's (RFC 8414)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.model.resource import Resource
from reconciler.ports import Conversation
from reconciler.readiness.context import Subject
from reconciler.readiness.discovery import Found, Likeness, compare_issuers
from reconciler.readiness.finding import Finding, failed, passed, quoted, warned
from reconciler.readiness.keys import judge_keys
from reconciler.readiness.strict_json import read_object, text, texts

SECRET_METHODS = ("client_secret_post", "client_secret_basic")
_DEFAULT_METHODS = ["client_secret_basic"]
"""What an absent token_endpoint_auth_methods_supported means (RFC 8414 section 2)."""

_LEGACY_RANK = 3
"""Of `issuer_candidates`: where Okta put the metadata before RFC 8414, and nobody else does."""


def judge_found(found: Found, issuer: str) -> Finding:
    facts = {"url": quoted(found.url), "issuer": quoted(issuer)}
    if found.problem is not None:
        return found.problem
    if found.document is None:
        return failed(f"{quoted(issuer)} publishes no metadata", "absent", issuer=quoted(issuer))
    if found.rank == _LEGACY_RANK:
        return warned(f"it is found at its legacy place {quoted(found.url)} only", "legacy", **facts)
    if not found.is_json:
        return warned(f"{quoted(found.url)} is not sent as application/json", "content-type", **facts)
    return passed(f"it is at {quoted(found.url)}", **facts)


def judge_issuer(document: Mapping[str, object], expected: str) -> Finding:
    published = document.get("issuer")
    facts = {"published": quoted(published), "expected": quoted(expected)}
    if not isinstance(published, str):
        return failed("the metadata names no issuer", "absent", **facts)
    match compare_issuers(published, expected):
        case Likeness.SAME:
            return passed(f"it is {quoted(expected)}", **facts)
        case Likeness.SLASH:
            return warned(f"{quoted(published)} and {quoted(expected)} differ by a final slash", "slash", **facts)
    return failed(f"the metadata is of {quoted(published)}, not of {quoted(expected)}", "mix-up", **facts)


def judge_jwks(subject: Subject, url: str) -> Conversation[Finding]:
    answer = yield from subject.inquiry.get(url, 262_144)
    problem = subject.unanswered(url, answer)
    if problem is not None:
        return problem
    if answer.status != 200:
        return failed(f"{quoted(url)} answers {answer.status}", "absent", url=quoted(url), status=answer.status)
    try:
        return judge_keys(read_object(answer.body))
    except ValueError as reason:
        return failed(f"{quoted(url)} is no JWK set: {reason}", "malformed", url=quoted(url))


def endpoint_of(subject: Subject, association: Resource, name: str) -> Conversation[str | None]:
    """An endpoint (`token_endpoint`) of an association's authorization server: as configured, or as published."""
    configured = association.attributes.get(name)
    if isinstance(configured, str):
        return configured
    issuer = subject.issuer_of(association)
    document = (yield from subject.issuer_metadata(issuer)).document if issuer else None
    return text(document, name) if document else None


def secret_methods(document: Mapping[str, Any] | None) -> list[str]:
    """How a client may show its secret, the form first; a server without metadata gets to see the form only."""
    if document is None:
        return ["client_secret_post"]
    listed = texts(dict(document), "token_endpoint_auth_methods_supported") or _DEFAULT_METHODS
    return [method for method in SECRET_METHODS if method in listed]
