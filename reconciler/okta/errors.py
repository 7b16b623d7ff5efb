"""What went wrong with a call, told to the user: the Okta error model, broken connections, answers that aren't JSON.

Okta API reference, "Errors": `errorCode`, `errorSummary`, `errorId`, `errorCauses[]`, and `X-Okta-Request-Id`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.model.address import Address
from reconciler.model.diagnostic import Cause, Diagnostic, Refused, error
from reconciler.okta.names import UNREADABLE, text
from reconciler.ports import Answer, Call

_AUTH = frozenset({"E0000004", "E0000005", "E0000006", "E0000011", "E0000015"})
_HINTS = {
    "E0000004": "The credentials were not accepted; check provider.okta.auth.",
    "E0000005": "The session is not valid; check provider.okta.auth.",
    "E0000006": "The credentials lack permission: grant the OAuth scope, and the super administrator role or a custom "
    "role that may manage third-party MCP servers.",
    "E0000010": "Okta is in read-only mode for maintenance; run the same command again later.",
    "E0000011": "The token is not valid. An API token expires after 30 days without use; create a new one.",
    "E0000015": "The feature is not switched on in this org; Okta for AI Agents needs a subscription.",
    "E0000038": "Its state changed meanwhile; plan again.",
    "E0000047": "The rate limit stayed exhausted; run again later, or lower -parallelism or budget_percent.",
    "E0000107": "Its state changed meanwhile; plan again.",
    "E0000195": "Something still refers to it, or changed it at the same time; plan again.",
}
_OF_ALL = frozenset({"E0000010", "E0000047"})
"""Codes of refusals that are about none of the objects in particular."""
_UNHEARD = {
    True: "That call changed nothing. See whether the org can be reached from here, and provider.okta.org_url; then "
    "run the same command again.",
    False: "Whether it arrived is unknown; plan again to see what is there.",
}
"""What to do without an answer, by whether it was only read, or not even sent."""
_VERBS = {"GET": "read", "POST": "write", "PUT": "replace", "PATCH": "update", "DELETE": "delete"}


def error_code(answer: Answer) -> str | None:
    """Okta's code (`E0000001`), if the answer is an Okta error."""
    code = answer.body.get("errorCode") if isinstance(answer.body, Mapping) else None
    return code if isinstance(code, str) else None


def causes(answer: Answer) -> tuple[Mapping[str, Any], ...]:
    found = answer.body.get("errorCauses") if isinstance(answer.body, Mapping) else None
    return tuple(cause for cause in found if isinstance(cause, Mapping)) if isinstance(found, list) else ()


def is_duplicate(answer: Answer) -> bool:
    """Whether the object was refused because one like it is there already."""
    return answer.status in (400, 409) and any(cause.get("reason") == "UNIQUE_CONSTRAINT" for cause in causes(answer))


def refusal(call: Call, answer: Answer, address: Address | None = None, purpose: str = "") -> Refused:
    """The answer as a reason to stop: what was asked, what Okta said, and how to find it in Okta's own logs."""
    what = f"{purpose or _VERBS.get(call.method, call.method)} {address or call.path.partition('?')[0]}"
    return Refused([_diagnostic(what, answer, address, call.method == "GET" or not answer.sent)])


def _diagnostic(what: str, answer: Answer, address: Address | None, is_harmless: bool) -> Diagnostic:
    code, where = error_code(answer), _trace(answer)
    if answer.lost is not None:
        lost, way_on = printable(answer.lost), _UNHEARD[is_harmless]
        cause = Cause(f"No answer from the org: {lost}", what, way_on)
        return error("okta.no-answer", f"Could not {what}: {lost}", way_on, address=address, cause=cause)
    if code is None:
        told = _describe(answer)
        family = "auth.refused" if answer.status == 401 else f"okta.http-{answer.status}"
        cause = Cause(f"{told[:1].upper()}{told[1:]}", what, where)
        return error(family, f"Could not {what}: {told}", where, address=address, cause=cause)
    family = "auth" if code in _AUTH or answer.status == 401 else "okta"
    summary = printable(text(answer.body.get("errorSummary")) or "no reason given")
    detail = "\n".join(filter(None, [*_cause_lines(answer), _HINTS.get(code, ""), where]))
    is_common = family == "auth" or code in _OF_ALL or answer.status >= 500
    common = Cause(f"Okta refused: {summary}", what, detail) if is_common else None
    told = f"Okta refused to {what}: {summary}"
    return error(f"{family}.{code}", told, detail, address=address, cause=common)


def _describe(answer: Answer) -> str:
    """An answer that is not an Okta error, in words; nothing of it is repeated but a short printable beginning."""
    start = answer.headers.get(UNREADABLE)
    if 300 <= answer.status < 400:
        return f"the server answered with a redirect (status {answer.status}); check provider.okta.org_url"
    if start is None and answer.ok:
        return "the answer is not what Okta's API gives here"
    if start is None:
        return f"the server answered with status {answer.status} and no reason"
    kind = "HTML" if "html" in answer.headers.get("content-type", "") else "something that is not JSON"
    return f'the server answered with status {answer.status} and {kind}, beginning "{start}"; is a proxy in between?'


def _cause_lines(answer: Answer) -> Iterator[str]:
    for cause in causes(answer):
        said = cause.get("errorSummary") or cause.get("reason")
        place = cause.get("location")
        if isinstance(said, str):
            yield printable(f"{place}: {said}" if isinstance(place, str) else said)


def _trace(answer: Answer) -> str:
    """What Okta's support and System Log know this answer by."""
    error_id = answer.body.get("errorId") if isinstance(answer.body, Mapping) else None
    request = answer.headers.get("x-okta-request-id")
    named = [
        f"errorId {printable(error_id)}" if isinstance(error_id, str) else "",
        f"request {printable(request)}" if request else "",
    ]
    return f"({', '.join(filter(None, named))})" if any(named) else ""


def printable(value: str, limit: int = 500) -> str:
    """`value` on one line, without control or format characters, cut to `limit` characters."""
    kept = "".join(c if c.isprintable() else " " for c in value[: 4 * limit])
    flat = " ".join(kept.split())
    return flat if len(flat) <= limit else f"{flat[: limit - 3]}..."


def gone(address: Address) -> Refused:
    return Refused(
        [error("okta.gone", f"{address} is no longer in Okta", "Plan again: it will be created anew.", address=address)]
    )
