"""The decision tables by themselves: credentials, identifiers, gates that must not open by not looking, waivers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, Severity, error, exit_code
from reconciler.model.resource import Resource
from reconciler.model.secret import Secret
from reconciler.ports import Fetched
from reconciler.readiness.catalogue import CHECKS
from reconciler.readiness.checks import family_of
from reconciler.readiness.client import CLIENT
from reconciler.readiness.context import Context, Subject
from reconciler.readiness.credentials import Trial, examine_secret, judge_secret, judge_trial, judge_trials
from reconciler.readiness.custom_server import ATTACHED, CUSTOM
from reconciler.readiness.discovery import (
    Likeness,
    compare_issuers,
    compare_resources,
    issuer_candidates,
    resource_candidates,
)
from reconciler.readiness.egress import Egress
from reconciler.readiness.external_server import EXTERNAL
from reconciler.readiness.finding import Finding, quoted, unanswered
from reconciler.readiness.gate import CheckResult, Verdict, is_open
from reconciler.readiness.inquiry import Inquiry, Memory
from reconciler.readiness.oauth import Said, read_said, stranger
from reconciler.readiness.ruling import Waiver, encode_result, rule
from reconciler.readiness.runner import Family, run_family
from reconciler.readiness.server import SERVER
from reconciler.readiness.trouble import findings

PLACE = Address("mcp_server.s")


def said(status: int, error: str | None = None, gave: bool = False) -> Said:
    return Said(status, error, gave_token=gave)


NOBODY = said(401, "invalid_client")


@pytest.mark.parametrize(
    ("who", "endpoint", "real", "control", "verdict", "code"),
    [
        ("RFC 7009", "revocation", said(200), NOBODY, "pass", ""),
        ("RFC 7662", "introspection", said(200), NOBODY, "pass", ""),
        ("oidc-provider", "token", said(400, "invalid_grant"), NOBODY, "pass", ""),
        ("FastMCP", "token", said(401, "invalid_grant"), NOBODY, "pass", ""),
        ("GitHub", "token", said(200, "bad_verification_code"), said(200, "incorrect_client_credentials"), "pass", ""),
        ("GitHub", "token", said(200, "incorrect_client_credentials"), said(404), "fail", "rejected"),
        ("oidc-provider", "revocation", NOBODY, NOBODY, "fail", "rejected"),
        ("Okta", "token", said(401, "unauthorized_client"), NOBODY, "fail", "rejected"),
        ("glewlwyd", "revocation", said(401), said(401), "unknown", "likely-rejected"),
        ("django-oauth-toolkit", "introspection", said(403), said(403), "unknown", "likely-rejected"),
        ("any", "token", said(400, "unauthorized_client"), NOBODY, "unknown", "wrong-grant"),
        ("any", "token", said(200, None, gave=True), NOBODY, "fail", "gives-tokens"),
        ("careless", "revocation", said(200), said(200), "unknown", "inconclusive"),
        ("careless", "token", said(400, "invalid_grant"), said(400, "invalid_grant"), "unknown", "inconclusive"),
        ("Canaille", "token", said(500), said(500), "unknown", "inconclusive"),
        ("any", "token", said(200), NOBODY, "unknown", "inconclusive"),
    ],
)
def test_one_pair_of_answers(who: str, endpoint: str, real: Said, control: Said, verdict: str, code: str) -> None:
    found = judge_trial(Trial(endpoint, real, control))
    assert (found.verdict, found.code) == (verdict, code)


def trial(code: str, verdict: Verdict = Verdict.UNKNOWN) -> Finding:
    return Finding(verdict, "it", code)


@pytest.mark.parametrize(
    ("trials", "verdict", "code"),
    [
        ([], "unknown", "no-endpoint"),
        ([trial("likely-rejected"), trial("", Verdict.PASS)], "pass", ""),
        ([trial("inconclusive"), trial("rejected", Verdict.FAIL)], "fail", "rejected"),
        ([trial("likely-rejected"), trial("inconclusive")], "fail", "CREDENTIALS_LIKELY_REJECTED"),
        ([trial("likely-rejected"), trial("likely-rejected")], "fail", "rejected"),
        ([trial("inconclusive"), trial("wrong-grant")], "fail", "wrong-grant"),
        ([trial("inconclusive"), trial("net.http")], "unknown", "net.http"),
    ],
)
def test_all_endpoints_together(trials: list[Finding], verdict: str, code: str) -> None:
    found = judge_trials(trials)
    assert (found.verdict, found.code) == (verdict, code)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("a-perfectly-good-client-secret", ""),
        ("tiny-secret", "short"),
        ("a-perfectly-good\nclient-secret", "lines"),
        ("please-changeme-please", "placeholder"),
        ("<your client secret>", "placeholder"),
        ("your-client-secret-goes-here", "placeholder"),
        ("xxxxxxxxxxxxxxxxxxxx", "placeholder"),
    ],
)
def test_a_secret_is_judged_without_being_told(value: str, code: str) -> None:
    examined = examine_secret(lambda _: Secret(value), {"env": "S"})
    found = judge_secret("env:S", examined)
    assert found.code == code
    assert value not in repr((examined, found))


def test_a_missing_secret_is_named_by_its_reference() -> None:
    def resolve(reference: object) -> Secret:
        raise Refused([error("auth.secret", "The secret env:S is not set")])

    found = judge_secret("env:S", examine_secret(resolve, {"env": "S"}))
    assert (found.verdict, found.evidence) == (Verdict.FAIL, "The secret env:S is not set")


@pytest.mark.parametrize(
    ("issuer", "candidates"),
    [
        (
            "https://h",
            ["https://h/.well-known/oauth-authorization-server", "https://h/.well-known/openid-configuration"],
        ),
        (
            "https://h/",
            ["https://h/.well-known/oauth-authorization-server", "https://h/.well-known/openid-configuration"],
        ),
        (
            "https://h/oauth2/aus1",
            [
                "https://h/.well-known/oauth-authorization-server/oauth2/aus1",
                "https://h/.well-known/openid-configuration/oauth2/aus1",
                "https://h/oauth2/aus1/.well-known/openid-configuration",
                "https://h/oauth2/aus1/.well-known/oauth-authorization-server",
            ],
        ),
    ],
)
def test_where_an_issuer_is_looked_for(issuer: str, candidates: list[str]) -> None:
    assert list(issuer_candidates(issuer)) == candidates


def test_where_a_resource_is_looked_for() -> None:
    well_known = "https://h/.well-known/oauth-protected-resource"
    assert resource_candidates("https://h/mcp", None) == (f"{well_known}/mcp", well_known)
    assert resource_candidates("https://h/a/b?c=d", None) == (f"{well_known}/a/b?c=d", well_known)
    assert resource_candidates("https://h/", None) == (well_known,)
    assert resource_candidates("https://h/mcp/", "https://x/prm")[0] == "https://x/prm"
    assert resource_candidates("https://h/mcp/", None)[0] == f"{well_known}/mcp"


@pytest.mark.parametrize(
    ("published", "expected", "likeness"),
    [
        ("https://h", "https://h", Likeness.SAME),
        ("https://h/", "https://h", Likeness.SLASH),
        ("https://h", "https://h/", Likeness.SLASH),
        ("https://h/t/", "https://h/t", Likeness.OTHER),
        ("https://H", "https://h", Likeness.OTHER),
        ("https://h:443", "https://h", Likeness.OTHER),
        ("http://h", "https://h", Likeness.OTHER),
        ("https://h/t", "https://h", Likeness.OTHER),
        ("https://h.evil.example", "https://h", Likeness.OTHER),
    ],
)
def test_issuers_are_compared_by_code_point(published: str, expected: str, likeness: Likeness) -> None:
    assert compare_issuers(published, expected) is likeness


@pytest.mark.parametrize(
    ("published", "expected", "likeness"),
    [
        ("https://h/mcp", "https://h/mcp", Likeness.SAME),
        ("https://h", "https://h/mcp", Likeness.PREFIX),
        ("https://h/", "https://h/mcp", Likeness.PREFIX),
        ("https://h/mcp", "https://h/mcp/v2", Likeness.PREFIX),
        ("https://h/mc", "https://h/mcp", Likeness.OTHER),
        ("https://h/mcp/v2", "https://h/mcp", Likeness.OTHER),
        ("https://evil/mcp", "https://h/mcp", Likeness.OTHER),
        ("https://h/?a", "https://h/mcp", Likeness.OTHER),
        ("https://h:99999/", "https://h/mcp", Likeness.OTHER),
    ],
)
def test_resources_are_compared_as_the_standard_says(published: str, expected: str, likeness: Likeness) -> None:
    assert compare_resources(published, expected) is likeness


def test_an_oauth_answer_is_read_by_its_error_and_tokens_are_not_kept() -> None:
    found = read_said(Fetched(200, body=b'{"access_token": "eyJhbGciOi.J9.x", "token_type": "Bearer"}'))
    assert found == Said(200, None, "", True, True)
    assert read_said(Fetched(400, body=b'{"error": "invalid_grant", "error_description": "no\\u202e"}')) == Said(
        400, "invalid_grant", "no", False, True
    )
    assert read_said(Fetched(502, body=b"<html>")) == Said(502)
    assert read_said(Fetched(400, body=b'{"error": {"code": 1}}')).error is None
    assert stranger("https://a/") == stranger("https://a/") != stranger("https://b/")


def test_what_a_stranger_says_is_shown_short_printable_and_without_tokens() -> None:
    assert quoted("a\x1b[31mb\u202ec") == "a[31mbc"
    assert len(quoted("x" * 999)) == 120
    assert "eyJzdWIi" not in quoted("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln end")


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (Fetched(200), None),
        (Fetched(404), None),
        (Fetched(500), Verdict.UNKNOWN),
        (Fetched(429), Verdict.UNKNOWN),
        (Fetched(0, problem="timeout"), Verdict.UNKNOWN),
        (Fetched(0, problem="connect"), Verdict.UNKNOWN),
        (Fetched(0, problem="broken"), Verdict.UNKNOWN),
        (Fetched(0, problem="dns"), Verdict.FAIL),
        (Fetched(0, problem="tls"), Verdict.FAIL),
        (Fetched(0, problem="policy"), Verdict.FAIL),
        (Fetched(0, problem="size"), Verdict.FAIL),
    ],
)
def test_only_what_holds_from_anywhere_is_a_failure(answer: Fetched, verdict: Verdict | None) -> None:
    found = unanswered("https://h/", answer)
    assert (found.verdict if found else None) == verdict


FAMILIES: tuple[Family, ...] = (CUSTOM, ATTACHED, EXTERNAL, CLIENT, SERVER)


def test_every_check_of_the_catalogue_is_made_by_exactly_one_family() -> None:
    made = [name for family in FAMILIES for name in family]
    assert sorted(made) == sorted(name for name, check in CHECKS.items() if check.kind != "host")


def test_needs_come_before_what_needs_them() -> None:
    for family in FAMILIES:
        order = list(family)
        for name in order:
            assert all(need in order[: order.index(name)] for need in CHECKS[name].needs)


def test_every_check_can_be_explained() -> None:
    for check in CHECKS.values():
        assert check.what.endswith(".") and check.why.endswith(".") and check.remedy.endswith(".")


def test_a_kind_that_speaks_no_protocol_has_no_checks() -> None:
    assert family_of(Resource(Address("agent.x"), "agent", {})) == {}


@settings(max_examples=150)
@given(st.data(), st.sampled_from(FAMILIES))
def test_not_having_looked_never_opens_a_gate(data: st.DataObject, family: Family) -> None:
    """Whatever the checks find: where the gate is open, every blocking check passed, warned, or didn't apply."""

    def found(name: str) -> Finding:
        verdict = data.draw(st.sampled_from(list(Verdict)), label=name)
        return Finding(verdict, "so it is")

    drawn = {name: found(name) for name in family}
    subject = Subject(
        Resource(PLACE, "mcp_server", {}),
        Context(org_url="https://o.example", resources={}, observed={}, epoch=0.0),
        Inquiry(Memory(), Egress()),
        lambda address: iter(()),  # type: ignore[arg-type, return-value]
    )
    conversation = run_family({name: lambda _, name=name: drawn[name] for name in family}, subject)
    with pytest.raises(StopIteration) as end:
        next(conversation)
    results: tuple[CheckResult, ...] = end.value.value
    assert [result.check for result in results] == list(family)
    if is_open(results):
        for result in results:
            if CHECKS[result.check].blocks:
                assert result.verdict in (Verdict.PASS, Verdict.WARN, Verdict.SKIP)
                if result.because:
                    assert not leads_to_trouble(result.because, {r.check: r for r in results})


