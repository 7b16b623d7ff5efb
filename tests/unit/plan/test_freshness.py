from __future__ import annotations

from dataclasses import replace

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.plan.freshness import require_fresh
from tests.unit.plan.stage import configured, planned

SNAPSHOT = Snapshot("lineage", 7)
LATER = "2026-01-01T12:00:00+00:00"


def plan() -> Plan:
    return planned(configured(), SNAPSHOT)


def test_a_plan_is_fresh_against_what_it_was_made_from() -> None:
    require_fresh(plan(), SNAPSHOT, configured().digest, "default", LATER)


@pytest.mark.parametrize(
    ("snapshot", "digest", "workspace", "now", "expected"),
    [
        (Snapshot("other", 7), None, "default", LATER, ["stale.lineage"]),
        (Snapshot("lineage", 8), None, "default", LATER, ["stale.serial"]),
        (SNAPSHOT, "0" * 64, "default", LATER, ["stale.configuration"]),
        (SNAPSHOT, None, "prod", LATER, ["stale.workspace"]),
        (SNAPSHOT, None, "default", "2026-01-02T00:00:00Z", ["stale.expired"]),
        (Snapshot("lineage", 9), "0" * 64, "default", "2027-01-01T00:00:00Z", ["serial", "configuration", "expired"]),
    ],
)
def test_everything_that_differs_is_named(
    snapshot: Snapshot, digest: str | None, workspace: str, now: str, expected: list[str]
) -> None:
    with pytest.raises(Refused) as caught:
        require_fresh(plan(), snapshot, digest or configured().digest, workspace, now)
    assert [d.code for d in caught.value.diagnostics] == [f"stale.{name.removeprefix('stale.')}" for name in expected]
    assert all(d.detail for d in caught.value.diagnostics)


def test_the_first_plan_of_all_is_made_against_a_state_without_a_lineage() -> None:
    first = planned(configured(), Snapshot(""))
    require_fresh(first, Snapshot(""), configured().digest, "default", LATER)
    with pytest.raises(Refused):
        require_fresh(first, Snapshot("born", 1), configured().digest, "default", LATER)


def test_times_without_an_offset_are_utc() -> None:
    made = plan()
    made = replace(made, basis=replace(made.basis, expires="2026-01-02T00:00:00"))
    require_fresh(made, SNAPSHOT, configured().digest, "default", "2026-01-01T23:59:59Z")
