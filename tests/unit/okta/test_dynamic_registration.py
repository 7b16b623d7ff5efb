"""Registering a client ourselves (RFC 7591, RFC 7592), with the authorization server's answers written down."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.keeping import Keep, Leftover, Recall
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.okta.dynamic_registration import Client, acknowledge, amend, disown, register, unregister
from reconciler.ports import Conversation, Fetch, Fetched, Target

ENDPOINT = "https://hub.example.com/register"
CALLBACK = "https://acme.okta.com/oauth2/v1/sts/callback"
MADE = {
    "client_id": "c-1",
    "client_secret": "s-1",
    "registration_access_token": "t-1",
    "registration_client_uri": f"{ENDPOINT}/c-1",
    "client_name": "App",
}
KEPT = {"registration_endpoint": ENDPOINT, **{k: v for k, v in MADE.items() if k != "client_name"}}
TARGET = Target(
    Address("mcp_server.hub/client_registration.app"),
    "client_registration",
    {
        "name": "App",
        "method": "static",
        "registrar": "tool",
        "credentials_file": "hub.json",
        "registration_endpoint": ENDPOINT,
        "scopes": ["a", "b"],
    },
)


class Hub:
    """The authorization server and the file; `asked` are the requests, `file` is what is kept."""

    def __init__(self, *answers: Fetched, kept: dict[str, str] | None = None) -> None:
        self.answers = iter(answers)
        self.asked: list[Fetch] = []
        self.file: Any = kept

    def run(self, conversation: Conversation[Any]) -> Any:
        result: Any = None
        while True:
            try:
                effect = conversation.send(result)
            except StopIteration as end:
                return end.value
            result = None
            match effect:
                case Recall(reference):
                    assert reference == {"file": "hub.json"}
                    result = None if self.file is None else Secret(json.dumps(self.file))
                case Keep(reference, secret):
                    assert reference == {"file": "hub.json"}
                    self.file = None if secret is None else json.loads(secret.reveal())
                case Fetch():
                    assert "t-1" not in repr(effect) and "s-1" not in repr(effect)
                    self.asked.append(effect)
                    result = next(self.answers)


def said(status: int, document: Any = None) -> Fetched:
    return Fetched(status, {}, b"" if document is None else json.dumps(document).encode())


def test_what_is_registered_is_kept_and_only_pointed_to() -> None:
    hub = Hub(said(201, MADE))
    assert hub.run(register(TARGET, CALLBACK)) == Client("c-1", {"file": "hub.json#client_secret"})
    assert hub.file == KEPT
    [asked] = hub.asked
    assert (asked.method, asked.url) == ("POST", ENDPOINT)
    assert (asked.body["redirect_uris"], asked.body["scope"]) == ([CALLBACK], "a b")


def test_what_was_registered_before_is_not_registered_again() -> None:
    hub = Hub(kept=KEPT)
    assert hub.run(register(TARGET, CALLBACK)).id == "c-1"
    assert hub.asked == []


def test_what_is_kept_of_another_authorization_server_is_not_shown_to_this_one() -> None:
    hub = Hub(said(201, MADE), kept={**KEPT, "registration_endpoint": "https://old.example.com/register"})
    hub.run(register(TARGET, CALLBACK))
    assert [asked.method for asked in hub.asked] == ["POST"]
    assert hub.file == KEPT


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (said(401), "answers 401"),
        (said(400, {"error": "invalid_redirect_uri"}), "400 invalid_redirect_uri"),
        (Fetched(0, problem="dns", detail="there is no such host name"), "there is no such host name"),
    ],
)
@pytest.mark.parametrize("before", [None, {"begun_at": ENDPOINT}], ids=["nothing", "another attempt"])
def test_a_refusal_is_told_and_nothing_is_kept(answer: Fetched, words: str, before: dict[str, str] | None) -> None:
    hub = Hub(answer, kept=before)
    with pytest.raises(Refused) as refused:
        hub.run(register(TARGET, CALLBACK))
    [told] = refused.value.diagnostics
    assert (told.code, told.address) == ("registration.refused", TARGET.address)
    assert words in told.summary
    assert hub.file == before


@pytest.mark.parametrize(
    "answer",
    [said(201, {"client_id": "public"}), said(201, [MADE]), said(502), Fetched(0, problem="timeout", detail="late")],
)
def test_a_client_that_may_have_been_made_is_not_forgotten(answer: Fetched) -> None:
    hub = Hub(answer, said(201, MADE))
    with pytest.raises(Refused):
        hub.run(register(TARGET, CALLBACK))
    assert hub.file == {"begun_at": ENDPOINT}
    assert hub.run(register(TARGET, CALLBACK)).is_alone is False
    with pytest.raises(Leftover) as left:
        hub.run(disown(TARGET))
    [told] = left.value.diagnostics
    assert (told.code, told.is_error) == ("registration.unclear", False)
    assert "another client called App" in told.summary and ENDPOINT in told.summary
    assert hub.file == KEPT
    hub.run(disown(TARGET))


def test_an_attempt_that_was_never_told_of_is_told_when_all_goes() -> None:
    hub = Hub(said(204), kept={**KEPT, "begun_at": ENDPOINT})
    with pytest.raises(Leftover):
        hub.run(unregister(TARGET))
    assert hub.file is None
    hub = Hub(kept={"begun_at": ENDPOINT})
    with pytest.raises(Leftover):
        hub.run(unregister(TARGET))
    assert hub.file is None


def test_a_change_is_told_there_with_the_token_it_gave() -> None:
    hub = Hub(said(200, {**MADE, "registration_access_token": "t-2"}), kept=KEPT)
    client = hub.run(amend(TARGET, CALLBACK))
    assert not client.is_renewed
    [asked] = hub.asked
    assert (asked.method, asked.url, asked.headers["authorization"]) == ("PUT", f"{ENDPOINT}/c-1", "Bearer t-1")
    assert asked.body["client_id"] == "c-1"
    assert hub.file["registration_access_token"] == "t-2"


def test_a_secret_that_comes_with_the_answer_is_the_one_from_now_on() -> None:
    hub = Hub(said(200, {**MADE, "client_secret": "s-2"}), kept=KEPT)
    assert hub.run(amend(TARGET, CALLBACK)).is_renewed
    assert hub.file["client_secret"] == "s-2"


def test_a_secret_that_okta_was_not_told_of_is_still_new_the_next_time() -> None:
    """As when the apply breaks off, or Okta refuses, between the two."""
    hub = Hub(*[said(200, {**MADE, "client_secret": "s-2"})] * 3, kept=KEPT)
    assert [hub.run(amend(TARGET, CALLBACK)).is_renewed for _ in range(2)] == [True, True]
    hub.run(acknowledge(TARGET))
    assert hub.file == {**KEPT, "client_secret": "s-2"}
    assert not hub.run(amend(TARGET, CALLBACK)).is_renewed


def test_no_second_client_is_registered_where_what_was_kept_of_the_first_is_gone() -> None:
    hub = Hub()
    with pytest.raises(Refused) as refused:
        hub.run(amend(TARGET, CALLBACK))
    assert [d.code for d in refused.value.diagnostics] == ["registration.credentials"]
    assert (hub.asked, hub.file) == ([], None)


def test_where_registrations_can_not_be_managed_nothing_is_asked() -> None:
    bare = {k: v for k, v in KEPT.items() if not k.startswith("registration_a")}
    hub = Hub(kept=bare)
    assert hub.run(amend(TARGET, CALLBACK)).id == "c-1"
    assert hub.asked == []


@pytest.mark.parametrize("answer", [said(204), said(200), said(404)])
def test_what_is_unregistered_is_forgotten(answer: Fetched) -> None:
    hub = Hub(answer, kept=KEPT)
    hub.run(unregister(TARGET))
    assert hub.file is None
    assert (hub.asked[0].method, hub.asked[0].headers["authorization"]) == ("DELETE", "Bearer t-1")


def elsewhere(kept: dict[str, str]) -> dict[str, str]:
    return {**kept, "registration_client_uri": "https://evil.example.com/c-1"}


@pytest.mark.parametrize(
    ("answers", "change"),
    [([said(500)], dict), ([said(401)], dict), ([Fetched(0, problem="timeout")], dict), ([], elsewhere)],
)
def test_an_orphan_is_reported_and_can_still_be_managed_by_hand(
    answers: list[Fetched], change: Callable[[dict[str, str]], dict[str, str]]
) -> None:
    hub = Hub(*answers, kept=change(KEPT))
    with pytest.raises(Leftover) as left:
        hub.run(unregister(TARGET))
    [told] = left.value.diagnostics
    assert (told.code, told.is_error) == ("registration.orphan", False)
    assert "c-1" in told.summary and "t-1" not in told.summary + told.detail
    assert hub.file == change(KEPT)
    assert not any("evil" in asked.url for asked in hub.asked), "the token goes nowhere else"


def test_a_file_of_something_else_is_refused_and_not_overwritten() -> None:
    class Odd(Hub):
        def run(self, conversation: Conversation[Any]) -> Any:
            next(conversation)
            return conversation.send(Secret("not json"))

    with pytest.raises(Refused) as refused:
        Odd().run(register(TARGET, CALLBACK))
    assert refused.value.diagnostics[0].code == "registration.credentials"
