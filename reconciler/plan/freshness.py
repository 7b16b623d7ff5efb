"""Whether a plan still fits what it was made against."""

from __future__ import annotations

from datetime import UTC, datetime

from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan

_AGAIN = "Run plan again."


def require_fresh(plan: Plan, snapshot: Snapshot, configuration_digest: str, workspace: str, now: str) -> None:
    """Raises Refused naming everything that differs (`stale.*`). `now` is ISO 8601, UTC."""
    basis = plan.basis
    found: list[Diagnostic] = []
    if basis.workspace != workspace:
        detail = f"Select it with: reconciler workspace select {basis.workspace}. Or run plan again."
        found.append(
            error("stale.workspace", f"The plan is for the workspace {basis.workspace}, not for {workspace}", detail)
        )
    elif basis.lineage != snapshot.lineage:
        found.append(
            error(
                "stale.lineage",
                "The plan was made against another state: its lineage differs",
                f"The plan's is {basis.lineage or 'that of an empty state'}, "
                f"the state's is {snapshot.lineage or 'not given yet'}. {_AGAIN}",
            )
        )
    elif basis.serial != snapshot.serial:
        found.append(
            error(
                "stale.serial",
                f"The state has changed since the plan was made: its serial was {basis.serial} and is "
                f"{snapshot.serial} now",
                f"Something has been applied in between. {_AGAIN}",
            )
        )
    if basis.configuration != configuration_digest:
        found.append(
            error(
                "stale.configuration",
                "The configuration, or a variable, has changed since the plan was made",
                f"Nothing was applied. {_AGAIN}",
            )
        )
    if moment(now) >= moment(basis.expires):
        found.append(error("stale.expired", f"The plan was good until {basis.expires}, and it is {now}", _AGAIN))
    if found:
        raise Refused(found)


def moment(text: str) -> datetime:
    """The point in time that ISO 8601 text names; without an offset it is UTC."""
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
