"""What one check found, before it is put beside the resource it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from reconciler.ports import Fetched
from reconciler.readiness.gate import Verdict

_JWT = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){0,4}")
_LONGEST = 120
TRANSIENT = frozenset({408, 425, 429})
GIVEN_UP = "given-up"
"""The problem of a request that wasn't made, because its host gave no answer before."""


class Finding(NamedTuple):
    """`code` tells kinds of one verdict apart, for machines. `blocking` and `remedy` override the catalogue's. `cause`
    is as in a CheckResult."""

    verdict: Verdict
    evidence: str
    code: str = ""
    facts: Mapping[str, Any] = {}
    remedy: str = ""
    blocking: bool | None = None
    cause: str = ""


def passed(evidence: str, **facts: Any) -> Finding:
    return Finding(Verdict.PASS, evidence, facts=facts)


def warned(evidence: str, code: str = "", **facts: Any) -> Finding:
    return Finding(Verdict.WARN, evidence, code, facts)


def failed(evidence: str, code: str = "", **facts: Any) -> Finding:
    return Finding(Verdict.FAIL, evidence, code, facts)


def unknown(evidence: str, code: str = "", **facts: Any) -> Finding:
    return Finding(Verdict.UNKNOWN, evidence, code, facts)


def skipped(evidence: str, code: str = "not-applicable") -> Finding:
    return Finding(Verdict.SKIP, evidence, code)


def quoted(text: object) -> str:
    """A stranger's text fit to be shown: printable, short, and without anything shaped like a token."""
    plain = "".join(c for c in _JWT.sub("eyJ***", str(text)) if c.isprintable())
    return plain if len(plain) <= _LONGEST else plain[: _LONGEST - 3] + "..."


def unanswered(url: str, answer: Fetched, *, split_horizon: bool = False) -> Finding | None:
    """What follows from there being no usable answer at all; None if there is one.

    Only what would hold from anywhere is a failure: a refused address, a certificate, a name that doesn't exist.
    """
    where = {"url": quoted(url)}
    if answer.problem == "url":
        return failed(f"{quoted(url)} is not asked: {answer.detail}", "net.url", **where)
    if answer.problem == "size":
        return failed(f"{quoted(url)} answers with more than is read", "net.size", **where)
    host = quoted(urlsplit(url).netloc.rpartition("@")[2])
    if answer.problem == "policy":
        finding, told = failed("", "net.egress", **where), f"is not asked: {answer.detail}"
    elif answer.problem == "dns" and not split_horizon:
        finding, told = failed("", "net.dns", **where), f"can't be reached: {answer.detail}"
    elif answer.problem == "tls":
        finding, told = failed("", "net.tls", **where), f"can't be trusted: {answer.detail}"
    elif answer.problem is not None:
        finding, told = unknown("", "net.http", **where), f"gave no answer: {answer.detail}"
    elif answer.status >= 500 or answer.status in TRANSIENT:
        finding, told = unknown("", "net.http", **where, status=answer.status), f"answers {answer.status}"
    else:
        return None
    evidence = f"{quoted(url)} {told}"
    if answer.problem == GIVEN_UP:
        evidence = f"{quoted(url)} is not asked any more: {host} gave no answer before"
    return finding._replace(evidence=evidence, cause=f"{host} {told}")
