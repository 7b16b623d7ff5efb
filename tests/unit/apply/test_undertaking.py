"""The rules of an apply under way, driven by hand: no task, no clock, no network."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.apply.edit import Put
from reconciler.apply.event import Failed, Finished, Outcome, Skipped
from reconciler.apply.task import StepResult
from reconciler.apply.undertaking import FINAL, Means, Undertaking, broken_off, cut_off
from reconciler.model.diagnostic import Refused, error, warning
from reconciler.model.resource import Resource
from reconciler.plan.step import Step
from tests.unit.apply.stage import FakeProvider, plan_of, plan_to_make, recorded, row, server, snapshot_of

REFUSED = StepResult(diagnostics=(error("okta.refused", "no"),))


def undertaking(*resources: Resource, parallelism: int = 10) -> Undertaking:
    return Undertaking(plan_to_make(*resources), snapshot_of(), Means(FakeProvider(), None, parallelism), "a-run")


def begun(work: Undertaking) -> Step | None:
    """The next step; its conversation is left alone."""
    found = work.begin()
    if found is None:
        return None
    found[1].close()
    return found[0]


def all_begun(work: Undertaking) -> list[Step]:
    return list(iter(lambda: begun(work), None))


def test_as_many_steps_begin_as_may_be_under_way_and_another_for_each_that_ends() -> None:
    work = undertaking(*(server(name) for name in "abcde"), parallelism=2)
    first, second = all_begun(work)
    assert [step.id for step in (first, second)] == ["create mcp_server.a", "create mcp_server.b"]
    work.end(first, StepResult())
    assert [step.id for step in all_begun(work)] == ["register mcp_server.a"]


def test_a_failed_step_keeps_what_it_changed_and_ends_what_waits_for_it() -> None:
    work = undertaking(server("a"), row("a", "x"), server("b"))
    a, b = all_begun(work)
    failed, *skipped = work.end(a, StepResult((Put(recorded(server("a"))),), diagnostics=REFUSED.diagnostics), 2.0)
    assert isinstance(failed, Failed) and failed.elapsed == 2.0
    assert {(e.step.id.partition(" ")[2], e.because) for e in skipped if isinstance(e, Skipped)} == {
        ("mcp_server.a", "mcp_server.a"),
        ("mcp_server.a/authorization_server.x", "mcp_server.a"),
    }
    assert isinstance(work.end(b, StepResult())[0], Finished)
    assert [step.id for step in all_begun(work)] == ["register mcp_server.b"]
    assert list(work.applied().snapshot.records) == ["mcp_server.a"]


def test_what_is_only_a_warning_fails_nothing() -> None:
    work = undertaking(server("a"))
    [step] = all_begun(work)
    [event] = work.end(step, StepResult(diagnostics=(warning("registration.orphan", "still there"),)))
    assert isinstance(event, Finished)
    assert [step.id for step in all_begun(work)] == ["register mcp_server.a"]


@pytest.mark.parametrize("code", sorted(FINAL))
def test_where_nothing_can_be_accounted_for_any_more_nothing_begins(code: str) -> None:
    work = undertaking(server("a"), server("b"), parallelism=1)
    work.end(all_begun(work)[0], StepResult(diagnostics=(error(code, "lost"),)))
    assert begun(work) is None
    assert {event.step.id for event in work.give_up_rest()} == {f"{op} mcp_server.b" for op in OPS}
    assert len(work.applied().outcomes) == 6


OPS = ("create", "register", "activate")


def test_after_a_stop_what_is_under_way_ends_and_nothing_begins() -> None:
    work = undertaking(server("a"), server("b"), parallelism=1)
    [step] = all_begun(work)
    work.stop()
    work.end(step, StepResult())
    assert begun(work) is None
    work.give_up_rest()
    applied = work.applied(was_interrupted=True)
    assert applied.interrupted
    assert applied.outcomes[step.id] is Outcome.DONE
    assert [d.code for d in applied.diagnostics] == ["apply.partial"]
    assert "interrupted: 1 of 6 steps are done, 0 failed, 5 were not started" in applied.diagnostics[0].summary


def test_an_interrupt_after_the_end_interrupted_nothing() -> None:
    work = undertaking()
    assert not work.applied(was_interrupted=True).interrupted


@pytest.mark.parametrize(
    ("kind", "op", "in_doubt"),
    [("lost", "create", True), ("done", "create", False), ("lost", "update", False), ("intent", "create", False)],
)
def test_an_entry_says_of_which_run_and_snapshot_it_is_and_a_lost_creation_is_noticed(
    kind: str, op: str, in_doubt: bool
) -> None:
    work = undertaking(server("a"))
    told: dict[str, Any] = {"kind": kind, "op": op, "address": "mcp_server.a"}
    assert work.entry(told, {"at": "now"}) == {**told, "run_id": "a-run", "serial": 3, "at": "now"}
    assert work.applied().was_in_doubt is in_doubt


def test_a_step_that_is_cut_off_is_not_the_reason_why_others_are_not_begun() -> None:
    work = undertaking(server("a"))
    [step] = all_begun(work)
    _, *skipped = work.end(step, cut_off(step))
    assert {event.because for event in skipped if isinstance(event, Skipped)} == {None}
    assert work.applied().diagnostics[0].code == "apply.interrupted"


def test_an_error_of_the_program_is_told_by_its_place_and_quotes_nothing() -> None:
    [step] = all_begun(undertaking(server("a")))
    try:
        raise KeyError("s3cr3t")
    except KeyError as failure:
        [problem] = broken_off(step, failure).diagnostics
    assert "KeyError at " in problem.summary and "test_undertaking.py" in problem.summary
    assert "s3cr3t" not in repr(problem)


def test_steps_that_no_plan_of_ours_has_are_refused_at_once() -> None:
    step = Step("create a", "create", server("a").address, "mcp_server", waits=("nobody",))  # type: ignore[arg-type]
    with pytest.raises(Refused, match="nobody"):
        Undertaking(plan_of([step]), snapshot_of(), Means(FakeProvider()), "a-run")
