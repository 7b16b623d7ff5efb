"""From drift back to agreement: by restoring what is desired, or by accepting what is there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yaml import safe_load

from reconciler.config.rewriting import REMOVED, Unwritable, rewritten, spelled
from tests.drift.metamorphic import injections
from tests.drift.stage import CONFIGURATION, Applied, run, sandbox, write
from tests.drift.test_drift import drift, named


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    yield Applied(tmp_path_factory.mktemp("back"))


def test_the_way_back_is_a_plan_that_restores_what_is_desired(tmp_path: Path) -> None:
    applied = Applied(tmp_path)
    with applied.fresh() as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed", status="INACTIVE")
        org.delete(named(org, "client_auth_settings", name="hub-app"))
    code, said = run(tmp_path, "drift", "-out=back.json")
    assert code == 2, said
    assert "reconciler apply back.json" in said
    code, said = run(tmp_path, "apply", "back.json")
    assert code == 0, said
    assert drift(tmp_path)[0] == 0
    assert run(tmp_path, "plan", "-detailed-exitcode")[0] == 0


def test_acceptance_touches_no_other_line(tmp_path: Path) -> None:
    text = CONFIGURATION.replace(
        "  todo: {resource_url: https://todo.example.com/mcp, display_name: Todo, description: The list,\n"
        "         authorization_servers: [todo]}\n",
        "  # The list itself.\n"
        "  todo:\n"
        '    display_name: "Todo"   # as people know it\n'
        "    resource_url:   https://todo.example.com/mcp\n"
        "    # told to administrators\n"
        "    description: The list\n"
        "    authorization_servers:\n"
        "    - todo\n",
    )
    applied = Applied(tmp_path, text)
    with applied.fresh() as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Do: ${it}", description="Renamed")
    code, said = run(tmp_path, "drift", "-accept")
    assert code == 2, said
    assert "mcp_server.todo" in said
    after = (tmp_path / "reconciler.yaml").read_text("utf-8")
    assert after == text.replace('"Todo" ', '"Do: $${it}" ').replace("The list\n    auth", "Renamed\n    auth")
    assert run(tmp_path, "plan", "-detailed-exitcode")[0] == 0
    assert run(tmp_path, "apply", "-refresh-only", "-auto-approve")[0] == 0
    assert drift(tmp_path)[0] == 0


@pytest.mark.parametrize(
    "name",
    [
        "mcp_server.todo description",
        "mcp_server.hub displayName",
        "mcp_server.hub/authorization_server.hub tokenEndpoint",
        "mcp_server.hub/authorization_server.hub grantTypesSupported",
        "mcp_server.hub/client_registration.hub-app scopes",
        "authorization_server.todo audiences",
        "authorization_server.todo rule actions",
        "authorization_server.todo policy conditions",
        "authorization_server.spare ACTIVE",
        "a scope added",
    ],
)
def test_what_is_accepted_leaves_an_empty_plan(applied: Applied, name: str) -> None:
    write(applied.directory)
    with applied.fresh() as org:
        next(i for i in injections(applied, org) if i.name == name).edit(org)
    assert run(applied.directory, "drift", "-accept")[0] == 2
    code, said = run(applied.directory, "plan", "-detailed-exitcode")
    assert code == 0, said
    assert (applied.directory / "reconciler.yaml").read_text("utf-8") != CONFIGURATION


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("mcp_server.hub INVALID", "nobody can want it to be INVALID"),
        ("mcp_server.asleep mcp_server deleted", "it is gone"),
        ("a row added", "it is nobody's"),
        ("mcp_server.hub/client_registration.hub-app name", ""),
    ],
)
def test_what_is_not_accepted_is_told_and_changes_nothing(applied: Applied, name: str, why: str) -> None:
    write(applied.directory)
    with applied.fresh() as org:
        next(i for i in injections(applied, org) if i.name == name).edit(org)
    _, said = run(applied.directory, "drift", "-accept")
    if why:
        assert why in said
        assert (applied.directory / "reconciler.yaml").read_text("utf-8") == CONFIGURATION
    else:
        assert run(applied.directory, "plan", "-detailed-exitcode")[0] == 0


def test_a_value_made_of_variables_is_left_to_its_author(tmp_path: Path) -> None:
    text = CONFIGURATION.replace("display_name: Todo,", "display_name: '${var.name}',")
    applied = Applied(tmp_path, f"{text}variables: {{name: {{default: Todo}}}}\n")
    with applied.fresh() as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed")
    _, said = run(tmp_path, "drift", "-accept")
    assert "mcp_server.todo is not accepted: it is made of variables" in said
    with sandbox(tmp_path) as org:
        assert named(org, "mcp_server", displayName="Renamed")


FLOW = "s: {b: {a: 1, l: [x, {name: y, d: 2}], e: {}}}  # end\n"
BLOCK = "s:\n  b:\n    a: 1  # one\n    l:\n    - x  # ex\n    - name: y\n      d: 2\n\n    # last\n    z: {}\n"


@pytest.mark.parametrize("text", [FLOW, BLOCK])
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        (("a",), "new", {"a": "new"}),
        (("a",), REMOVED, {"a": None}),
        (("k",), ["p", "q: r"], {"k": ["p", "q: r"]}),
        (("k", "deep"), 5, {"k": {"deep": 5}}),
        (("l", "x"), REMOVED, {"l": [{"name": "y", "d": 2}]}),
        (("l", "y"), REMOVED, {"l": ["x"]}),
        (("l", "x", "d"), 3, {"l": [{"name": "x", "d": 3}, {"name": "y", "d": 2}]}),
        (("l", "y", "d"), 3, {"l": ["x", {"name": "y", "d": 3}]}),
        (("l", "w"), {}, {"l": ["x", {"name": "y", "d": 2}, "w"]}),
        (("l", "w"), {"d": 4}, {"l": ["x", {"name": "y", "d": 2}, {"name": "w", "d": 4}]}),
        (("l",), ["only"], {"l": ["only"]}),
    ],
)
def test_one_value_changes_and_the_comments_stay(
    text: str, path: tuple[str, ...], value: Any, expected: dict[str, Any]
) -> None:
    new = rewritten(text, ("s", "b", *path), value)
    assert new is not None
    before = safe_load(text)["s"]["b"]
    wanted = {**before, **expected}
    assert safe_load(new)["s"]["b"] == {key: v for key, v in wanted.items() if v is not None}
    kept = ("# end", "# last") if path == ("a",) or path[-1] == "x" or path == ("l",) else ("# end", "# one", "# last")
    assert all(comment in new for comment in kept if comment in text)


def test_what_is_not_here_is_not_written_here() -> None:
    assert rewritten(FLOW, ("s", "other", "a"), 1) is None
    with pytest.raises(Unwritable):
        rewritten("s: {b: {a: '${var.x}'}}", ("s", "b", "a"), 1)
    with pytest.raises(Unwritable):
        rewritten("s: {b: {a: &x 1}}", ("s", "b", "a"), 1)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc:-", min_size=1), inner, max_size=3),
        max_leaves=6,
    )
)
def test_a_spelled_value_is_read_as_it_is(value: Any) -> None:
    def escaped(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("${", "$${")
        if isinstance(value, dict):
            return {escaped(key): escaped(inner) for key, inner in value.items()}
        return [escaped(inner) for inner in value] if isinstance(value, list) else value

    assert safe_load(spelled(value)) == escaped(value)
    assert safe_load(f"{{k: {spelled(value)}}}") == {"k": escaped(value)}