def leads_to_trouble(name: str, results: dict[str, CheckResult]) -> bool:
    result = results[name]
    if result.because:
        return leads_to_trouble(result.because, results)
    return result.verdict in (Verdict.FAIL, Verdict.UNKNOWN)


def result(check: str, verdict: Verdict, *, blocking: bool = True, address: Address = PLACE) -> CheckResult:
    return CheckResult(check, address, verdict, "it is so", "Mend it.", blocking)


def test_a_waiver_opens_the_gate_is_told_and_ends() -> None:
    results = [result("eas.issuer", Verdict.FAIL), result("mcp.prm", Verdict.PASS)]
    waiver = Waiver("eas.issuer", "they promised to mend it", "2026-12-31")
    during = rule(results, [waiver], today="2026-12-31")
    assert during.is_ready
    assert during.results[0].because == "waived until 2026-12-31: they promised to mend it"
    assert [note.code for note in during.notes] == ["gate.waived"]
    after = rule(results, [waiver], today="2027-01-01")
    assert (after.is_ready, after.is_refuted) == (False, True)
    assert [note.code for note in after.notes] == ["gate.waiver-over"]
    assert not rule(results, [replace(waiver, address=Address("mcp_server.other"))], today="2026-01-01").is_ready
    assert not rule(results, [replace(waiver, only_unknown=True)], today="2026-01-01").is_ready


