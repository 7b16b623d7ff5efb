"""What one check found, before it is put beside the resource it is about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from reconciler.ports import Fetched
from reconciler.readiness.gate import Verdict

_JWT = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*){0,4}")
_LONGEST = 120
TRANSIENT = frozenset({408, 425, 429})


class Finding(NamedTuple):
    """`code` tells kinds of one verdict apart, for machines. `blocking` and `remedy` override the catalogue's."""

    verdict: Verdict
    evidence: str
    code: str = ""
    facts: Mapping[str, Any] = {}
    remedy: str = ""
    blocking: bool | None = None


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
    if answer.problem in ("policy", "url"):
        code = "net.url" if answer.problem == "url" else "net.egress"
        return failed(f"{quoted(url)} is not asked: {answer.detail}", code, **where)
    if answer.problem == "dns" and not split_horizon:
        return failed(f"{quoted(url)} can't be reached: {answer.detail}", "net.dns", **where)
    if answer.problem == "tls":
        return failed(f"{quoted(url)} can't be trusted: {answer.detail}", "net.tls", **where)
    if answer.problem == "size":
        return failed(f"{quoted(url)} answers with more than is read", "net.size", **where)
    if answer.problem is not None:
        return unknown(f"{quoted(url)} gave no answer: {answer.detail}", "net.http", **where)
    if answer.status >= 500 or answer.status in TRANSIENT:
        return unknown(f"{quoted(url)} answers {answer.status}", "net.http", **where, status=answer.status)
    return None
