"""Every option of every verb, given a value that it can't have: named, with what it may be, and never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import click
import pytest

from reconciler.cli.arguments import VALUED_WITH_TEXT
from reconciler.cli.main import VERBS, verbs
from reconciler.cli.options import AddressType, Duration, Whole
from tests.unit.cli.conftest import Reconciler


class Given(NamedTuple):
    path: tuple[str, ...]
    option: click.Option

    @property
    def name(self) -> str:
        return max(self.option.opts, key=len)

    def __str__(self) -> str:
        return f"{' '.join(self.path)} {self.name}"


def options_of(command: click.Command, path: tuple[str, ...]) -> Iterator[Given]:
    yield from (Given(path, option) for option in command.params if isinstance(option, click.Option))
    if isinstance(command, click.Group):
        for name, nested in command.commands.items():
            yield from options_of(nested, (*path, name))


def every_option() -> list[Given]:
    with click.Context(verbs) as ctx:
        found = [(verb, verbs.get_command(ctx, verb)) for verb in VERBS]
    return [given for verb, command in found if command for given in options_of(command, (verb,))]


EVERY = every_option()
SWITCHES = [given for given in EVERY if given.option.is_flag]
TYPED = [given for given in EVERY if not given.option.is_flag and given.option.type is not click.STRING]


def test_there_is_something_to_try() -> None:
    assert len(SWITCHES) > 50 and len(TYPED) > 20


@pytest.mark.parametrize("value", ["maybe", "1", ""])
@pytest.mark.parametrize("given", SWITCHES, ids=str)
def test_a_switch_is_true_or_false(reconciler: Reconciler, given: Given, value: str) -> None:
    ran = reconciler(*given.path, f"-{given.name.lstrip('-')}={value}")
    assert (ran.code, ran.out) == (1, "")
    assert f'{given.name} is true or false, not "{value}".' in ran.err
    assert f"`reconciler {given.path[0]} --help`" in ran.err


@pytest.mark.parametrize("value", ["soon", "-1", "1e9", "", "nan", "٣", "9" * 30])
@pytest.mark.parametrize("given", TYPED, ids=str)
def test_a_value_of_the_wrong_type_is_told_with_what_it_may_be(
    reconciler: Reconciler, given: Given, value: str
) -> None:
    ran = reconciler(*given.path, f"{given.name}={value}")
    assert (ran.code, ran.out) == (1, "")
    assert "internal error" not in ran.err
    assert given.name in ran.err
    match given.option.type:
        case click.Choice(choices=choices):
            assert all(f"'{choice}'" in ran.err for choice in choices)
        case Duration():
            assert "one looks like 30s or 5m" in ran.err or "is the longest" in ran.err
        case Whole():
            assert "is not a whole number from" in ran.err or "is not a whole number of at least" in ran.err
        case AddressType():
            assert "mcp_server.github" in ran.err
        case other:
            pytest.fail(f"{given} takes a {other}: say here what its refusal has to tell")


@pytest.mark.parametrize("given", [given for given in EVERY if not given.option.is_flag], ids=str)
def test_an_option_without_its_value_is_named(reconciler: Reconciler, given: Given) -> None:
    ran = reconciler(*given.path, given.name)
    assert (ran.code, ran.out) == (1, "")
    assert given.name in ran.err and "requires an argument" in ran.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (("schema", "confg"), "config"),
        (("completion", "BASH"), "bash"),
        (("plan", "-format=htm"), "html"),
        (("drift", "-format=jso"), "json"),
        (("graph", "-format=mermade"), "mermaid"),
    ],
    ids=" ".join,
)
def test_a_word_that_is_nearly_one_of_several_suggests_it(
    reconciler: Reconciler, typed: tuple[str, ...], meant: str
) -> None:
    assert f" Did you mean {meant}?" in " ".join(reconciler(*typed).err.split())
    assert "Did you mean" not in reconciler("schema", "zzz").err


def test_no_option_that_takes_a_text_is_mistaken_for_a_switch() -> None:
    taking = {name for given in EVERY if given.option.type is click.STRING for name in given.option.opts}
    assert {name for name in taking if name.startswith("--")} == VALUED_WITH_TEXT


@pytest.mark.parametrize("value", ["false", "False", "FALSE"])
def test_a_switch_is_turned_off_as_in_terraform(reconciler: Reconciler, value: str) -> None:
    for given in SWITCHES:
        ran = reconciler(*given.path, f"-{given.name.lstrip('-')}={value}", "--help")
        assert (ran.code, ran.err) == (0, ""), given


def test_a_part_of_many_workspaces_is_refused_where_there_is_one(reconciler: Reconciler) -> None:
    assert "give -workspaces as well" in reconciler("drift", "-shard=1/2").err
    assert "-shard takes I/N" in reconciler("drift", "-shard=5/2", "-workspaces=none.yaml").err
