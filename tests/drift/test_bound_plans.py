"""A saved plan does what was approved, or less; where it would have to do anything else it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.drift.metamorphic import Injection, injections
from tests.drift.stage import CONFIGURATION, Applied, run, sandbox, write
from tests.drift.test_drift import drift, named

STALE = 14


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    yield Applied(tmp_path_factory.mktemp("bound"))


def saved(directory: Path, text: str, *arguments: str) -> None:
    write(directory, text)
    code, said = run(directory, "plan", "-out=p.json", *arguments)
    assert code == 0, said


RENAMED = CONFIGURATION.replace("display_name: Todo, description: The list", "display_name: Do, description: Anew")


def test_what_is_not_touched_by_the_plan_may_change(tmp_path: Path) -> None:
    applied = Applied(tmp_path)
    with applied.fresh():
        pass
    saved(tmp_path, RENAMED)
    with sandbox(tmp_path) as org:
        org.edit(named(org, "mcp_server", displayName="Hub"), displayName="Theirs")
    code, said = run(tmp_path, "apply", "p.json")
    assert code == 0, said
    assert drift(tmp_path)[1]["summary"]["drift"] == 1


def test_what_others_did_meanwhile_is_not_done_again(tmp_path: Path) -> None:
    applied = Applied(tmp_path)
    with applied.fresh():
        pass
    saved(tmp_path, RENAMED.replace("status: inactive}\n  calendar", "status: active}\n  calendar"))
    with sandbox(tmp_path) as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Do", description="Anew")
    code, said = run(tmp_path, "apply", "p.json")
    assert code == 0, said
    assert "1 step has become unnecessary since the plan was made: update mcp_server.todo" in said
    assert run(tmp_path, "plan", "-detailed-exitcode")[0] == 0


def test_a_plan_that_has_become_unnecessary_does_nothing(tmp_path: Path) -> None:
    applied = Applied(tmp_path)
    with applied.fresh():
        pass
    saved(tmp_path, RENAMED)
    with sandbox(tmp_path) as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Do", description="Anew")
        before = org.objects()
    code, said = run(tmp_path, "apply", "p.json")
    assert code == 0, said
    assert "Resources: 0 added, 0 changed, 0 destroyed." in said
    with sandbox(tmp_path) as org:
        assert org.objects() == before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"status": "INACTIVE"}, "one more step"),
        ({"status": "INVALID"}, "one more step"),
        ({"resourceUrl": "https://elsewhere.example.com"}, "mcp_server.todo"),
    ],
)
def test_a_plan_that_would_need_another_step_is_refused(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    applied = Applied(tmp_path)
    with applied.fresh():
        pass
    saved(tmp_path, RENAMED)
    with sandbox(tmp_path) as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), **change)
        before = org.objects()
    code, said = run(tmp_path, "apply", "p.json")
    assert code == STALE, said
    assert "The live system has changed since the plan was made" in said
    assert told in said
    with sandbox(tmp_path) as org:
        assert org.objects() == before


def test_what_somebody_else_made_first_is_not_made_a_second_time(tmp_path: Path) -> None:
    applied = Applied(tmp_path)
    with applied.fresh():
        pass
    text = CONFIGURATION.replace("  spare:", "  fresh: {type: okta, audiences: [x], scopes: [use]}\n  spare:")
    saved(tmp_path, text)
    with sandbox(tmp_path) as org:
        org.call("POST", "/api/v1/authorizationServers", {"name": "fresh", "audiences": ["x"]})
    code, said = run(tmp_path, "apply", "p.json")
    assert code == STALE, said
    assert "authorization_server.fresh exists already" in said


def test_a_plan_of_one_resource_is_bound_to_that(tmp_path: Path) -> None:
    applied = Applied(tmp_path)
    with applied.fresh():
        pass
    text = RENAMED.replace("display_name: Hub", "display_name: Center")
    saved(tmp_path, text, "-target=mcp_server.hub")
    assert run(tmp_path, "apply", "p.json")[0] == 0
    with sandbox(tmp_path) as org:
        assert named(org, "mcp_server", displayName="Center")
        assert named(org, "mcp_server", displayName="Todo")


def test_replacing_and_destroying_are_bound_too(tmp_path: Path) -> None:
    applied = Applied(tmp_path)
    with applied.fresh():
        pass
    saved(tmp_path, CONFIGURATION, "-replace=mcp_server.hub/client_registration.hub-app")
    code, said = run(tmp_path, "apply", "p.json")
    assert code == 0, said
    saved(tmp_path, CONFIGURATION, "-destroy")
    with sandbox(tmp_path) as org:
        org.delete(named(org, "client_auth_settings", name="hub-app"))
    code, said = run(tmp_path, "apply", "p.json")
    assert code == 0, said
    assert "unnecessary" in said
    with sandbox(tmp_path) as org:
        assert not any(org.objects().values())


@pytest.fixture(scope="module")
def edits(applied: Applied) -> list[Injection]:
    with applied.fresh() as org:
        return list(injections(applied, org))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_after_a_saved_plan_was_applied_it_is_as_desired_or_nothing_was_done(
    tmp_path_factory: pytest.TempPathFactory, applied: Applied, edits: list[Injection], data: st.DataObject
) -> None:
    edit = data.draw(st.sampled_from(range(len(edits))))
    directory = applied.directory
    with applied.fresh():
        pass
    kept = {path: path.read_bytes() for path in (directory / "state").glob("default.j*")}
    saved(directory, RENAMED)
    with sandbox(directory) as org:
        edits[edit].edit(org)
        before = org.objects()
    code, said = run(directory, "apply", "p.json")
    with sandbox(directory) as org:
        after = org.objects()
    for path, data_ in kept.items():
        path.write_bytes(data_)
    assert code in (0, STALE), said
    if code == STALE:
        assert after == before
    else:
        described = [server.get("description") for server in after["mcp_server"]]
        assert "Anew" in described
