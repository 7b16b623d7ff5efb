"""The gate: one verdict for each piece of evidence, and nothing passes that isn't known to be ready."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.readiness.gate import CheckResult, Evidence, Verdict, check_active, is_open
from reconciler.readiness.trouble import findings

NEEDED = Address("mcp_server.a/authorization_server.x")
GATED = Address("mcp_server.a")


def seen(status: State, reason: str | None = None) -> Evidence:
    return Evidence(NEEDED, Observed("association", "id", {}, status, reason=reason))


@pytest.mark.parametrize(
    ("evidence", "verdict", "words"),
    [
        (seen(State.ACTIVE), Verdict.PASS, "ACTIVE"),
        (seen(State.PENDING), Verdict.FAIL, "PENDING"),
        (seen(State.INACTIVE), Verdict.FAIL, "INACTIVE"),
        (seen(State.INVALID, "no metadata"), Verdict.FAIL, "no metadata"),
        (seen(State.INVALID), Verdict.FAIL, "INVALID"),
        (Evidence(NEEDED), Verdict.FAIL, "not there"),
        (Evidence(NEEDED, unknown="403 by Okta"), Verdict.UNKNOWN, "403 by Okta"),
    ],
)
def test_evidence_gets_its_verdict(evidence: Evidence, verdict: Verdict, words: str) -> None:
    found = check_active(evidence)
    assert (found.check, found.address, found.verdict) == ("lifecycle.active", NEEDED, verdict)
    assert words in found.evidence
    assert bool(found.remedy) is (verdict is not Verdict.PASS)


@given(st.lists(st.sampled_from(Verdict)))
def test_a_gate_is_open_exactly_if_it_has_no_error_to_say(verdicts: list[Verdict]) -> None:
    checks = [CheckResult(f"c{i}", NEEDED, verdict, "it is so", "change it") for i, verdict in enumerate(verdicts)]
    said = findings(GATED, checks)
    assert is_open(checks) == (not said)
    assert len(said) == sum(v in (Verdict.FAIL, Verdict.UNKNOWN) for v in verdicts)
    for finding in said:
        assert finding.is_error
        assert finding.address == GATED
        assert NEEDED in finding.summary
        assert finding.code.startswith("gate.")
