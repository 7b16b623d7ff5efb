"""Whether agents can get a token for an MCP server, through at least one of its authorization servers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Resource
from reconciler.ports import Conversation
from reconciler.readiness.context import Subject, is_active
from reconciler.readiness.custom_server import ID_JAG_PROFILE, JWT_BEARER
from reconciler.readiness.discovery import find_document, resource_candidates
from reconciler.readiness.finding import Finding, failed, passed, quoted, unknown, warned
from reconciler.readiness.gate import CheckResult, Verdict
from reconciler.readiness.inquiry import Unasked
from reconciler.readiness.strict_json import texts


class _Way(NamedTuple):
    """One authorization server as a way to a token: `obstacle` says what is in it, which may not be `certain`. `cause`
    is as in a CheckResult."""

    name: str
    obstacle: str = ""
    certain: bool = True
    cause: str = ""


def judge_connectability(subject: Subject) -> Conversation[Finding]:
    associations = [
        association
        for association in subject.context.nested(subject.resource.address, "association")
        if association.status is State.ACTIVE
    ]
    ways: list[_Way] = []
    for association in associations:
        ways.append((yield from _way_through(subject, association)))
    if not associations and subject.attributes.get("registration") == "discovered":
        ways = yield from _published_ways(subject)
    open_ways = [way.name for way in ways if not way.obstacle]
    obstacles = [f"{way.name}: {way.obstacle}" for way in ways if way.obstacle]
    facts = {"open": open_ways, "obstacles": obstacles}
    if open_ways and not obstacles:
        return passed(f"agents get tokens through {', '.join(open_ways)}", **facts)
    if open_ways:
        evidence = f"agents get tokens through {', '.join(open_ways)} only; {'; '.join(obstacles)}"
        return warned(evidence, "some", **facts)
    if any(not way.certain for way in ways):
        finding = unknown(f"it can't be told whether agents get tokens: {'; '.join(obstacles)}", "undecided", **facts)
    else:
        told = "; ".join(obstacles) or "nothing issues any"
        finding = failed(f"no agent can get a token for it: {told}", "none", **facts)
    causes = {way.cause for way in ways}
    return finding._replace(cause=causes.pop()) if len(causes) == 1 else finding


def _way_through(subject: Subject, association: Resource) -> Conversation[_Way]:
    name, observed = str(association.address), subject.context.observed
    if not subject.is_foreseen(association.address):
        if association.address not in observed:
            return _Way(name, "it was not looked up", certain=False)
        seen = observed[association.address]
        if not is_active(seen):
            return _Way(name, f"it is {seen.status if seen else 'not there'}")
    shut = yield from _shut(subject, association.address)
    if shut is not None:
        return _Way(name, f"{shut.check}: {shut.evidence}", shut.verdict is Verdict.FAIL, shut.why)
    if association.attributes.get("type") == "OKTA":
        return _Way(name)
    return (yield from _way_of_external(subject, association))


def _way_of_external(subject: Subject, association: Resource) -> Conversation[_Way]:
    """A client registration that holds, or Cross-App Access where its metadata says so."""
    name = str(association.address)
    clients = [
        client
        for client in subject.context.nested(subject.resource.address, "client_registration")
        if client.refs.get("association") == association.address
    ]
    first: _Way | None = None
    for client in clients:
        way = yield from _way_by_client(subject, name, client.address)
        if not way.obstacle:
            return way
        first = first or way
    if (yield from _takes_id_jags(subject, subject.issuer_of(association))):
        return _Way(name)
    return first or _Way(name, "it has no client registration, and doesn't take ID-JAGs")


def _way_by_client(subject: Subject, name: str, client: Address) -> Conversation[_Way]:
    observed = subject.context.observed
    if not subject.is_foreseen(client):
        if client not in observed:
            return _Way(name, f"{client} was not looked up", certain=False)
        if observed[client] is None:
            return _Way(name, f"{client} is not there")
    shut = yield from _shut(subject, client)
    return _Way(name, f"{client}: {shut.evidence}", shut.verdict is Verdict.FAIL, shut.why) if shut else _Way(name)


def _shut(subject: Subject, address: Address) -> Conversation[CheckResult | None]:
    """The result that keeps the resource's gate shut; a failure before what is only unknown."""
    results: Iterable[CheckResult] = yield from subject.peers(address)
    shut = [result for result in results if result.is_shut]
    return next((r for r in shut if r.verdict is Verdict.FAIL), shut[0] if shut else None)


def _published_ways(subject: Subject) -> Conversation[list[_Way]]:
    """Of a discovered server that expects nothing in particular: what it lists itself."""
    candidates = resource_candidates(subject.attributes["resource_url"], None)
    found = yield from find_document(subject.inquiry, candidates)
    if found.problem is not None:
        problem = found.problem
        return [_Way("its metadata", problem.evidence, problem.verdict is Verdict.FAIL, problem.cause)]
    listed = texts(found.document or {}, "authorization_servers") or []
    ways: list[_Way] = []
    for issuer in listed[:5]:
        takes = yield from _takes_id_jags(subject, issuer)
        obstacle = "" if takes else "it doesn't take ID-JAGs, and has no client registration"
        ways.append(_Way(quoted(issuer), obstacle))
    return ways


def _takes_id_jags(subject: Subject, issuer: str | None) -> Conversation[bool]:
    try:
        document: dict[str, Any] | None = (yield from subject.issuer_metadata(issuer)).document if issuer else None
    except Unasked:
        return False
    if document is None:
        return False
    profiles = texts(document, "authorization_grant_profiles_supported") or []
    return ID_JAG_PROFILE in profiles and JWT_BEARER in (texts(document, "grant_types_supported") or [])
