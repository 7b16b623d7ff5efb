"""Broken configurations, and exactly what the user is told of each. `pytest --accept` rewrites what is expected."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.broken.cases import Case, read_cases, rewrite

FILES = sorted(Path(__file__).parent.glob("*.txt"))
CASES = [case for path in FILES for case in read_cases(path)]


@pytest.fixture(scope="session")
def accepted(request: pytest.FixtureRequest) -> bool:
    if request.config.getoption("--accept"):
        for path in FILES:
            rewrite(path)
        return True
    return False


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.path.stem}: {case.name}")
def test_is_refused_in_these_words(case: Case, accepted: bool) -> None:
    assert accepted or case.outcome() == case.refused


def test_the_table_is_large_and_names_its_cases_once() -> None:
    assert len(CASES) >= 80
    assert [name for name, count in Counter((c.path.stem, c.name) for c in CASES).items() if count > 1] == []


def test_every_refusal_is_located_and_exits_10() -> None:
    for case in CASES:
        for line in case.refused.splitlines():
            if line and not line.startswith(" "):
                place, code = line.split(": ")[:2]
                assert code.startswith("config."), line
                assert place == "-" or len(place.rsplit(":", 2)) == 3, line
