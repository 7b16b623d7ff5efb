"""Checks of a client registration: whether what Okta shows an external authorization server will be accepted there."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from reconciler.model.resource import Resource
from reconciler.model.secret import describe
from reconciler.ports import Conversation, Fetch, Fetched
from reconciler.readiness.context import Subject
from reconciler.readiness.credentials import Trial, judge_secret, judge_trial, judge_trials
from reconciler.readiness.finding import Finding, failed, passed, quoted, skipped, unknown, warned
from reconciler.readiness.gate import Verdict
from reconciler.readiness.inquiry import CREDENTIALS, origin, same_origin
from reconciler.readiness.metadata import endpoint_of, secret_methods
from reconciler.readiness.oauth import read_said, stranger
from reconciler.readiness.runner import Family
from reconciler.readiness.strict_json import text, texts

_SOON_DAYS = 14
_ENDPOINTS = ("revocation", "introspection", "token")
"""In the order in which they are asked; the last exists everywhere."""
_MUST_HOLD = ("eas.issuer", "eas.endpoints.match")
_CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""The code_challenge of RFC 7636 appendix B; no code is ever redeemed with it."""


def _association(subject: Subject) -> Resource | None:
    return subject.context.resources.get(subject.resource.refs["association"])


def _document(subject: Subject) -> Conversation[dict[str, Any] | None]:
    association = _association(subject)
    issuer = subject.issuer_of(association) if association else None
    return (yield from subject.issuer_metadata(issuer)).document if issuer else None


def _is_dynamic(subject: Subject) -> bool:
    return subject.attributes.get("method") == "dynamic" or "registrar" in subject.attributes


def _judge_reference(subject: Subject) -> Finding:
    reference = subject.attributes.get("client_secret")
    if reference is None:
        return skipped("it has no secret of its own")
    return judge_secret(describe(reference), subject.context.secrets.get(describe(reference)))


def _judge_binding(subject: Subject) -> Finding:
    association, observed = subject.resource.refs["association"], subject.context.observed
    if subject.live is None and (subject.options.predicts or subject.resource.address in observed):
        return passed(f"it will be made for {association}")
    if subject.live is None:
        return unknown("it was not looked up in the live system", "not-looked-up")
    bound = subject.live.links.get("association")
    owner = observed.get(association)
    if bound is None or owner is None:
        return unknown(f"{association} was not found in the live system", "not-looked-up")
    if bound not in (owner.id, owner.handle):
        return failed(f"it belongs to the authorization server {quoted(bound)}, not to {association}", "other-server")
    return passed(f"it belongs to {association}")


def _judge_credentials(subject: Subject) -> Conversation[Finding]:
    association = _association(subject)
    if _is_dynamic(subject):
        return skipped("it registers itself, and gives Okta its credentials")
    if association is None:
        return unknown("its authorization server is not declared", "undeclared")
    for result in (yield from subject.peers(association.address)):
        if result.check in _MUST_HOLD and result.verdict is Verdict.FAIL:
            evidence = f"credentials are not shown to an authorization server that fails {result.check}"
            return unknown(evidence, "not-trusted")
    document = yield from _document(subject)
    methods = secret_methods(document)
    if not methods:
        return unknown("the authorization server takes no secrets, so this one can't be tried", "no-method")
    findings: list[Finding] = []
    for kind in _ENDPOINTS:
        url = yield from endpoint_of(subject, association, f"{kind}_endpoint")
        url = url or (text(document, f"{kind}_endpoint") if document else None)
        if url and _may_receive(subject, association, kind, url):
            finding = yield from _try(subject, kind, url, methods[0])
            findings.append(finding)
            if finding.verdict is not Verdict.UNKNOWN:
                break
    return judge_trials(findings)


def _may_receive(subject: Subject, association: Resource, kind: str, url: str) -> bool:
    """Credentials go to what the user configured, and to the issuer's own origin; elsewhere only where allowed."""
    if association.attributes.get(f"{kind}_endpoint") == url:
        return True
    try:
        host = origin(url)[1]
    except ValueError:
        return False
    return same_origin(url, association.attributes["issuer"]) or host in subject.options.token_hosts


def _try(subject: Subject, kind: str, url: str, method: str) -> Conversation[Finding]:
    form = {"token": stranger(url)} if kind != "token" else _code_form(url, _callback(subject))
    client, secret = subject.attributes["client_id"], subject.attributes["client_secret"]
    nobody = stranger(url)
    if method == "client_secret_post":
        known = {**form, "client_id": client, "client_secret": secret}
        real: Fetched = yield from subject.inquiry.post_form(url, known, secrets=frozenset({"client_secret"}))
        control: Fetched = yield from subject.inquiry.post_form(
            url, {**form, "client_id": nobody, "client_secret": nobody}
        )
    else:
        real = yield from subject.inquiry.post_form(url, form, basic=(client, secret))
        pair = base64.b64encode(f"{nobody}:{nobody}".encode()).decode()
        control = yield from subject.inquiry.post_form(url, form, headers={"authorization": f"Basic {pair}"})
    problem = subject.unanswered(url, real) or subject.unanswered(url, control)
    if problem is not None:
        return problem._replace(verdict=Verdict.UNKNOWN)
    return judge_trial(Trial(kind, read_said(real), read_said(control)))


