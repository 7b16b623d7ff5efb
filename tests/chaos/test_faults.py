"""Every fault of the catalogue has a test that is really there, and runs, or a reason why not."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

from tests.chaos.faults import LIMITS, SIM, SIMULATED, TESTED, UNTESTED
from tests.sim.network import FATES
from tests.sim.script import Crash, Script

TESTS = Path(__file__).resolve().parents[1]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def test_the_catalogue_is_whole() -> None:
    assert sorted([*TESTED, *UNTESTED]) == list(range(1, 81)), "each in one table, and once"
    assert all(TESTED.values()) and all(UNTESTED.values())
    assert TESTED.keys() >= LIMITS.keys()


@cache
def tree_of(file: str) -> ast.Module:
    return ast.parse((TESTS / file).read_text("utf-8"))


def marks(file: str, name: str) -> Iterator[str]:
    """What the test of that name, its class and its module are marked with; nothing if it isn't there."""
    tree = tree_of(file)
    above = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    for owner in (tree, *above):
        for node in owner.body:
            if isinstance(node, Function) and node.name == name:
                yield "test"
                yield from map(ast.unparse, node.decorator_list)
                if isinstance(owner, ast.ClassDef):
                    yield from map(ast.unparse, owner.decorator_list)
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            yield ast.unparse(node.value)


def may_be_skipped(file: str) -> bool:
    """Whether some test of the file looks first if what it needs is there."""
    return any(
        ast.unparse(node.func) == "pytest.skip" for node in ast.walk(tree_of(file)) if isinstance(node, ast.Call)
    )


@pytest.mark.parametrize("fault", TESTED)
def test_its_tests_are_there_and_run(fault: int) -> None:
    for named in TESTED[fault]:
        file, _, name = named.partition("::")
        assert Path(file).name.startswith("test_"), f"{file} is not collected"
        found = list(marks(file, name))
        assert "test" in found, f"{named} is gone"
        assert not [mark for mark in found if mark.startswith(("pytest.mark.long", "pytest.mark.skip"))], named
    files = {named.partition("::")[0] for named in TESTED[fault]}
    assert not all(map(may_be_skipped, files)), "one of them runs everywhere"


def test_no_fault_has_a_test_twice() -> None:
    assert [fault for fault, named in TESTED.items() if len(set(named)) != len(named)] == []


def test_what_is_simulated_is_up_to_chance_there() -> None:
    chances = {*FATES, *(field.name for field in fields(Script)), *Crash._fields}
    assert chances >= set(SIMULATED.values())
    assert {fault for fault in SIMULATED if SIM not in TESTED[fault]} == set()


def test_the_look_at_tests_sees_what_it_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n@pytest.mark.long\ndef test_a(): pytest.skip('no')\nclass TestB:\n    def test_b(self): ...\n"
    )
    monkeypatch.setattr("tests.chaos.test_faults.TESTS", tmp_path)
    tree_of.cache_clear()
    try:
        found = [list(marks("test_some.py", name)) for name in ("test_a", "test_b", "test_c")]
        assert found == [["test", "pytest.mark.long"], ["test"], []]
        assert may_be_skipped("test_some.py")
    finally:
        tree_of.cache_clear()
