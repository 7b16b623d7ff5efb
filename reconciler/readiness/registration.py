"""Whether clients can register themselves at an authorization server (RFC 7591), tried only where that is permitted."""

from __future__ import annotations

from reconciler.ports import Conversation, Fetch, Fetched
from reconciler.readiness.context import Subject
from reconciler.readiness.finding import Finding, failed, passed, quoted, skipped, warned
from reconciler.readiness.inquiry import same_origin
from reconciler.readiness.metadata import endpoint_of
from reconciler.readiness.oauth import read_said
from reconciler.readiness.strict_json import read_object


def judge_registration(subject: Subject) -> Conversation[Finding]:
    server = subject.resource.refs["mcp_server"]
    clients = subject.context.nested(server, "client_registration")
    if not any(
        (client.attributes.get("method") == "dynamic" or "registrar" in client.attributes)
        and client.refs.get("association") == subject.resource.address
        for client in clients
    ):
        return skipped("no client registers itself here")
    url = yield from endpoint_of(subject, subject.resource, "registration_endpoint")
    if url is None:
        return failed("it has no registration endpoint", "absent")
    if not subject.options.mutating:
        return passed(f"its registration endpoint is {quoted(url)}; whether it is open is not tried", url=quoted(url))
    return (yield from _try_registration(subject, url))


def _try_registration(subject: Subject, url: str) -> Conversation[Finding]:
    """Register a client and delete it again (RFC 7591, RFC 7592)."""
    wanted = {
        "client_name": "reconciler probe (to be deleted)",
        "redirect_uris": ["https://probe.invalid/callback"],
        "grant_types": ["authorization_code"],
        "application_type": "web",
    }
    request = Fetch("POST", url, body=wanted, content_type="application/json")
    answer: Fetched = yield from subject.inquiry.ask(request, once=True)
    problem = subject.unanswered(url, answer)
    if problem is not None:
        return problem
    if answer.status in (401, 403):
        return failed(f"{quoted(url)} refuses registrations ({answer.status}), although it is advertised", "refused")
    try:
        made = read_object(answer.body)
    except ValueError:
        made = {}
    client = made.get("client_id")
    if answer.status not in (200, 201) or not isinstance(client, str):
        return failed(f"{quoted(url)} answers a registration with {read_said(answer)}", "refused")
    token, place = made.get("registration_access_token"), made.get("registration_client_uri")
    if isinstance(token, str) and isinstance(place, str) and same_origin(place, url):
        gone = yield from subject.inquiry.ask(Fetch("DELETE", place, {"authorization": f"Bearer {token}"}), once=True)
        if gone.status in (200, 204):
            return passed("it registers and deletes clients", url=quoted(url))
    return warned(
        f"the client {quoted(client)} was registered and can't be deleted", "orphan", client_id=quoted(client)
    )
