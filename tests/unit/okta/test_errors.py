"""What went wrong is told in the user's words, with what Okta's support would ask for."""

from __future__ import annotations

import pytest

from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, exit_code
from reconciler.okta.errors import is_duplicate, printable, refusal
from reconciler.okta.names import UNREADABLE
from reconciler.ports import Answer, Call
from reconciler.render.diagnostic_text import folded
from tests.unit.okta.stage import DUPLICATE, LOST, okta_error

CALL = Call("PATCH", "/resource-servers/api/v1/mcp-servers/ems1", body={"displayName": "x"})
ADDRESS = Address("mcp_server.one")


def told(answer: Answer) -> Diagnostic:
    (found,) = refusal(CALL, answer, ADDRESS, "update").diagnostics
    assert found.address == ADDRESS
    return found


def test_an_okta_error_is_told_with_its_causes_and_its_ids() -> None:
    answer = okta_error(
        400,
        "E0000001",
        "Api validation failed: displayName",
        {"errorSummary": "The field is too long", "location": "displayName"},
        {"reason": "TOO_LONG"},
    )
    found = told(answer)
    assert found.code == "okta.E0000001"
    assert found.summary == "Okta refused to update mcp_server.one: Api validation failed: displayName"
    assert found.detail.splitlines() == [
        "displayName: The field is too long",
        "TOO_LONG",
        "(errorId oaeX, request reqX)",
    ]


@pytest.mark.parametrize(
    ("status", "code"), [(401, "E0000011"), (401, "E0000004"), (401, "E0000015"), (403, "E0000006"), (401, "E0000999")]
)
def test_refused_credentials_have_the_exit_code_of_authentication(status: int, code: str) -> None:
    found = told(okta_error(status, code))
    assert found.code == f"auth.{code}"
    assert exit_code([found]) == 11


@pytest.mark.parametrize(
    ("status", "code"), [(403, "E0000107"), (403, "E0000038"), (409, "E0000195"), (429, "E0000047")]
)
def test_a_refusal_that_has_nothing_to_do_with_credentials_is_not_taken_for_one(status: int, code: str) -> None:
    found = told(okta_error(status, code))
    assert found.code == f"okta.{code}"
    assert len(found.detail.splitlines()) == 2, "a hint, and the ids"


def test_a_lost_connection() -> None:
    found = told(LOST)
    assert found.code == "okta.no-answer"
    assert "the connection broke" in found.summary
    assert "unknown" in found.detail


def test_html_is_described_not_repeated() -> None:
    page = Answer(502, {"content-type": "text/html", UNREADABLE: "<html> Bad gateway"})
    assert told(page).summary == (
        "Could not update mcp_server.one: the server answered with status 502 and HTML, "
        'beginning "<html> Bad gateway"; is a proxy in between?'
    )


def test_a_redirect_points_at_the_address() -> None:
    assert "provider.okta.org_url" in told(Answer(302)).summary


def test_an_answer_without_anything() -> None:
    assert told(Answer(404)).summary.endswith("status 404 and no reason")


@pytest.mark.parametrize(
    "body",
    [[], "x", 7, None, {}, {"errorCode": 7}, {"errorCode": "E1", "errorSummary": 7, "errorCauses": "x", "errorId": []}],
)
def test_an_error_of_any_other_shape_is_told_too(body: object) -> None:
    found = told(Answer(400, {}, body))
    assert found.summary
    assert not is_duplicate(Answer(400, {}, body))


def test_duplicates_are_known_by_their_reason() -> None:
    assert is_duplicate(DUPLICATE)
    assert not is_duplicate(okta_error(409, "E0000195", "x", {"reason": "REFERENCED"}))


def test_control_characters_do_not_reach_anybody() -> None:
    assert printable("a\x1b[31mb\r\n\u202ec\u0000  d") == "a [31mb c d"
    assert len(printable("x" * 10_000, 120)) == 120
    found = told(okta_error(400, "E0000001", "evil \x1b]0;title\x07"))
    assert found.summary.isprintable()


@pytest.mark.parametrize(
    ("answer", "told_once"),
    [
        (okta_error(401, "E0000011", "Invalid token provided"), "Okta refused: Invalid token provided"),
        (okta_error(429, "E0000047", "API rate limit exceeded"), "Okta refused: API rate limit exceeded"),
        (okta_error(500, "E0000009", "Internal Server Error"), "Okta refused: Internal Server Error"),
        (LOST, "No answer from the org: the connection broke"),
        (Answer(503), "The server answered with status 503 and no reason"),
    ],
)
def test_what_is_about_no_object_in_particular_is_told_once_to_people(answer: Answer, told_once: str) -> None:
    paths = ("/api/v1/a", "/api/v1/b", "/api/v1/c")
    every = [found for path in paths for found in refusal(Call("GET", path), answer).diagnostics]
    assert len(every) == 3
    (box,) = folded(every)
    assert (box.code, box.summary) == (every[0].code, told_once)
    assert box.detail.splitlines()[:4] == [
        "What couldn't be done because of it:",
        *(f"  read {path}" for path in paths),
    ]
    assert box.detail.endswith(every[0].detail)


def test_what_is_wrong_with_one_object_is_told_of_each() -> None:
    answer = okta_error(400, "E0000001", "Api validation failed: displayName")
    every = [told(answer), told(answer)]
    assert folded(every) == every
    assert [d.cause for d in every] == [None, None]


def test_a_read_that_got_no_answer_changed_nothing() -> None:
    """Which is not to say that nothing was: it may be the look after a write."""
    (found,) = refusal(Call("GET", "/api/v1/a"), LOST).diagnostics
    assert found.detail.startswith("That call changed nothing. See whether the org can be reached")
