"""Histories by seed: nothing lost, nothing twice, nobody asked; and each rule is needed for that.

`python -m tests.sim --seeds 100000` plays more of them, `--mutate all` is the second test at its full width.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sim.__main__ import line
from tests.sim.history import RULES, History, Script, play, script, shrink

PAST = {
    "a list that lags behind an apply": Script(0, (0, 1), lag=6.0),
    "a list that lags behind a deletion": Script(0, (0, 4), lag=6.0),
    "a look that lasts longer than what it looks for is late": Script(0, (3,), crashes=(69, 83), rate=0.4),
    "an update that is cut off": Script(0, (0, 1), crashes=(17, 16, 21), rate=0.1),
    "a twin of what was renamed since": Script(0, (0, 1), rate=0.4, fates=("twice",)),
}
"""Histories that once went wrong, each with whatever else chance adds."""
KILLERS = 3000
"""Seeds within which every rule's absence shows."""


@pytest.mark.parametrize("is_short", [True, False], ids=["short", "whole"])
def test_no_history_goes_wrong(is_short: bool) -> None:
    outcomes = [play(seed, is_short) for seed in range(1500 if is_short else 400)]
    assert [line(outcome, frozenset()) for outcome in outcomes if outcome.violations] == []
    assert any(outcome.excuses for outcome in outcomes)
    assert sum(outcome.runs for outcome in outcomes) > 2 * len(outcomes)


@pytest.mark.parametrize("story", PAST)
def test_what_went_wrong_once_does_not_again(story: str) -> None:
    for seed in range(60):
        assert History(replace(PAST[story], seed=seed)).outcome().violations == []


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_needed(rule: str) -> None:
    off = frozenset({rule})
    assert any(play(seed, seed % 2 == 0, off).violations for seed in range(KILLERS)), RULES[rule]


def test_a_seed_is_a_history() -> None:
    one, other = (History(script(7, False), keep_log=True).outcome() for _ in range(2))
    assert one.log == other.log
    assert len(one.log) > 5


def test_a_failure_is_made_small() -> None:
    off = frozenset({"order"})
    failing = next(seed for seed in range(KILLERS) if play(seed, False, off).violations)
    small = shrink(script(failing, False), off)
    assert History(small, off).outcome().violations
    assert len(small.crashes) <= 1
    assert small.rate == 0.0
