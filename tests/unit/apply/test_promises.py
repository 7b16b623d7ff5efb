"""A creation that was accepted before a crash is followed where its answer said, before anything else is believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.apply.promises import PATIENCE
from reconciler.apply.quarantine import moment, stamp
from reconciler.apply.recovery import Recovered, find_out
from reconciler.model.diagnostic import Refused, error
from reconciler.model.resource import Promise
from reconciler.ports import Conversation, Now
from tests.unit.apply.stage import FakeProvider, Stage, server, snapshot_of, stage
from tests.unit.apply.test_quarantine import play
from tests.unit.apply.test_recovery import intent

A = server("a")
PLACE = "/operations/op1"
OPEN = Promise(is_open=True)
Tell = Callable[[float], Promise]
"""What became of it, by the seconds that have passed."""


@dataclass
class Telling(FakeProvider):
    """Says of what is made at PLACE what `tell` says."""

    tell: Tell
    asked: list[str] = field(default_factory=list)

    def follow(self, kind: str, location: str) -> Conversation[Promise]:
        assert (kind, location) == ("mcp_server", PLACE)
        self.asked.append(location)
        now: float = yield Now()
        return self.tell(now - 1000.0)


def told(scene: Stage, *more: dict[str, Any]) -> list[dict[str, Any]]:
    stamped = stamp(scene.world.machine, 60.0)
    return [intent(A, **stamped), intent(A, kind="done", status=202, location=PLACE, **stamped), *more]


def recovered(scene: Stage, tell: Tell, hidden: float = 1e9, *more: dict[str, Any]) -> tuple[Recovered, float]:
    """What is found out, and after how many seconds; lists show nothing for the first `hidden` of them."""
    asking = find_out(snapshot_of(), told(scene, *more), Telling(tell), moment(scene.world.machine))
    (found, _), slept = play(asking, scene, hidden)
    return found, sum(slept)


def codes(found: Recovered) -> list[str]:
    return [note.code for note in found.notes]


def test_what_was_made_is_adopted_by_its_id_though_no_list_shows_it() -> None:
    scene = stage()
    scene.put(A, "id7")
    found, seconds = recovered(scene, lambda now: Promise("id7"))
    assert [record.id for record in found.snapshot.records.values()] == ["id7"]
    assert (codes(found), seconds) == (["recovery.adopted"], 0.0)


def test_what_is_still_being_made_is_waited_for() -> None:
    scene = stage()
    scene.put(A, "id7")
    found, seconds = recovered(scene, lambda now: OPEN if now < 20 else Promise("id7"))
    assert [record.id for record in found.snapshot.records.values()] == ["id7"]
    assert 20 <= seconds < 40


@pytest.mark.parametrize("hidden", [0.0, 1e9])
def test_what_is_shown_while_it_is_being_made_is_recorded_when_that_has_ended(hidden: float) -> None:
    scene = stage()
    scene.put(A, "id7")
    found, seconds = recovered(scene, lambda now: OPEN if now < 10 else Promise("id7"), hidden)
    assert [record.id for record in found.snapshot.records.values()] == ["id7"]
    assert seconds >= 10


def test_what_came_to_nothing_is_said_with_the_reason_and_not_waited_for() -> None:
    found, seconds = recovered(stage(), lambda now: Promise(failure="no such host"))
    assert (codes(found), seconds) == (["recovery.failed"], 0.0)
    assert "no such host" in found.notes[0].summary
    assert not found.unclear
    assert not found.snapshot.records


def test_what_came_to_nothing_is_waited_for_if_it_was_sent_twice() -> None:
    scene = stage()
    other = intent(A, attempt=2, **stamp(scene.world.machine, 60.0))
    found, seconds = recovered(scene, lambda now: Promise(failure="no"), 1e9, other)
    assert codes(found) == ["recovery.failed"]
    assert seconds == pytest.approx(60.0), "the other may still come"


def test_what_never_ends_is_left_alone_and_not_forgotten() -> None:
    found, seconds = recovered(stage(), lambda now: OPEN)
    assert seconds == pytest.approx(PATIENCE)
    assert codes(found) == ["recovery.unfinished"]
    assert set(found.unclear) == {A.address}
    assert PLACE in [entry.get("location") for entry in found.kept], "the next run asks again"


def test_what_is_not_known_there_is_looked_for_as_if_there_were_no_such_place() -> None:
    scene = stage()
    scene.put(A, "id7")
    found, seconds = recovered(scene, lambda now: Promise(), 10.0)
    assert [record.id for record in found.snapshot.records.values()] == ["id7"]
    assert seconds >= 10.0
    found, seconds = recovered(stage(), lambda now: Promise())
    assert codes(found) == ["recovery.not-made"]
    assert seconds == pytest.approx(60.0)


def test_that_it_can_not_be_asked_is_no_reason_to_stop() -> None:
    def refuse(now: float) -> Promise:
        raise Refused([error("okta.http-403", "not for you")])

    scene = stage()
    scene.put(A, "id7")
    found, _ = recovered(scene, refuse, 0.0)
    assert [record.id for record in found.snapshot.records.values()] == ["id7"]


def test_an_id_that_an_answer_gave_is_looked_for_at_once() -> None:
    scene = stage()
    scene.put(A, "id7")
    stamped = stamp(scene.world.machine, 60.0)
    entries = [intent(A, **stamped), intent(A, kind="done", status=201, id="id7", **stamped)]
    asking = find_out(snapshot_of(), entries, FakeProvider(), moment(scene.world.machine))
    (found, _), slept = play(asking, scene, 1e9)
    assert [record.id for record in found.snapshot.records.values()] == ["id7"]
    assert slept == []
