"""A part of `python -m tests.drift.metamorphic`, which tries all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.drift.metamorphic import sweep


def test_every_edit_is_found_and_nothing_else(tmp_path: Path) -> None:
    score = sweep(tmp_path, one_in=3)
    assert score.complaints == ()
    assert score.injected == score.detected > 20
    assert score.quiet > 20


@pytest.mark.long
def test_all_of_it(tmp_path: Path) -> None:
    assert sweep(tmp_path, mixtures=400, seed=2).complaints == ()
