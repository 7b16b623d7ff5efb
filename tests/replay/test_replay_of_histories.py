"""Histories of the simulator are recorded and replayed as well: one engine, three drivers."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from tests.replay.conftest import Recording
from tests.replay.recorder import Line
from tests.sim.history import play
from tests.sim.script import Crash, script


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "whole"])
def test_histories_of_the_simulator_are_replayed(recordings: list[Recording], is_short: bool) -> None:
    """Runs that crash, too: as far as they came."""
    for seed in range(60 if is_short else 25):
        given = script(seed, is_short)
        play(replace(given, crashes=(Crash(Random(seed).randrange(5, 60), kept=0.5, seed=seed + 1),)))
    ends: dict[str, list[Line]] = {recording.name: [] for recording in recordings}
    for recording in recordings:
        recording.replay()
        ends[recording.name].append(recording.lines[-1])
    assert any(line.get("then") == "ended" for line in ends["applying"])
    assert any(line.get("then") != "ended" for line in ends["applying"]), "no run crashed on the way"
    assert any("asked" in str(line) for recording in recordings for line in recording.lines)
