"""Checks of an MCP server: that it asks for authorization, publishes its metadata, and refuses what it should."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from reconciler.ports import Conversation, Fetched
from reconciler.readiness.connectability import judge_connectability
from reconciler.readiness.context import Subject
from reconciler.readiness.discovery import (
    Found,
    Likeness,
    compare_issuers,
    compare_resources,
    find_document,
    resource_candidates,
)
from reconciler.readiness.finding import Finding, failed, passed, quoted, skipped, unknown, warned
from reconciler.readiness.gate import Verdict
from reconciler.readiness.mcp import MODERN, Era, Meeting, discover_request, meet
from reconciler.readiness.oauth import stranger
from reconciler.readiness.runner import Family
from reconciler.readiness.strict_json import texts

_CURRENT = ("2025-06-18", "2025-11-25", MODERN)
_ELSEWHERE = "https://probe.invalid"


def _url(subject: Subject) -> str:
    url: str = subject.attributes["resource_url"]
    return url


def _meeting(subject: Subject) -> Conversation[Meeting]:
    return (yield from meet(subject.inquiry, _url(subject)))


def _metadata(subject: Subject) -> Conversation[Found]:
    challenge = (yield from _meeting(subject)).challenge
    announced = challenge.parameters.get("resource_metadata") if challenge else None
    candidates = resource_candidates(_url(subject), announced)
    return (yield from find_document(subject.inquiry, candidates, split_horizon=subject.options.split_horizon))


def _document(subject: Subject) -> Conversation[dict[str, Any]]:
    return (yield from _metadata(subject)).document or {}


def _is_discovered(subject: Subject) -> bool:
    return subject.attributes.get("registration") == "discovered"


def _judge_url(subject: Subject) -> Finding:
    url = _url(subject)
    parts = urlsplit(url)
    netloc = parts.netloc
    is_plain = url.startswith("https://") or (subject.options.egress.loopback and url.startswith("http://"))
    if not is_plain or "#" in url or not parts.hostname or "@" in netloc:
        return failed(f"{quoted(url)} is not a canonical https URL", "not-canonical")
    if netloc != netloc.lower():
        return failed(f"{quoted(url)} has capital letters in its host", "upper-case")
    if url.endswith("/"):
        return warned(f"{quoted(url)} ends in a slash, which must be meant", "slash")
    return passed(f"{quoted(url)} is canonical")


def _judge_challenge(subject: Subject) -> Conversation[Finding]:
    met = yield from _meeting(subject)
    url, answer = quoted(_url(subject)), met.answer
    facts = {"url": url, "status": answer.status}
    problem = subject.unanswered(_url(subject), answer)
    if problem is not None:
        return problem
    if met.era is not None:
        if subject.resource.address in subject.options.anonymous:
            return passed(f"{url} answers anyone, as it is meant to", **facts)
        return failed(f"{url} answers without any token", "open", **facts)
    if not met.is_challenged:
        return failed(f"{url} answers {answer.status} to a request without a token, instead of 401", "no-401", **facts)
    challenge = met.challenge
    facts["www_authenticate"] = quoted(answer.headers.get("www-authenticate", ""))
    if challenge is None:
        return warned(f"{url} answers 401, but names no Bearer scheme", "no-bearer", **facts)
    if "resource_metadata" not in challenge.parameters:
        return warned(f"{url} doesn't say where its metadata is", "no-metadata", **facts)
    return passed(f"{url} answers 401 and says where its metadata is", **facts)


def _judge_metadata(subject: Subject) -> Conversation[Finding]:
    found = yield from _metadata(subject)
    facts = {"url": quoted(found.url)}
    if found.problem is not None:
        return found.problem
    if found.document is None:
        judge = failed if _is_discovered(subject) else warned
        return judge("it publishes no protected resource metadata", "absent")
    challenge = (yield from _meeting(subject)).challenge
    announced = challenge.parameters.get("resource_metadata") if challenge else None
    if announced and found.rank:
        evidence = f"it is not at {quoted(announced)}, where the server says it is, but at {quoted(found.url)}"
        return warned(evidence, "misplaced", **facts)
    by_path, *others = resource_candidates(_url(subject), None)
    if not announced and others and found.url != by_path:
        return warned(f"it is found at {quoted(found.url)} only, not under the server's path", "root-only", **facts)
    if not found.is_json:
        return warned(f"{quoted(found.url)} is not sent as application/json", "content-type", **facts)
    return passed(f"it is at {quoted(found.url)}", **facts)


def _judge_resource(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    if not document:
        return skipped("it publishes no protected resource metadata")
    published, expected = document.get("resource"), _url(subject)
    facts = {"published": quoted(published), "expected": quoted(expected)}
    if not isinstance(published, str):
        return failed("the metadata names no resource", "absent", **facts)
    match compare_resources(published, expected):
        case Likeness.SAME:
            return passed(f"it is about {quoted(expected)}", **facts)
        case Likeness.PREFIX:
            evidence = f"it is about {quoted(published)}, of which {quoted(expected)} is a part; strict clients refuse"
            return warned(evidence, "prefix", **facts)
    return failed(f"it is about {quoted(published)}, not about {quoted(expected)}", "other-resource", **facts)


def _judge_authorization_servers(subject: Subject) -> Conversation[Finding]:
    listed = texts((yield from _document(subject)), "authorization_servers")
    if listed is None:
        judge = failed if _is_discovered(subject) else warned
        return judge("the metadata lists no authorization servers", "unlisted")
    associations = subject.context.nested(subject.resource.address, "association")
    issuers = [subject.issuer_of(association) for association in associations]
    attached = [issuer for issuer in issuers if issuer is not None]
    facts = {"listed": [quoted(each) for each in listed], "attached": [quoted(each) for each in attached]}
    if not associations:
        if not listed:
            return failed("the metadata lists no authorization servers", "unlisted")
        return passed(f"Okta attaches the authorization servers it lists: {_show(listed)}", **facts)
    alike = {i: [e for e in listed if compare_issuers(e, i) is not Likeness.OTHER] for i in attached}
    if not any(alike.values()):
        if len(attached) < len(issuers):
            if subject.options.predicts:
                return skipped(
                    "the issuer of an attached authorization server isn't known before it is made", "not-yet"
                )
            return unknown("the issuer of an attached authorization server isn't known yet", "no-issuer", **facts)
        evidence = f"the metadata lists {_show(listed)}, and none of those that are attached"
        return failed(evidence, "none-in-common", **facts)
    if all(i in listed for i in attached) and len(listed) == len(attached) == len(issuers):
        return passed("it lists the authorization servers that are attached", **facts)
    return warned(f"it lists {_show(listed)}; attached are {_show(attached)}", "differing", **facts)


def _show(issuers: list[str]) -> str:
    return ", ".join(quoted(issuer) for issuer in issuers[:5]) or "none"


def _judge_scopes(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    challenge = (yield from _meeting(subject)).challenge
    listed = texts(document, "scopes_supported")
    asked = challenge.parameters.get("scope", "").split() if challenge else []
    if listed is None and not asked:
        return skipped("it lists no scopes")
    known = {*(listed or ()), *asked}
    missing = sorted(_configured_scopes(subject) - known)
    if missing:
        return warned(f"it doesn't list the scope {_show(missing)}", "unlisted", missing=missing)
    if "offline_access" in known:
        return warned("it lists offline_access, which is no scope of a resource", "offline-access")
    return passed("it lists the scopes that are configured")


def _configured_scopes(subject: Subject) -> set[str]:
    address = subject.resource.address
    scopes = {s for c in subject.context.nested(address, "client_registration") for s in c.attributes.get("scopes", ())}
    for association in subject.context.nested(address, "association"):
        source = association.refs.get("authorization_server")
        definition = subject.context.resources.get(source) if source else None
        if definition is not None:
            scopes |= set(definition.attributes.get("access_policy", {}).get("scopes", ()))
    return scopes


def _judge_rejection(subject: Subject) -> Conversation[Finding]:
    met = yield from _meeting(subject)
    if not met.is_challenged:
        return skipped("it is meant to answer without a token")
    made_up = f"Bearer {stranger(_url(subject))}"
    request = replace(met.request, headers={**met.request.headers, "authorization": made_up})
    answer: Fetched = yield from subject.inquiry.ask(request)
    problem = subject.unanswered(_url(subject), answer)
    facts = {"url": quoted(_url(subject)), "status": answer.status}
    if problem is not None:
        return problem
    if answer.status == 401:
        return passed("it refuses a made-up token with 401", **facts)
    if 400 <= answer.status < 500:
        return warned(f"it refuses a made-up token, but with {answer.status} instead of 401", "unusual", **facts)
    return failed(f"it answers {answer.status} to a made-up token: it doesn't validate tokens", "accepted", **facts)


def _judge_protocol(subject: Subject) -> Conversation[Finding]:
    met = yield from _meeting(subject)
    facts = {"era": str(met.era), "versions": list(met.versions)}
    if met.era is None:
        return skipped("it tells only who has a token", "hidden")
    if met.era is Era.SSE:
        return failed("it speaks the HTTP+SSE transport of 2024-11-05 only", "sse", **facts)
    if any(version in _CURRENT for version in met.versions):
        return passed(f"it speaks {', '.join(met.versions)}", **facts)
    return warned(f"it speaks {quoted(', '.join(met.versions))}", "outdated", **facts)


def _judge_origin(subject: Subject) -> Conversation[Finding]:
    url = _url(subject)
    answer: Fetched = yield from subject.inquiry.ask(discover_request(url, MODERN, {"origin": _ELSEWHERE}))
    problem = subject.unanswered(url, answer)
    if problem is not None:
        return problem
    if answer.status == 403:
        return passed("it refuses requests from unknown web origins")
    return warned(f"it answers {answer.status} to a request from {_ELSEWHERE}", "accepted", status=answer.status)


def _judge_drift(subject: Subject) -> Conversation[Finding]:
    document = yield from _document(subject)
    published: dict[str, Any] = {_url(subject): document}
    for association in subject.context.nested(subject.resource.address, "association"):
        issuer = subject.issuer_of(association)
        if issuer:
            found = yield from subject.issuer_metadata(issuer)
            if found.problem is not None and found.problem.verdict is Verdict.UNKNOWN:
                return found.problem
            published[issuer] = found.document
    names = ("resource", "authorization_servers", "issuer", "authorization_endpoint", "token_endpoint", "jwks_uri")
    critical = {url: {name: (doc or {}).get(name) for name in names} for url, doc in published.items()}
    facts = {"digest": _digest(published), "critical": _digest(critical)}
    baseline = subject.context.baselines.get(subject.resource.address)
    if baseline is None:
        return skipped("it was not activated yet")._replace(facts=facts)
    if baseline.critical != facts["critical"]:
        return failed("an issuer, an endpoint or the list of authorization servers changed", "critical", **facts)
    if baseline.digest != facts["digest"]:
        return warned("its metadata changed in something else than issuers and endpoints", "other", **facts)
    return passed("it publishes what it did at its activation", **facts)


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


SERVER: Family = {
    "mcp.url": _judge_url,
    "mcp.challenge": _judge_challenge,
    "mcp.prm": _judge_metadata,
    "mcp.prm.resource": _judge_resource,
    "mcp.prm.as": _judge_authorization_servers,
    "mcp.prm.scopes": _judge_scopes,
    "mcp.token_rejection": _judge_rejection,
    "mcp.protocol": _judge_protocol,
    "mcp.origin": _judge_origin,
    "mcp.metadata_drift": _judge_drift,
    "mcp.connectable": judge_connectability,
}
