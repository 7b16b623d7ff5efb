"""A secret that changed behind the same reference is noticed, sent again, and never sent for nothing."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.diagnostic import error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Record, Resource
from reconciler.plan.change import Action
from reconciler.plan.decision import Wishes, decide
from reconciler.plan.document import Basis, Plan
from reconciler.plan.rotation import notes_on, references_in, secrets_of, unread
from reconciler.plan.situation import Situation
from reconciler.plan.step import Op, Step

APP = Address("mcp_server.m/client_registration.app")
SECRET = {"env": "SECRET"}
ATTRIBUTES = {"name": "app", "method": "static", "client_id": "id", "client_secret": SECRET}


def situation(attributes: dict[str, Any] | None = None, **recorded: Any) -> Situation:
    """An app that is there as it was recorded; `attributes` is what it should be."""
    desired = Resource(APP, "client_registration", attributes or ATTRIBUTES)
    record = Record(APP, "client_registration", "rsc1", ATTRIBUTES, State.ACTIVE, **recorded)
    seen = Observed("client_registration", "rsc1", ATTRIBUTES, State.ACTIVE)
    return Situation(APP, kinds()["client_registration"], desired, record, seen, ATTRIBUTES)


def test_a_rotated_secret_is_an_update_of_its_attribute_and_says_so() -> None:
    here = situation(secrets={"client_secret": "a" * 16})
    decision = decide(here, Wishes(fingerprints={"env:SECRET": "b" * 16}))
    assert decision.action is Action.UPDATE
    (difference,) = decision.differences
    assert (difference.path, difference.before, difference.after) == (("client_secret",), SECRET, SECRET)
    assert difference.secret and not difference.replaces
    (note,) = notes_on(here, {"env:SECRET": "b" * 16}).values()
    assert note.startswith("secret changed: env:SECRET has the fingerprint " + "b" * 16)


@pytest.mark.parametrize(
    ("recorded", "now"),
    [
        ({"client_secret": "a" * 16}, {"env:SECRET": "a" * 16}),
        ({"client_secret": "a" * 16}, {}),
        ({}, {"env:SECRET": "b" * 16}),
        ({"gone": "a" * 16}, {"env:SECRET": "b" * 16}),
    ],
)
def test_what_is_the_same_or_unknown_is_not_sent(recorded: dict[str, str], now: dict[str, str]) -> None:
    assert decide(situation(secrets=recorded), Wishes(fingerprints=now)).action is Action.NONE


def test_another_reference_is_one_difference_whatever_its_fingerprint() -> None:
    elsewhere = {**ATTRIBUTES, "client_secret": {"file": "secret"}}
    here = situation(elsewhere, secrets={"client_secret": "a" * 16})
    decision = decide(here, Wishes(fingerprints={"file:secret": "b" * 16, "env:SECRET": "b" * 16}))
    (difference,) = decision.differences
    assert difference.after == {"file": "secret"}
    assert notes_on(here, {"file:secret": "b" * 16}) == {}


def plan(*steps: Step) -> Plan:
    basis = Basis("", 0, "", "default", "", "", "")
    return Plan(
        basis, (), steps, {APP: Resource(APP, "client_registration", {**ATTRIBUTES, "client_secret_version": 2})}
    )


@pytest.mark.parametrize(
    ("op", "changed", "is_sent"),
    [
        (Op.CREATE, (), True),
        (Op.UPDATE, ("client_secret",), True),
        (Op.UPDATE, ("client_secret_version",), True),
        (Op.UPDATE, ("scopes",), False),
        (Op.UPDATE, (), False),
        (Op.ADOPT, (), False),
        (Op.DELETE, (), False),
    ],
)
def test_which_steps_send_a_secret(op: Op, changed: tuple[str, ...], is_sent: bool) -> None:
    sent = secrets_of(plan(Step("step", op, APP, "client_registration", changed=changed)))
    assert sent == ({"env:SECRET": (SECRET, APP)} if is_sent else {})


def test_what_could_not_be_read_is_warned_of_once_and_only_if_it_is_referred_to() -> None:
    resources = [Resource(APP, "client_registration", ATTRIBUTES)] * 2
    assert references_in(resources) == [SECRET, SECRET]
    problem = (error("auth.secret", "The secret env:SECRET is not set", "Set it."),)
    problems = {"env:SECRET": problem, "env:OTHER": problem}
    (told,) = unread(plan(), resources, problems)
    assert not told.is_error
    assert told.summary == "The secret env:SECRET is not set. Set it."
    assert "taken to be the same" in told.detail
    (told,) = unread(plan(Step("create", Op.CREATE, APP, "client_registration")), resources, problems)
    assert "won't begin without it" in told.detail
