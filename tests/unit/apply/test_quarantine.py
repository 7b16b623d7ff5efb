"""How long an intent may still take effect, by which clock; and what the recovery does until then."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.apply.observing import observe
from reconciler.apply.quarantine import QUARANTINE, Moment, moment, seconds_left, stamp
from reconciler.apply.recovery import find_out, glance, recover
from reconciler.apply.sweep import find_duplicates
from reconciler.model.resource import Observed
from reconciler.ports import Answer, Conversation, Now, Read, Sleep, Together
from tests.unit.apply.stage import FakeProvider, Stage, observed, recorded, server, snapshot_of, stage
from tests.unit.apply.test_recovery import intent

NOW = "2026-01-01T00:01:00Z"
WALL = 1_767_225_660.0
HERE = {"count": 100.0, "origin": "boot", "at": "2026-01-01T00:00:00Z", "quarantine": 60.0}


@pytest.mark.parametrize(
    ("entry", "now", "left"),
    [
        (HERE, Moment(130.0, "boot", WALL), 30.0),
        (HERE, Moment(130.0, "boot", WALL + 3 * 86_400), 30.0),
        (HERE, Moment(130.0, "boot", WALL - 7200), 30.0),
        (HERE, Moment(500.0, "boot", WALL), 0.0),
        (HERE, Moment(5.0, "another", WALL - 20), 20.0),
        (HERE, Moment(5.0, "another", WALL - 7200), 60.0),
        (HERE, Moment(5.0, "", WALL), 0.0),
        ({"quarantine": 60.0}, Moment(5.0, "boot", WALL), 60.0),
        ({"at": "nonsense"}, Moment(5.0, "boot", WALL), QUARANTINE),
        ({**HERE, "quarantine": 0.0}, Moment(100.0, "boot", WALL), 0.0),
    ],
)
def test_the_same_boot_is_believed_before_the_wall_clock(entry: dict[str, Any], now: Moment, left: float) -> None:
    assert seconds_left(entry, now) == left


def test_what_is_stamped_is_as_old_as_the_time_that_passed() -> None:
    machine = stage().world.machine
    entry = stamp(machine, 60.0)
    machine.time += 12.5
    assert seconds_left(entry, moment(machine)) == 47.5


def play(conversation: Conversation[Any], scene: Stage, hidden: float = 0.0) -> tuple[Any, list[float]]:
    """The result, and the delays; lists show nothing for the first `hidden` seconds."""
    slept: list[float] = []
    result: Any = None
    while True:
        try:
            effect = conversation.send(result)
        except StopIteration as end:
            return end.value, slept
        match effect:
            case Now():
                result = scene.world.machine.time
            case Sleep(seconds):
                scene.world.machine.time += seconds
                slept.append(seconds)
                result = None
            case Read(call):
                is_list = call.path == "/" and sum(slept) < hidden
                result = Answer(200, body=[]) if is_list else scene.world.answer(call)
            case Together(conversations):
                result = tuple(play(one, scene, hidden)[0] for one in conversations)


def test_what_is_not_there_is_waited_for_until_it_can_not_come() -> None:
    scene = stage()
    machine = scene.world.machine
    entry = intent(server("a"), **stamp(machine, 60.0))
    asking = find_out(snapshot_of(), [entry], FakeProvider(), moment(machine))
    (found, seen), slept = play(asking, scene)
    assert sum(slept) == pytest.approx(60.0)
    assert [note.code for note in found.notes] == ["recovery.not-made"]
    assert seen == ()


def test_who_does_not_hold_the_workspace_waits_for_nobody_and_says_so() -> None:
    scene = stage()
    machine = scene.world.machine
    entry = intent(server("a"), **stamp(machine, 60.0))
    (found, _), slept = play(glance(snapshot_of(), [entry], FakeProvider(), moment(machine)), scene)
    assert slept == []
    assert [note.code for note in found.notes] == ["recovery.under-way"]
    assert "mcp_server.a" in (found.notes[0].detail or "")
    assert found.snapshot.records == {}


@pytest.mark.parametrize("at", ["nonsense", "2099-01-01T00:00:00Z"])
def test_a_time_that_went_wrong_is_waited_out_once(at: str) -> None:
    scene = stage()
    machine = scene.world.machine
    entry = intent(server("a"), **{**stamp(machine, 60.0), "at": at, "origin": "another"})
    _, slept = play(find_out(snapshot_of(), [entry], FakeProvider(), moment(machine)), scene)
    assert sum(slept) == pytest.approx(60.0)


def test_what_comes_late_is_adopted_as_soon_as_it_shows() -> None:
    scene = stage()
    scene.put(server("a"), "id7")
    machine = scene.world.machine
    entry = intent(server("a"), **stamp(machine, 60.0))
    asking = find_out(snapshot_of(), [entry], FakeProvider(), moment(machine))
    (found, _), slept = play(asking, scene, hidden=10.0)
    assert [record.id for record in found.snapshot.records.values()] == ["id7"]
    assert 10.0 <= sum(slept) < 20.0


def test_the_id_that_an_answer_gave_decides_between_two() -> None:
    a = server("a")
    told = [intent(a), intent(a, kind="done", id="id2", status=201)]
    found = recover(snapshot_of(), told, [observed(a, "id1"), observed(a, "id2")])
    assert [record.id for record in found.snapshot.records.values()] == ["id2"]
    assert not found.unclear


def test_an_update_that_shows_is_recorded() -> None:
    before, after = server("a", display_name="One"), server("a", display_name="Two")
    entry = {**intent(after), "op": "update"}
    held = snapshot_of(recorded(before))
    done = recover(held, [entry], [observed(after)])
    assert done.snapshot.records[before.address].attributes["display_name"] == "Two"
    assert [note.code for note in done.notes] == ["recovery.updated"]
    assert recover(held, [entry], [observed(before)]).snapshot.records == held.records


def test_what_a_list_does_not_show_is_looked_for_by_its_id() -> None:
    scene = stage()
    held = snapshot_of(scene.put(server("a"), "id1"))
    seen, _ = play(observe(held, FakeProvider()), scene, hidden=1.0)
    assert [one.id for one in seen] == ["id1"]
    del scene.world.objects["id1"]
    assert play(observe(held, FakeProvider()), scene)[0] == ()


def twins(*ids: str, **more: Any) -> list[Observed]:
    return [observed(server("a", **more), one) for one in ids]


def test_what_is_there_twice_is_told_of_with_its_ids() -> None:
    held = snapshot_of(recorded(server("a"), "id1"))
    (told,) = find_duplicates(held, twins("id1", "id3", "id2"))
    assert (told.code, told.is_error) == ("recovery.duplicate", False)
    assert "id1 is recorded, and id2, id3 look" in told.summary


def test_what_only_has_the_same_name_is_no_twin() -> None:
    held = snapshot_of(recorded(server("a"), "id1"))
    assert find_duplicates(held, twins("id1")) == ()
    assert find_duplicates(held, [*twins("id1"), *twins("id2", registration="discovered")]) == ()
    assert find_duplicates(snapshot_of(), twins("id1", "id2")) == ()
