"""Histories by seed: nothing lost, nothing twice, nobody asked; and each rule is needed for that.

`python -m tests.sim --seeds 100000` plays more of them, `--mutate all` is the second test at its full width.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

import pytest

from tests.sim.__main__ import line
from tests.sim.family import SIZE, SORTS, play_family
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
SLOW = Script(0, (0,), is_short=True, rate=0.4, fates=("late",), disk=(0.003, 55.0))
TORN = Script(0, (2,), is_short=True, rate=0.4, fates=("never",), rival=1.0, freezes_at="lease", expires=True)
DOUBLING = Script(0, (0,), is_short=True, rate=0.6, fates=("twice",))
PROVOKING = {
    "kept-first": [
        replace(DOUBLING, seed=n, crashes=(Crash(8 + n % 8, 0.0, n + 1), Crash(4 + n % 14))) for n in range(1000)
    ],
    "lease": [replace(TORN, seed=n, freeze_at=3 + n % 20) for n in range(2000)],
    "margin": [replace(SLOW, seed=n, crashes=(Crash(8 + n % 14, 0.0, n + 1),)) for n in range(2000)],
}
"""Histories in which a rule matters that seldom does."""
FAMILIES = 150
"""Within which every other rule's absence shows."""


@pytest.mark.parametrize("sort", SORTS)
def test_no_history_goes_wrong(sort: str) -> None:
    outcomes = [outcome for number in range(80 if sort == "short" else 16) for outcome in play_family(number, sort)]
    assert [line(0, "", outcome) for outcome in outcomes if outcome.violations] == []
    assert any(outcome.excuses for outcome in outcomes)
    assert sum(outcome.runs for outcome in outcomes) > 2 * len(outcomes)
    assert {len(outcome.crashes) for outcome in outcomes} == {0, 1, 2, 3}


@pytest.mark.parametrize("sort", SORTS)
def test_a_history_by_itself_is_the_same_as_in_its_family(sort: str) -> None:
    for number in range(8 if sort == "short" else 2):
        for outcome in play_family(number, sort, keep_log=True):
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
    provoked = (play(given, off) for given in PROVOKING.get(rule, ()))
    played = (outcome for number in range(FAMILIES) for outcome in play_family(number, SORTS[number % len(SORTS)], off))
    assert any(outcome.violations for outcome in chain(provoked, played)), RULES[rule]


def test_a_seed_is_a_history() -> None:
    one, other = (play_family(7, "whole", keep_log=True)[SIZE // 2] for _ in range(2))
    assert one.log == other.log
    assert len(one.log) > 5


def test_a_failure_is_made_small() -> None:
    off = frozenset({"order"})
    failing = next(
        outcome for number in range(FAMILIES) for outcome in play_family(number, "short", off) if outcome.violations
    )
    small = shrink(failing.script, off)
    assert play(small, off).violations
    assert len(small.crashes) <= 1
    assert small.rate == 0.0