def _code_form(url: str, callback: str) -> dict[str, str]:
    return {"grant_type": "authorization_code", "code": stranger(url), "redirect_uri": callback}


def _callback(subject: Subject) -> str:
    return subject.options.redirect_uri or f"{subject.context.org_url.rstrip('/')}/oauth2/v1/sts/callback"


def _judge_redirect(subject: Subject) -> Conversation[Finding]:
    association, client = _association(subject), subject.attributes.get("client_id")
    if client is None or association is None:
        return skipped("it registers itself, and Okta names its callback")
    url = yield from endpoint_of(subject, association, "authorization_endpoint")
    if url is None:
        return unknown("the authorization endpoint isn't known", "unknown-endpoint")
    real: Fetched = yield from _ask_silently(subject, url, client)
    control: Fetched = yield from _ask_silently(subject, url, stranger(url))
    problem = subject.unanswered(url, real) or subject.unanswered(url, control)
    if problem is not None:
        return problem._replace(verdict=Verdict.UNKNOWN)
    return _judge_return(_callback(subject), real, control)


def _ask_silently(subject: Subject, url: str, client: str) -> Conversation[Fetched]:
    """OpenID Connect Core section 3.1.2.1: prompt=none asks nobody anything."""
    query = {
        "response_type": "code",
        "client_id": client,
        "redirect_uri": _callback(subject),
        "scope": "openid",
        "state": stranger(url),
        "prompt": "none",
        "code_challenge": _CHALLENGE,
        "code_challenge_method": "S256",
    }
    request = Fetch("GET", f"{url}{'&' if urlsplit(url).query else '?'}{urlencode(query)}")
    return (yield from subject.inquiry.ask(request, CREDENTIALS, may_redirect=True))


def _judge_return(callback: str, real: Fetched, control: Fetched) -> Finding:
    outcome, other = _outcome(callback, real), _outcome(callback, control)
    facts = {"answer": f"{real.status} {outcome}".strip(), "control": f"{control.status} {other}".strip()}
    same = (real.status, outcome) == (control.status, other)
    if 300 <= real.status < 400 and outcome.startswith("back") and not same:
        return passed(f"it leads back to {quoted(callback)}", **facts)
    if 400 <= real.status < 500 and (not same or (_names_redirect(real) and not _names_redirect(control))):
        evidence = f"the authorization server doesn't send users of this client back to {quoted(callback)}"
        return failed(evidence, "refused", **facts)
    return unknown("the authorization server doesn't tell without a user", "inconclusive", **facts)


def _outcome(callback: str, answer: Fetched) -> str:
    target = answer.headers.get("location", "")
    if target.partition("?")[0].partition("#")[0] == callback:
        error = parse_qs(urlsplit(target).query).get("error", ["no error"])[0]
        return f"back with {quoted(error)}"
    return quoted(read_said(answer).error or "")


def _names_redirect(answer: Fetched) -> bool:
    """Error pages of this endpoint are for people, so the error's name is looked for in whatever was sent."""
    return any(name in answer.body for name in (b"invalid_redirect_uri", b"redirect_uri_mismatch"))


def _judge_expiry(subject: Subject) -> Finding:
    computed: Mapping[str, Any] = subject.live.computed if subject.live is not None else {}
    expires = computed.get("client_secret_expires_at")
    if not isinstance(expires, int):
        return skipped("nobody says when the secret expires")
    if expires == 0:
        return passed("the secret never expires")
    days = (expires - subject.context.epoch) / 86_400
    if days < 0:
        return failed("the secret has expired", "expired", days=round(days, 1))
    if days < _SOON_DAYS:
        return warned(f"the secret expires in {days:.0f} days", "expires", days=round(days, 1))
    return passed(f"the secret is good for {days:.0f} days", days=round(days, 1))


def _judge_scopes(subject: Subject) -> Conversation[Finding]:
    wanted = subject.attributes.get("scopes")
    if not wanted:
        return skipped("it asks for no scopes in particular")
    document = yield from _document(subject)
    published = texts(document, "scopes_supported") if document else None
    if published is None:
        return skipped("the authorization server publishes no list of scopes")
    missing = sorted(set(wanted) - set(published))
    if missing:
        shown = ", ".join(quoted(scope) for scope in missing)
        return warned(f"the authorization server doesn't publish the scope {shown}", "unlisted", missing=missing)
    return passed("every scope is published")


CLIENT: Family = {
    "client.secret.ref": _judge_reference,
    "client.issuer_binding": _judge_binding,
    "client.credentials": _judge_credentials,
    "client.redirect_uri": _judge_redirect,
    "client.expiry": _judge_expiry,
    "client.scopes": _judge_scopes,
}