def test_a_waiver_of_what_does_not_exist_is_an_error() -> None:
    ruling = rule([], [Waiver("eas.isuer", "typing error", "2030-01-01")], today="2026-01-01")
    assert exit_code(ruling.notes) == 10


def test_what_is_unknown_is_undecided_not_refuted() -> None:
    ruling = rule([result("eas.issuer", Verdict.UNKNOWN)], today="2026-01-01")
    assert (ruling.is_ready, ruling.is_refuted) == (False, False)


def test_strictness_makes_failures_of_warnings_that_block() -> None:
    results = [result("mcp.prm", Verdict.WARN), result("eas.pkce", Verdict.WARN, blocking=False)]
    assert rule(results, today="2026-01-01").is_ready
    strict = rule(results, today="2026-01-01", strict=True)
    assert [r.verdict for r in strict.results] == [Verdict.FAIL, Verdict.WARN]
    assert not strict.is_ready


def test_what_keeps_a_gate_shut_is_an_error_and_the_rest_is_none() -> None:
    checks = [
        result("mcp.prm", Verdict.FAIL),
        result("mcp.url", Verdict.UNKNOWN),
        result("net.tls", Verdict.FAIL, blocking=False),
        result("aus.exists", Verdict.WARN, address=Address("authorization_server.a")),
        result("mcp.challenge", Verdict.PASS),
    ]
    shown = findings(PLACE, checks)
    assert [(d.severity, d.code) for d in shown] == [
        (Severity.ERROR, "gate.failed"),
        (Severity.ERROR, "gate.unknown"),
    ]
    assert shown[0].summary == "mcp_server.s is not activated: mcp.prm: it is so"
    assert exit_code(shown) == 16
    assert not is_open(checks)
    assert is_open(checks[2:])


def test_a_result_as_json_has_everything_a_machine_wants() -> None:
    encoded = encode_result(result("mcp.prm", Verdict.FAIL))
    assert encoded["id"] == "mcp.prm"
    assert encoded["address"] == "mcp_server.s"
    assert encoded["verdict"] == "fail"
    assert set(encoded) == {
        *("id", "address", "verdict", "blocking", "code", "message", "remedy", "evidence", "spec", "because", "cause")
    }
