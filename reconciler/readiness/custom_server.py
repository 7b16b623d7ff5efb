"""Checks of an Okta custom authorization server, by which agents reach an MCP server through Cross-App Access (XAA)."""

from __future__ import annotations

from reconciler.model.lifecycle import State
from reconciler.ports import Conversation, Fetched
from reconciler.readiness.context import Subject, is_active, okta_issuer
from reconciler.readiness.discovery import Found, find_document, issuer_candidates
from reconciler.readiness.finding import Finding, failed, passed, quoted, skipped, unknown, warned
from reconciler.readiness.gate import Verdict
from reconciler.readiness.inquiry import origin, same_origin
from reconciler.readiness.metadata import judge_found, judge_issuer, judge_jwks
from reconciler.readiness.oauth import read_said
from reconciler.readiness.runner import Family
from reconciler.readiness.strict_json import texts

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ID_JAG_PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
ID_JAG_TOKEN = "urn:ietf:params:oauth:token-type:id-jag"
_AGENT_ALGORITHMS = {"RS256", "ES256"}
_WORTHLESS = "e30.e30.probe"


def _judge_existence(subject: Subject) -> Finding:
    if subject.resource.status is State.ACTIVE and subject.is_foreseen(subject.resource.address):
        return skipped("it is not active yet; apply makes it so", "not-yet")
    if subject.resource.address not in subject.context.observed:
        return unknown("it was not looked up in the live system", "not-looked-up")
    seen = subject.live
    if seen is None:
        return failed("it is not there", "missing")
    return passed("it is ACTIVE") if is_active(seen) else failed(f"it is {seen.status}", "inactive")


def _issuer_of(subject: Subject) -> str:
    seen = subject.live
    assert seen is not None
    return okta_issuer(subject.context.org_url, seen)


def _metadata(subject: Subject) -> Conversation[Found]:
    return (yield from subject.issuer_metadata(_issuer_of(subject)))


def _document(subject: Subject) -> Conversation[dict[str, object]]:
    found = yield from _metadata(subject)
    return dict(found.document or {})


def _judge_metadata(subject: Subject) -> Conversation[Finding]:
    return judge_found((yield from _metadata(subject)), _issuer_of(subject))


def _judge_issuer(subject: Subject) -> Conversation[Finding]:
    return judge_issuer((yield from _document(subject)), _issuer_of(subject))


