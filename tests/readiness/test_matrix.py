"""The fault matrix as a test: no wrong verdict, no false promise, no false alarm, no check that can't speak."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from reconciler.model.address import Address
from reconciler.readiness.catalogue import CHECKS
from reconciler.readiness.gate import CheckResult, Verdict, is_open
from reconciler.readiness.ruling import encode_result
from tests.readiness.cases import CASES
from tests.readiness.matrix import Outcome, describe, play_all, table
from tests.readiness.stage import SECRET

OFFLINE = {"eas.config", "mcp.url", "client.expiry", "client.secret.ref"}
"""Blocking checks that ask nobody: what they need is written down."""


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    return asyncio.run(play_all(CASES))


def test_every_case_gets_the_verdict_it_should(outcomes: list[Outcome]) -> None:
    assert [describe(outcome) for outcome in outcomes if not outcome.is_right] == []


def test_no_gate_opens_where_it_must_not(outcomes: list[Outcome]) -> None:
    assert [describe(outcome) for outcome in outcomes if outcome.is_false_ready] == []


def test_no_failure_is_claimed_where_there_is_none(outcomes: list[Outcome]) -> None:
    assert [describe(outcome) for outcome in outcomes if outcome.is_false_fail] == []


@pytest.mark.parametrize("name", CHECKS)
def test_no_check_is_inert(outcomes: list[Outcome], name: str) -> None:
    seen = {outcome.result.verdict for outcome in outcomes if outcome.case.check == name}
    check = CHECKS[name]
    assert Verdict.PASS in seen
    assert seen & {Verdict.WARN, Verdict.FAIL, Verdict.UNKNOWN}
    if check.blocks:
        assert Verdict.FAIL in seen
        rests_on_another = any(CHECKS[need].blocks for need in check.needs)
        assert Verdict.UNKNOWN in seen or rests_on_another or name in OFFLINE


def test_whatever_does_not_pass_says_what_to_do(outcomes: list[Outcome]) -> None:
    silent = [
        result
        for outcome in outcomes
        for result in outcome.results
        if not result.evidence or (result.verdict not in (Verdict.PASS, Verdict.SKIP) and not result.remedy)
    ]
    assert silent == []


def test_nothing_secret_is_in_any_result(outcomes: list[Outcome]) -> None:
    forms = (SECRET, base64.b64encode(SECRET.encode()).decode().rstrip("="), "eyJhbGciOiJub25lIn0", "opaque")
    for outcome in outcomes:
        shown = repr(outcome.results) + json.dumps([encode_result(result) for result in outcome.results])
        assert not [form for form in forms if form in shown]


def test_a_wrong_verdict_would_be_counted(outcomes: list[Outcome]) -> None:
    """The matrix can fail: a result that is turned round shows up in every number it should."""
    good = next(o for o in outcomes if o.case.check == "eas.issuer" and o.case.name == "another")
    opened = tuple(_passed(result) for result in good.results)
    lying = Outcome(good.case, opened)
    assert is_open(opened)
    assert (lying.is_right, lying.is_false_ready) == (False, True)
    shut = next(o for o in outcomes if o.case.check == "eas.pkce" and o.case.name == "plain")
    alarmed = Outcome(shut.case, (*shut.results, CheckResult("x", Address("a.b"), Verdict.FAIL, "x")))
    assert alarmed.is_false_fail
    assert "false-ready = 1, false-fail = 1" in table([lying, alarmed])


def _passed(result: CheckResult) -> CheckResult:
    return CheckResult(result.check, result.address, Verdict.PASS, "it lies")
