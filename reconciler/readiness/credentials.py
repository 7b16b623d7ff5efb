"""Whether an authorization server knows a client, found out without a side effect.

A request that can't succeed is made twice: as the client, and as a client that nobody registered (the control). What
tells them apart is the proof. A wrong secret is never tried for the real client: that locks accounts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Reference, Secret
from reconciler.readiness.finding import Finding, failed, passed, unknown, warned
from reconciler.readiness.oauth import Said

_KNOWN = {"invalid_grant", "invalid_code", "bad_verification_code", "unsupported_token_type"}
"""Errors that only an authenticated client gets to see."""
_REJECTED = {"invalid_client", "incorrect_client_credentials"}
_WRONG_GRANT = {"unauthorized_client", "unsupported_grant_type"}
_PLACEHOLDER = re.compile(
    r"changeme|change_me|placeholder|example|your[-_ ]?(client[-_ ]?)?secret|^<.*>$|^x{4,}$", re.I
)
_SHORTEST = 16


class SecretFacts(NamedTuple):
    """What may be known of a secret without knowing it. `missing` says why there is none."""

    missing: str = ""
    length: int = 0
    lines: int = 0
    is_placeholder: bool = False


def examine_secret(resolve: Callable[[Reference], Secret], reference: Reference) -> SecretFacts:
    """Read the secret, and forget it again."""
    try:
        value = resolve(reference).reveal()
    except Refused as refused:
        return SecretFacts(missing="; ".join(diagnostic.summary for diagnostic in refused.diagnostics))
    return SecretFacts("", len(value), value.count("\n") + 1, bool(_PLACEHOLDER.search(value)))


def judge_secret(shown: str, facts: SecretFacts | None) -> Finding:
    """`shown` is the reference, as it is shown to people."""
    if facts is None:
        return unknown(f"nobody looked whether {shown} is there", "not-examined")
    if facts.missing:
        return failed(facts.missing, "missing", reference=shown)
    if facts.length == 0:
        return failed(f"{shown} is empty", "missing", reference=shown)
    if facts.lines > 1:
        return failed(f"{shown} has {facts.lines} lines; a client secret has one", "lines", reference=shown)
    if facts.is_placeholder:
        return failed(f"{shown} is a placeholder, not a secret", "placeholder", reference=shown)
    if facts.length < _SHORTEST:
        return warned(f"{shown} has only {facts.length} characters", "short", reference=shown)
    return passed(f"{shown} is there", reference=shown)


class Trial(NamedTuple):
    """One pair of answers; `endpoint` is revocation, introspection or token."""

    endpoint: str
    real: Said
    control: Said


def judge_trial(trial: Trial) -> Finding:
    """What one pair of answers proves. The codes `likely-rejected` and `wrong-grant` are not the last word: another
    endpoint may know better."""
    real, control = trial.real, trial.control
    facts = {"endpoint": trial.endpoint, "answer": str(real), "control": str(control)}
    same = (real.status, real.error) == (control.status, control.error)
    if real.gave_token:
        return failed(f"the {trial.endpoint} endpoint gives a token for a made-up grant", "gives-tokens", **facts)
    if (_is_success(trial) or real.error in _KNOWN) and not same:
        return passed(f"the {trial.endpoint} endpoint knows the client", **facts)
    if real.error in _REJECTED or (real.status in (401, 403) and real.error == "unauthorized_client"):
        return failed(f"the authorization server rejects this client id or secret ({real})", "rejected", **facts)
    if real.status in (401, 403) and real.error is None:
        evidence = f"the {trial.endpoint} endpoint answers {real.status} without saying why"
        return unknown(evidence, "likely-rejected", **facts)
    if real.status == 400 and real.error in _WRONG_GRANT and not same:
        return unknown(f"the client may not use this grant ({real})", "wrong-grant", **facts)
    evidence = f"the {trial.endpoint} endpoint answers {real}" + (", to anybody" if same else "")
    return unknown(evidence, "inconclusive", **facts)


def judge_trials(findings: list[Finding]) -> Finding:
    """The verdict of all endpoints: the first that proves anything decides; then what is likely."""
    proof = next((f for f in findings if f.verdict in ("pass", "fail")), None)
    if proof is not None:
        return proof
    likely = [f for f in findings if f.code == "likely-rejected"]
    if likely:
        agreed = len(likely) > 1
        return failed(
            f"{likely[0].evidence}: it probably rejects this client id or secret",
            "rejected" if agreed else "CREDENTIALS_LIKELY_REJECTED",
            **likely[0].facts,
        )
    wrong = next((f for f in findings if f.code == "wrong-grant"), None)
    if wrong is not None:
        return failed(wrong.evidence, "wrong-grant", **wrong.facts)
    return findings[-1] if findings else unknown("there is no endpoint to ask", "no-endpoint")


def _is_success(trial: Trial) -> bool:
    """RFC 7009 section 2.2 and RFC 7662 section 2.2 answer 200 for a token they don't know."""
    return trial.endpoint != "token" and trial.real.status == 200 and trial.real.error is None
