"""What one host, or one missing document, keeps from being found out is told once, with all that waits for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.ports import Fetched
from reconciler.readiness.finding import GIVEN_UP, unanswered
from reconciler.readiness.gate import CheckResult, Verdict
from reconciler.readiness.trouble import findings, troubles
from reconciler.render.checks_text import render_results
from reconciler.render.diagnostic_text import folded
from reconciler.render.page import Page

ROW = Address("mcp_server.a/authorization_server.x")
CLIENT = Address("mcp_server.a/client_registration.c")
DOWN = "idp.example.com gave no answer: it refused the connection"


def unknown(check: str, address: Address = ROW, cause: str = DOWN, *, blocking: bool = True) -> CheckResult:
    remedy = "See whether it is up." if check.startswith("net.") else "Correct it."
    evidence = f"https://idp.example.com/{check} gave no answer"
    return CheckResult(check, address, Verdict.UNKNOWN, evidence, remedy, blocking, cause=cause)


RESULTS = (
    unknown("client.credentials", CLIENT),
    unknown("net.http", CLIENT, blocking=False),
    CheckResult("eas.config", ROW, Verdict.PASS, "it is complete"),
    unknown("eas.metadata", blocking=False),
    unknown("eas.issuer"),
    unknown("eas.token.reach"),
    unknown("net.http", blocking=False),
)


def test_a_host_that_is_down_is_one_error_that_names_what_waits_for_it() -> None:
    (told,) = findings(ROW, RESULTS)
    assert (told.code, told.address) == ("gate.unknown", ROW)
    assert told.summary == f"{ROW} is not activated: {DOWN}"
    assert told.detail.splitlines() == [
        "Because of it 3 checks can't be made:",
        f"  client.credentials of {CLIENT}",
        "  eas.issuer, eas.token.reach",
        "See whether it is up.",
        "`reconciler explain net.http` tells more.",
    ]


def test_what_only_noticed_it_too_is_not_listed() -> None:
    (found,) = troubles(RESULTS)
    assert (found.root.check, found.root.address) == ("net.http", CLIENT)
    assert [r.check for r in found.unmade] == ["client.credentials", "eas.metadata", "eas.issuer", "eas.token.reach"]
    assert (found.verdict, found.is_shut) == (Verdict.UNKNOWN, True)


def test_a_missing_document_is_told_once_too_and_names_the_check() -> None:
    root = CheckResult("eas.metadata", ROW, Verdict.FAIL, "it publishes none", "Publish it.", blocking=False)
    results = [root, unknown("eas.issuer", cause=root.why), unknown("eas.grants", cause=root.why)]
    (told,) = findings(ROW, results)
    assert told.summary == f"{ROW} is not activated: eas.metadata: it publishes none"
    assert told.detail.startswith("Because of it 2 checks can't be made:\n  eas.issuer, eas.grants\nPublish it.\n")


def test_a_proven_failure_stays_one_of_its_own() -> None:
    mixed_up = CheckResult("eas.issuer", ROW, Verdict.FAIL, "it names another", "Correct it.")
    told = findings(ROW, [mixed_up, unknown("eas.token.reach")])
    assert [(d.code, d.cause is None) for d in told] == [("gate.failed", True), ("gate.unknown", False)]


def _of(row: Address) -> list[CheckResult]:
    return [unknown("eas.issuer", row), unknown("net.http", row, blocking=False)]


def test_gates_that_wait_for_the_same_host_are_one_box_to_people() -> None:
    others = [Address(f"mcp_server.{name}/authorization_server.x") for name in "abc"]
    told = [d for other in others for d in findings(other, _of(other))]
    assert len(told) == 3
    (box,) = folded(told)
    assert (box.code, box.summary) == ("gate.unknown", "idp.example.com gave no answer: it refused the connection")
    assert box.detail.splitlines() == [
        "What couldn't be done because of it:",
        *(f"  activate {other} (1 check)" for other in others),
        "See whether it is up.",
        "`reconciler explain net.http` tells more.",
    ]


@given(st.lists(st.tuples(st.sampled_from(Verdict), st.sampled_from(["", "a is down", "b is down"])), max_size=8))
def test_nothing_is_lost_or_told_twice(drawn: list[tuple[Verdict, str]]) -> None:
    results = [CheckResult(f"c{i}", ROW, verdict, "so it is", cause=cause) for i, (verdict, cause) in enumerate(drawn)]
    told = [result.check for trouble in troubles(results) for result in trouble.results]
    wrong = [r.check for r in results if r.verdict not in (Verdict.PASS, Verdict.SKIP)]
    assert sorted(told) == sorted(wrong)
    assert bool(findings(ROW, results)) == any(result.is_shut for result in results)


@pytest.mark.parametrize("first", [Fetched(0, problem="connect", detail="it refused"), Fetched(503)])
def test_every_url_of_a_host_in_trouble_has_the_same_cause(first: Fetched) -> None:
    one, other = unanswered("https://u@h.example:8443/a", first), unanswered("https://h.example:8443/b?c", first)
    assert one and other
    assert one.cause == other.cause and one.cause.startswith("h.example:8443 ")
    assert one.evidence != other.evidence


def test_a_host_that_is_given_up_has_the_cause_it_was_given_up_for() -> None:
    first = unanswered("https://h.example/a", Fetched(0, problem="timeout", detail="it didn't answer in time"))
    later = unanswered("https://h.example/b", Fetched(0, problem=GIVEN_UP, detail="it didn't answer in time"))
    assert first and later
    assert (later.verdict, later.cause) == (Verdict.UNKNOWN, first.cause)
    assert later.evidence == "https://h.example/b is not asked any more: h.example gave no answer before"


@pytest.mark.parametrize("width", [60, 80, 120, None])
def test_what_was_found_fits_the_page(width: int | None) -> None:
    text = render_results({ROW: RESULTS, CLIENT: RESULTS[:2]}, Page(width))
    assert width is None or max(map(len, text.splitlines())) <= width
    assert ("1 check passed" in text) is (width == 60)
    assert text.count("gave no answer") == 1
