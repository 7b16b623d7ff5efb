"""Histories by seed: nothing lost, nothing twice, nobody asked; and each rule is needed for that.

`python -m tests.sim --seeds 100000` plays more of them, `--mutate all` is the second test at its full width.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.__main__ import line
from tests.sim.family import SIZE, play_family
from tests.sim.history import play, shrink
from tests.sim.rules import RULES
from tests.sim.script import Crash, Script

PAST = {
    "a list that lags behind an apply": (Script(0, (0, 1), lag=6.0), ()),
    "a list that lags behind a deletion": (Script(0, (0, 4), lag=6.0), ()),
    "a look that lasts longer than what it looks for is late": (Script(0, (3,), rate=0.4), (69, 83)),
    "an update that is cut off": (Script(0, (0, 1), rate=0.1), (17, 16, 21)),
    "a twin of what was renamed since": (Script(0, (0, 1), rate=0.4, fates=("twice",)), ()),
    "a clock that was set back for hours": (Script(0, (0,), step=-7200.0, same_boot=False), (10,)),
}
"""Histories that once went wrong, and about where they crashed; each with whatever else chance adds."""
FAMILIES = 150
"""Within which every rule's absence shows."""


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "whole"])
def test_no_history_goes_wrong(is_short: bool) -> None:
    outcomes = [outcome for number in range(80 if is_short else 16) for outcome in play_family(number, is_short)]
    assert [line(0, "", outcome) for outcome in outcomes if outcome.violations] == []
    assert any(outcome.excuses for outcome in outcomes)
    assert sum(outcome.runs for outcome in outcomes) > 2 * len(outcomes)
    assert {len(outcome.crashes) for outcome in outcomes} == {0, 1, 2, 3}


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "whole"])
def test_a_history_by_itself_is_the_same_as_in_its_family(is_short: bool) -> None:
    for number in range(8 if is_short else 2):
        for outcome in play_family(number, is_short, keep_log=True):
            alone = play(outcome.script, keep_log=True)
            assert alone.log == outcome.log
            assert (alone.effects, alone.runs) == (outcome.effects, outcome.runs)


@pytest.mark.parametrize("story", PAST)
def test_what_went_wrong_once_does_not_again(story: str) -> None:
    given, crashes = PAST[story]
    for seed in range(60):
        hits = tuple(Crash(at - 2 + seed % 5, seed % 3 / 2, seed + place + 1) for place, at in enumerate(crashes))
        assert play(replace(given, seed=seed, crashes=hits)).violations == []


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_needed(rule: str) -> None:
    off = frozenset({rule})
    played = (outcome for number in range(FAMILIES) for outcome in play_family(number, number % 2 == 0, off))
    assert any(outcome.violations for outcome in played), RULES[rule]


def test_a_seed_is_a_history() -> None:
    one, other = (play_family(7, False, keep_log=True)[SIZE // 2] for _ in range(2))
    assert one.log == other.log
    assert len(one.log) > 5


def test_a_failure_is_made_small() -> None:
    off = frozenset({"order"})
    failing = next(
        outcome for number in range(FAMILIES) for outcome in play_family(number, True, off) if outcome.violations
    )
    small = shrink(failing.script, off)
    assert play(small, off).violations
    assert len(small.crashes) <= 1
    assert small.rate == 0.0
