"""Nothing is sent without time enough left of the lease for the request to come to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from math import inf

import pytest

from reconciler.apply.event import Outcome
from reconciler.apply.undertaking import Applied
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Holder
from tests.unit.apply.stage import Stage, plan_to_make, server, stage

PATIENCE = 30.0


@dataclass
class Lease:
    """Has `enough` left for so many sends, then `left`."""

    enough: int
    left: float
    fence: int = 1

    @property
    def holder(self) -> Holder:
        return Holder("id", "apply", "me@here", "2026-01-01T00:00:00Z", "1")

    def remaining(self) -> float:
        self.enough -= 1
        return PATIENCE + 1 if self.enough >= 0 else self.left


def apply(scene: Stage, lease: Lease) -> Applied:
    hands = replace(scene.hands, lease=lease, patience=PATIENCE)
    plan = plan_to_make(server("a"), server("b"), server("c"))
    return asyncio.run(scene.apply(plan, Snapshot("l"), hands, 1))


@pytest.mark.parametrize("left", [0.0, PATIENCE])
def test_a_run_that_lost_its_lease_sends_nothing_more_and_records_what_it_did(left: float) -> None:
    scene = stage()
    applied = apply(scene, Lease(1, left))
    assert len(scene.world.objects) == 1
    assert [r.id for r in applied.snapshot.records.values()] == list(scene.world.objects)
    assert applied.diagnostics[0].code == "lock.lost"
    assert sum(diagnostic.code == "lock.lost" for diagnostic in applied.diagnostics) == 1, "it does not try again"
    assert Outcome.SKIPPED in applied.outcomes.values()


def test_a_lease_that_lasts_stops_nothing() -> None:
    scene = stage()
    assert set(apply(scene, Lease(0, inf)).outcomes.values()) == {Outcome.DONE}
    assert len(scene.world.objects) == 3
