"""Every fault of the catalogue has a test that is really there, or a reason why not."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.chaos.faults import TESTED, UNTESTED

TESTS = Path(__file__).resolve().parents[1]


def test_the_catalogue_is_whole() -> None:
    assert sorted({*TESTED, *UNTESTED}) == list(range(1, 81))
    assert not TESTED.keys() & UNTESTED.keys()
    assert len(TESTED) >= 60


@pytest.mark.parametrize("fault", TESTED)
def test_its_test_is_there(fault: int) -> None:
    file, _, name = TESTED[fault].partition("::")
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    assert name in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