def _judge_endpoints(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    endpoint = document.get("token_endpoint")
    if not isinstance(endpoint, str):
        return failed("the metadata names no token_endpoint", "absent")
    facts = {"token_endpoint": quoted(endpoint)}
    if same_origin(endpoint, _issuer_of(subject)):
        return passed(f"the token endpoint is {quoted(endpoint)}", **facts)
    try:
        scheme, host, _ = origin(endpoint)
    except ValueError:
        scheme = host = ""
    if scheme == "https" and host in subject.options.token_hosts:
        return warned(f"the token endpoint {quoted(endpoint)} is on another host, which is allowed", "allowed", **facts)
    return failed(f"the token endpoint {quoted(endpoint)} is on another host than the issuer", "other-host", **facts)


def _ask_token(subject: Subject) -> Conversation[tuple[str, Fetched]]:
    document = yield from _document(subject)
    endpoint = document.get("token_endpoint")
    if not isinstance(endpoint, str):
        return "", Fetched(0, problem="url", detail="the metadata names no token endpoint")
    form = {"grant_type": JWT_BEARER, "assertion": _WORTHLESS}
    return endpoint, (yield from subject.inquiry.post_form(endpoint, form))


def _judge_token(subject: Subject) -> Conversation[Finding]:
    endpoint, answer = yield from _ask_token(subject)
    problem = subject.unanswered(endpoint, answer)
    if problem is not None:
        return problem
    said = read_said(answer)
    facts = {"url": quoted(endpoint), "answer": str(said)}
    if said.gave_token:
        return failed("it gives a token for a worthless assertion", "gives-tokens", **facts)
    if said.error == "unsupported_grant_type":
        return failed("it says that it doesn't support the jwt-bearer grant", "unsupported", **facts)
    if said.error in {"invalid_client", "invalid_request", "invalid_grant", "unauthorized_client"}:
        return passed(f"it refuses a worthless assertion with {said.error}", **facts)
    if answer.status in (404, 405, 410) or answer.status < 400:
        return failed(f"{quoted(endpoint)} answers {answer.status}, as no token endpoint does", "no-endpoint", **facts)
    return warned(f"it refuses a worthless assertion, but with {said}", "unusual", **facts)


def _judge_grant(subject: Subject) -> Conversation[Finding]:
    listed = texts((yield from _document(subject)), "grant_types_supported")
    if JWT_BEARER in (listed or ()):
        return passed("it lists the jwt-bearer grant")
    proof = subject.found["aus.token"]
    if proof.code == "unsupported":
        return failed("it doesn't list the jwt-bearer grant, and doesn't support it", "unsupported")
    if proof.verdict in (Verdict.PASS, Verdict.WARN):
        return warned("it doesn't list the jwt-bearer grant, but understands it", "unlisted")
    return unknown("it doesn't list the jwt-bearer grant, and its token endpoint doesn't tell", "unlisted")


def _judge_profile(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    profiles = texts(document, "authorization_grant_profiles_supported")
    grants = texts(document, "grant_types_supported")
    if ID_JAG_PROFILE not in (profiles or ()):
        return warned("it doesn't say that it takes ID-JAGs", "unlisted")
    if JWT_BEARER not in (grants or ()):
        return failed("it says that it takes ID-JAGs, but lists no jwt-bearer grant", "contradiction")._replace(
            blocking=True
        )
    return passed("it says that it takes ID-JAGs")


def _judge_jwks(subject: Subject) -> Conversation[Finding]:
    url = (yield from _document(subject)).get("jwks_uri")
    if not isinstance(url, str):
        return failed("the metadata names no jwks_uri", "absent")
    return (yield from judge_jwks(subject, url))


def _judge_authentication(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    methods = texts(document, "token_endpoint_auth_methods_supported")
    algorithms = texts(document, "token_endpoint_auth_signing_alg_values_supported")
    if methods is None:
        return warned("it doesn't say how clients may authenticate", "unlisted")
    if "private_key_jwt" not in methods:
        return failed("its clients may not authenticate by private_key_jwt", "excluded")
    if algorithms is not None and not _AGENT_ALGORITHMS & set(algorithms):
        return warned("it lists neither RS256 nor ES256 for client assertions", "algorithm")
    return passed("its clients may authenticate by private_key_jwt")


def _judge_scopes(subject: Subject) -> Conversation[Finding]:
    policy = subject.attributes.get("access_policy", {})
    wanted = set(policy.get("scopes", ()))
    seen = subject.live
    assert seen is not None
    there = seen.attributes.get("scopes")
    if there is not None:
        missing = sorted(wanted - set(there))
        if missing:
            return failed(f"it has no scope {', '.join(map(quoted, missing))}", "missing", missing=missing)
        return passed("it has every scope its policy grants")
    if subject.found["aus.metadata"].verdict not in (Verdict.PASS, Verdict.WARN):
        return unknown("its scopes can't be read", "unreadable")
    published = texts((yield from _document(subject)), "scopes_supported")
    if published is not None and wanted <= set(published):
        return passed("it publishes every scope its policy grants")
    return unknown("its scopes can't be read, and it needn't publish them", "unreadable")._replace(blocking=False)


def _judge_policy(subject: Subject) -> Finding:
    seen = subject.live
    assert seen is not None
    if "access_policy" not in seen.attributes:
        return unknown("its access policy can't be read", "unreadable")._replace(blocking=False)
    policy = seen.attributes["access_policy"] or {}
    if not policy.get("clients"):
        return failed("no access policy admits a client", "no-client")
    if JWT_BEARER not in policy.get("grant_types", ()):
        return failed("no access policy rule admits the jwt-bearer grant", "no-grant")
    return passed("an access policy admits clients by the jwt-bearer grant")


def _judge_org(subject: Subject) -> Conversation[Finding]:
    found = yield from find_document(subject.inquiry, issuer_candidates(subject.context.org_url))
    if found.problem is not None and found.problem.code != "malformed":
        return found.problem._replace(verdict=Verdict.UNKNOWN)
    if found.document is None:
        return unknown("the org publishes no metadata that could be read", "absent")
    grants = texts(found.document, "grant_types_supported")
    minted = texts(found.document, "identity_chaining_requested_token_types_supported")
    if TOKEN_EXCHANGE not in (grants or ()):
        return failed("the org doesn't list the token-exchange grant", "no-exchange")
    if ID_JAG_TOKEN not in (minted or ()):
        return warned("the org doesn't say that it mints ID-JAGs", "unlisted")
    return passed("the org mints ID-JAGs")


def _judge_audience(subject: Subject) -> Finding:
    """Of an association: whether tokens for its MCP server carry the audience that server expects."""
    server = subject.context.resources.get(subject.resource.refs["mcp_server"])
    source = subject.context.resources.get(subject.resource.refs["authorization_server"])
    if server is None or source is None:
        return unknown("the MCP server or the authorization server is not declared", "undeclared")._replace(
            blocking=True
        )
    resource, audiences = server.attributes["resource_url"], source.attributes.get("audiences", ())
    if resource in audiences:
        return passed(f"its audience is {quoted(resource)}")
    facts = {"audiences": [quoted(each) for each in audiences], "resource": quoted(resource)}
    evidence = f"its audience is not {quoted(resource)}; only tokens from an ID-JAG that names the resource will do"
    return warned(evidence, "other-audience", **facts)


CUSTOM: Family = {
    "aus.exists": _judge_existence,
    "aus.metadata": _judge_metadata,
    "aus.issuer": _judge_issuer,
    "aus.endpoints": _judge_endpoints,
    "aus.token": _judge_token,
    "aus.grant.jwt_bearer": _judge_grant,
    "aus.profile.idjag": _judge_profile,
    "aus.jwks": _judge_jwks,
    "aus.authmethod": _judge_authentication,
    "aus.scopes": _judge_scopes,
    "aus.policy": _judge_policy,
    "org.idjag": _judge_org,
}

ATTACHED: Family = {"aus.audience": _judge_audience}
"""Of an association with an Okta custom authorization server."""
