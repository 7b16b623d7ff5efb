"""Something is made exactly once, and its id found, whatever the answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from reconciler.apply.waiting import Interrupted
from reconciler.model.diagnostic import Refused
from reconciler.model.resource import Promise
from reconciler.okta.provider import OktaProvider
from reconciler.ports import Answer, Call, Foreign, Incomplete
from tests.unit.okta.stage import DUPLICATE, EPOCH, LOST, Stage, ok, okta_error, server_item, server_target

LIST = "/resource-servers/api/v1/mcp-servers"
OPERATION = "/resource-servers/api/v1/operations/op-1"


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(EPOCH + seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Org:
    """An org with at most one MCP server; `posts` are the answers to POSTs, each maybe after making it."""

    def __init__(self, *posts: Answer | tuple[Answer, str], before: dict[str, Any] | None = None) -> None:
        self.posts = iter(posts)
        self.there = before
        self.stage = Stage(self.answer)
        self.operations: Iterator[Answer] = iter(())
        self.invisible = 0

    def answer(self, call: Call) -> Answer:
        if call.method == "POST":
            scripted = next(self.posts)
            answer, made = scripted if isinstance(scripted, tuple) else (scripted, "")
            if made:
                self.there = server_item(made, created=stamp(self.stage.now))
            return answer
        if call.path == LIST:
            self.invisible -= 1
            shown = [self.there] if self.there and self.invisible < 0 else []
            return ok({"data": shown}, date=self.stage.date)
        if call.path == OPERATION:
            return next(self.operations)
        return ok(self.there) if self.there else Answer(404)

    def create(self) -> Any:
        return self.stage.play(OktaProvider().create(server_target()))

    @property
    def sent(self) -> int:
        return sum(call.method == "POST" for call in self.stage.calls)


def test_the_id_in_the_body() -> None:
    org = Org((ok(server_item("ems7"), 201), "ems7"))
    assert org.create().id == "ems7"
    assert LIST not in [call.path for call in org.stage.calls if call.method == "GET"]


@pytest.mark.parametrize("origin", ["", "https://acme.okta.com"])
def test_the_id_in_the_location_of_the_object(origin: str) -> None:
    org = Org((ok(None, 202, location=f"{origin}{LIST}/ems7"), "ems7"))
    assert org.create().id == "ems7"
    assert LIST not in [call.path for call in org.stage.calls if call.method == "GET"]


@pytest.mark.parametrize("location", ["http://[", "http://acme.okta.com//[/a/b"])
def test_a_location_that_is_no_url_is_as_good_as_none(location: str) -> None:
    org = Org((ok(None, 202, location=location), "ems7"))
    assert org.create().id == "ems7"


def test_the_id_in_the_operation_once_it_has_ended() -> None:
    org = Org((ok(None, 202, location=f"https://acme.okta.com{OPERATION}"), "ems7"))
    states = ["SCHEDULED", "IN_PROGRESS", "COMPLETED"]
    org.operations = iter(
        ok({"id": "op-1", "status": state, **({"resource": {"id": "ems7"}} if state == "COMPLETED" else {})})
        for state in states
    )
    assert org.create().id == "ems7"
    assert LIST not in [call.path for call in org.stage.calls if call.method == "GET"]


def test_an_operation_that_fails_is_told_with_its_reason() -> None:
    org = Org(ok(None, 202, location=OPERATION))
    failed = {"id": "op-1", "status": "FAILED", "errorDetails": {"code": "E0000001", "message": "no such host"}}
    org.operations = iter([ok(failed)])
    with pytest.raises(Refused, match="no such host") as refused:
        org.create()
    assert refused.value.diagnostics[0].code == "okta.operation-failed"


def test_an_operation_that_fails_and_leaves_something_says_what_is_there() -> None:
    org = Org((ok(None, 202, location=OPERATION), "ems7"))
    org.operations = iter([ok({"id": "op-1", "status": "FAILED", "errorDetails": {"message": "no such host"}})])
    with pytest.raises(Incomplete, match="no such host") as stopped:
        org.create()
    assert stopped.value.observed.id == "ems7"


@pytest.mark.parametrize(
    "answer",
    [
        ok(None, 202),
        ok(None, 202, location="https://acme.okta.com/nowhere"),
        Answer(400),
        Answer(500),
        okta_error(500, "E0000009"),
        LOST,
    ],
    ids=["empty", "odd location", "400-but-created", "empty 500", "500", "lost"],
)
@pytest.mark.parametrize("invisible", [0, 2])
def test_the_id_in_the_list_where_the_answer_says_nothing(answer: Answer, invisible: int) -> None:
    org = Org((answer, "ems7"))
    org.invisible = invisible
    assert org.create().id == "ems7"
    assert org.sent == 1


@pytest.mark.parametrize("answer", [LOST, okta_error(500, "E0000009")], ids=["lost", "500"])
def test_what_did_not_happen_is_asked_for_again(answer: Answer) -> None:
    org = Org(answer, (ok(server_item("ems7"), 201), "ems7"))
    assert org.create().id == "ems7"
    assert org.sent == 2


def test_an_operation_that_can_not_be_found_is_not_waited_for() -> None:
    org = Org((ok(None, 202, location=OPERATION), "ems7"))
    org.operations = iter([Answer(404)] * 9)
    assert org.create().id == "ems7"
    assert org.stage.now < 5


def test_an_operation_without_end_is_given_up_and_the_list_read() -> None:
    org = Org((ok(None, 202, location=OPERATION), "ems7"))
    org.operations = iter(lambda: ok({"id": "op-1", "status": "IN_PROGRESS"}), None)
    assert org.create().id == "ems7"
    assert 30 < org.stage.now < 90


def test_a_duplicate_of_our_own_lost_answer_is_ours() -> None:
    org = Org((LOST, "ems7"), DUPLICATE)
    org.invisible = 21
    assert org.create().id == "ems7"
    assert org.sent == 2


def test_a_duplicate_is_somebody_elses_and_the_way_to_adopt_it_is_shown() -> None:
    org = Org(DUPLICATE, before=server_item("ems3", created=stamp(-9999)))
    with pytest.raises(Refused) as refused:
        org.create()
    (told,) = refused.value.diagnostics
    assert told.code == "okta.already-exists"
    assert "import: [{to: mcp_server.one, id: ems3}]" in told.detail


@pytest.mark.parametrize("after", [LOST, Answer(400), DUPLICATE], ids=["lost", "empty 400", "duplicate"])
def test_what_was_there_before_is_never_taken_for_ours(after: Answer) -> None:
    posts = (LOST, DUPLICATE) if after is DUPLICATE else (after,)
    org = Org(*posts, before=server_item("ems3", created=stamp(-60)))
    with pytest.raises(Foreign) as refused:
        org.create()
    assert refused.value.diagnostics[0].code == "okta.already-exists"


def test_what_was_made_by_somebody_else_meanwhile_is_not_ours_if_it_differs() -> None:
    org = Org(LOST)
    real = org.answer

    def meanwhile(call: Call) -> Answer:
        answer = real(call)
        if call.method == "POST":
            org.there = server_item("ems3", created=stamp(org.stage.now), type="DISCOVERABLE")
        return answer

    org.stage.script = meanwhile
    with pytest.raises(Refused) as refused:
        org.create()
    assert refused.value.diagnostics[0].code == "okta.already-exists"


def test_an_error_in_oktas_own_form_is_a_verdict_and_the_list_is_not_read() -> None:
    org = Org(okta_error(400, "E0000001", "Api validation failed: resourceUrl"))
    with pytest.raises(Refused, match="Api validation failed: resourceUrl"):
        org.create()
    assert org.stage.asked == [f"POST {LIST}"]


def test_a_400_that_says_nothing_and_did_nothing_is_refused() -> None:
    org = Org(Answer(400))
    with pytest.raises(Refused, match="status 400 and no reason"):
        org.create()
    assert org.sent == 1


def test_a_connection_that_stays_lost_is_given_up() -> None:
    org = Org(LOST, LOST, LOST)
    with pytest.raises(Refused, match="the connection broke") as refused:
        org.create()
    assert refused.value.diagnostics[0].code == "okta.no-answer"


def test_what_never_left_is_tried_again_and_was_never_in_doubt() -> None:
    unsent = Answer(0, lost="could not connect", sent=False)
    org = Org(unsent, (ok(server_item("ems7"), 201), "ems7"))
    assert org.create().id == "ems7"
    org = Org(*[unsent] * 9)
    with pytest.raises(Refused, match="could not connect") as refused:
        org.create()
    assert "That call changed nothing" in refused.value.diagnostics[0].detail
    assert set(org.stage.asked) == {f"POST {LIST}"}, "nobody looks for what can't be there"
    assert org.stage.now < 30


def test_an_accepted_creation_that_never_appears_is_told() -> None:
    with pytest.raises(Refused) as refused:
        Org(ok(None, 202)).create()
    assert refused.value.diagnostics[0].code == "okta.never-appeared"


def test_a_field_that_is_silently_ignored_is_named_and_the_object_not_forgotten() -> None:
    org = Org((ok(server_item("ems7"), 201), "ems7"))
    with pytest.raises(Incomplete) as stopped:
        org.stage.play(OktaProvider().create(server_target(display_name="One", description="It")))
    assert [told.code for told in stopped.value.diagnostics] == ["okta.field-ignored"] * 2
    assert "display_name of mcp_server.one" in stopped.value.diagnostics[0].summary
    assert stopped.value.observed.id == "ems7"


@pytest.mark.parametrize("shown", ["https://mcp.example.com/mcp/", "https://MCP.example.com/mcp"])
def test_a_field_that_is_normalised_is_accepted_and_noted(shown: str) -> None:
    org = Org((ok({"id": "ems7"}, 201), "ems7"))
    made: Callable[[Call], Answer] = org.answer

    def normalising(call: Call) -> Answer:
        answer = made(call)
        if org.there:
            org.there["resourceUrl"] = shown
        return answer

    org.stage.script = normalising
    observed = org.create()
    assert observed.attributes["resource_url"] == shown
    assert observed.computed["normalised"] == {"resource_url": "https://mcp.example.com/mcp"}


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (ok({"id": "op-1", "status": "COMPLETED", "resource": {"id": "ems7"}}), Promise("ems7")),
        (ok({"id": "op-1", "status": "COMPLETED"}), Promise()),
        (ok({"id": "op-1", "status": "SCHEDULED"}), Promise(is_open=True)),
        (ok({"id": "op-1", "status": "IN_PROGRESS"}), Promise(is_open=True)),
        (ok({"id": "op-1", "status": "FAILED", "errorDetails": {"message": "no host"}}), Promise(failure="no host")),
        (ok({"id": "op-1", "status": "FAILED"}), Promise(failure="no reason given")),
        (Answer(404), Promise()),
    ],
)
def test_an_operation_is_asked_what_became_of_it(shown: Answer, told: Promise) -> None:
    stage = Stage([shown])
    assert stage.play(OktaProvider().follow("mcp_server", f"https://acme.okta.com{OPERATION}")) == told
    assert stage.asked == [f"GET {OPERATION}"]
    assert stage.slept == []


@pytest.mark.parametrize(
    ("kind", "location", "told"),
    [
        ("mcp_server", f"{LIST}/ems7", Promise("ems7")),
        ("association", f"{LIST}/ems7/authorization-servers/eas%201", Promise("eas 1")),
        ("association", f"{LIST}/ems7", Promise()),
        ("mcp_server", "/nowhere", Promise()),
        ("mcp_server", "", Promise()),
    ],
)
def test_a_place_that_is_no_operation_is_read_and_not_asked(kind: str, location: str, told: Promise) -> None:
    stage = Stage([])
    assert stage.play(OktaProvider().follow(kind, location)) == told


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (ok(None, 202, location=OPERATION), "Okta has accepted to create mcp_server.one, and is still at it"),
        (LOST, "Whether mcp_server.one was created is not known yet"),
        (okta_error(429, "E0000047"), "Stopped waiting"),
    ],
    ids=["operation", "lost", "rate limit"],
)
def test_an_interrupt_ends_the_wait_and_says_for_what(answer: Answer, told: str) -> None:
    org = Org(answer)
    org.operations = iter(lambda: ok({"id": "op-1", "status": "IN_PROGRESS"}), None)
    org.stage.is_impatient = True
    with pytest.raises(Interrupted, match=told) as interrupted:
        org.create()
    assert interrupted.value.diagnostics[0].code == "apply.interrupted"
    assert (org.sent, org.stage.slept) == (1, [])
