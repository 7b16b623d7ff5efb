"""Checks of an external authorization server, from which Okta gets tokens for users who consented there (STS)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from reconciler.ports import Conversation, Fetch, Fetched
from reconciler.readiness.context import Subject
from reconciler.readiness.discovery import Found
from reconciler.readiness.finding import Finding, failed, passed, quoted, skipped, unknown, warned
from reconciler.readiness.inquiry import same_origin
from reconciler.readiness.metadata import SECRET_METHODS, endpoint_of, judge_found, judge_issuer, judge_jwks
from reconciler.readiness.oauth import read_said, stranger
from reconciler.readiness.registration import judge_registration
from reconciler.readiness.runner import Family
from reconciler.readiness.strict_json import text, texts

_DEFAULT_GRANTS = ["authorization_code", "implicit"]
"""What an absent grant_types_supported means (RFC 8414 section 2)."""
_GONE = (404, 405, 410)


def _metadata(subject: Subject) -> Conversation[Found]:
    return (yield from subject.issuer_metadata(subject.attributes["issuer"]))


def _document(subject: Subject) -> Conversation[dict[str, Any]]:
    """The metadata; checks that need eas.issuer are made only where there is some."""
    return (yield from _metadata(subject)).document or {}


def _judge_configuration(subject: Subject) -> Finding:
    attributes = subject.attributes
    problem = _issuer_problem(attributes.get("issuer"), subject.options.egress.loopback)
    if problem:
        return failed(problem, "issuer")
    if subject.resource.discovered:
        return passed("Okta reads its endpoints from its metadata")
    missing = [name for name in ("authorization_endpoint", "token_endpoint") if not attributes.get(name)]
    grants = attributes.get("grant_types", ())
    if missing:
        return failed(f"it has no {' and no '.join(missing)}", "incomplete", missing=missing)
    if "authorization_code" not in grants:
        return failed("authorization_code is not among its grants", "no-code")
    if "refresh_token" not in grants:
        return warned("it has no refresh_token grant, so users consent again at every expiry", "no-refresh")
    return passed("issuer, endpoints and grants are complete")


def _issuer_problem(issuer: object, loopback: bool) -> str:
    if not isinstance(issuer, str) or not issuer:
        return "it has no issuer"
    parts = urlsplit(issuer)
    if parts.scheme != "https" and not (loopback and parts.scheme == "http"):
        return f"its issuer {quoted(issuer)} is not an https URL"
    return f"its issuer {quoted(issuer)} has a query or fragment" if parts.query or parts.fragment else ""


def _judge_metadata(subject: Subject) -> Conversation[Finding]:
    finding = judge_found((yield from _metadata(subject)), subject.attributes["issuer"])
    if subject.resource.discovered:
        return finding._replace(blocking=True)
    if finding.code == "absent":
        evidence = f"{finding.evidence}; what is configured by hand can't be compared"
        return warned(evidence, "absent", **finding.facts)
    return finding


def _judge_issuer(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    if not document:
        return skipped("it publishes no metadata")
    return judge_issuer(document, subject.attributes["issuer"])


def _judge_match(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    names = ("authorization_endpoint", "token_endpoint")
    if subject.resource.discovered:
        return _judge_completeness(document, names)
    if not document:
        return warned("there is no metadata to compare the endpoints with", "absent")
    differing = {
        n: (subject.attributes[n], text(document, n)) for n in names if subject.attributes[n] != document.get(n)
    }
    if not differing:
        return passed("the endpoints are those of the metadata")
    shown = "; ".join(f"{n} is {quoted(ours)}, published {quoted(theirs)}" for n, (ours, theirs) in differing.items())
    reason = subject.options.overrides.get(subject.resource.address)
    facts = {n: {"configured": quoted(ours), "published": quoted(theirs)} for n, (ours, theirs) in differing.items()}
    if reason is not None:
        return warned(f"{shown}; that is meant: {quoted(reason)}", "override", **facts)
    return failed(shown, "different", **facts)


def _judge_completeness(document: Mapping[str, Any], names: tuple[str, ...]) -> Finding:
    """A discovered row has the endpoints that are published, so they must be."""
    missing = [name for name in names if not isinstance(document.get(name), str)]
    if missing:
        return failed(f"the metadata names no {' and no '.join(missing)}", "incomplete", missing=missing)
    return passed("the metadata names its endpoints")


def _judge_response_type(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    listed = texts(document, "response_types_supported")
    if listed is None:
        return warned("the metadata lists no response types", "unlisted")
    if "code" not in listed:
        return failed("it doesn't offer the code response type", "no-code", listed=[quoted(each) for each in listed])
    return passed("it offers the code response type")


def _judge_grants(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    listed = texts(document, "grant_types_supported")
    offered = _DEFAULT_GRANTS if listed is None else listed
    wanted = subject.attributes.get("grant_types", ["authorization_code"])
    missing = [grant for grant in wanted if grant not in offered]
    if "authorization_code" in missing:
        return failed("it doesn't offer the authorization_code grant", "no-code")
    if missing:
        return warned(f"it doesn't list the grant {', '.join(missing)}", "unlisted", missing=missing)
    return passed("it offers the grants that are configured")


def _judge_pkce(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    listed = texts(document, "code_challenge_methods_supported")
    if listed is not None and "S256" in listed:
        return passed("it supports PKCE with S256")
    evidence = "it doesn't say that it supports PKCE" if not listed else "it supports PKCE, but not with S256"
    code = "unlisted" if not listed else "plain"
    if subject.options.mcp_strict:
        return failed(f"{evidence}, so strict MCP clients refuse it", code)._replace(blocking=True)
    return warned(evidence, code)


def _judge_authorization(subject: Subject) -> Conversation[Finding]:
    url = yield from endpoint_of(subject, subject.resource, "authorization_endpoint")
    if url is None:
        return unknown("its authorization endpoint isn't known", "unknown-endpoint")
    answer: Fetched = yield from subject.inquiry.ask(Fetch("GET", url), may_redirect=True)
    problem = subject.unanswered(url, answer)
    if problem is not None:
        return problem
    facts = {"url": quoted(url), "status": answer.status}
    if answer.status in _GONE:
        return failed(f"{quoted(url)} answers {answer.status}", "no-endpoint", **facts)
    if answer.status < 400 or answer.status in (400, 401, 403):
        return passed(f"{quoted(url)} answers {answer.status}", **facts)
    return warned(f"{quoted(url)} answers {answer.status} to a bare request", "unusual", **facts)


def _judge_token(subject: Subject) -> Conversation[Finding]:
    url = yield from endpoint_of(subject, subject.resource, "token_endpoint")
    if url is None:
        return unknown("its token endpoint isn't known", "unknown-endpoint")
    form = {
        "grant_type": "authorization_code",
        "code": stranger(url),
        "redirect_uri": "https://probe.invalid/callback",
        "client_id": stranger(url),
    }
    answer: Fetched = yield from subject.inquiry.post_form(url, form)
    problem = subject.unanswered(url, answer)
    if problem is not None:
        return problem
    said = read_said(answer)
    facts = {"url": quoted(url), "answer": str(said)}
    if said.gave_token:
        return failed("it gives a token for a made-up code", "gives-tokens", **facts)
    is_refusal = said.error is not None and answer.status not in _GONE and not 300 <= answer.status < 400
    if is_refusal:
        return passed(f"it refuses a made-up code with {said}", **facts)
    if answer.status in _GONE or answer.status < 400:
        return failed(f"{quoted(url)} answers {answer.status}, as no token endpoint does", "no-endpoint", **facts)
    return warned(
        f"{quoted(url)} refuses a made-up code with {answer.status}, but not in OAuth's words", "bare", **facts
    )


def _judge_authentication(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    listed = texts(document, "token_endpoint_auth_methods_supported")
    if listed is None:
        return warned("it doesn't say how clients authenticate; that means client_secret_basic", "unlisted")
    if not set(SECRET_METHODS) & set(listed):
        shown = ", ".join(quoted(each) for each in listed[:5]) or "none"
        return failed(f"clients can't authenticate there with a secret; it takes {shown}", "no-secret")
    return passed("clients may authenticate with a secret")


def _judge_iss(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    says = document.get("authorization_response_iss_parameter_supported")
    if says is not None and not isinstance(says, bool):
        return failed("authorization_response_iss_parameter_supported is neither true nor false", "malformed")
    return passed("it names itself") if says else warned("it doesn't say that it names itself", "unlisted")


def _judge_revocation(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    endpoint = text(document, "revocation_endpoint")
    if endpoint is None:
        return warned("it has no revocation endpoint", "absent")
    if not same_origin(endpoint, subject.attributes["issuer"]):
        return warned(f"its revocation endpoint {quoted(endpoint)} is on another host", "other-host")
    return passed(f"its revocation endpoint is {quoted(endpoint)}")


def _judge_jwks(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    url = text(document, "jwks_uri")
    return (yield from judge_jwks(subject, url)) if url else skipped("it publishes no keys")


EXTERNAL: Family = {
    "eas.config": _judge_configuration,
    "eas.metadata": _judge_metadata,
    "eas.issuer": _judge_issuer,
    "eas.endpoints.match": _judge_match,
    "eas.response_type": _judge_response_type,
    "eas.grants": _judge_grants,
    "eas.pkce": _judge_pkce,
    "eas.authz.reach": _judge_authorization,
    "eas.token.reach": _judge_token,
    "eas.authmethod": _judge_authentication,
    "eas.iss": _judge_iss,
    "eas.revocation": _judge_revocation,
    "eas.jwks": _judge_jwks,
    "eas.dcr": judge_registration,
}
