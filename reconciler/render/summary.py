"""How many resources a plan or an apply touches, counted and worded as Terraform does."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconciler.plan.change import Action, Change


@dataclass(frozen=True, slots=True)
class Counts:
    add: int = 0
    change: int = 0
    destroy: int = 0
    imported: int = 0
    forget: int = 0

    @property
    def is_empty(self) -> bool:
        """Nothing that touches the live system or what we remember of it, renamings apart."""
        return not (self.add or self.change or self.destroy or self.imported or self.forget)


def count(changes: Iterable[Change]) -> Counts:
    """A replacement adds one and destroys one; an adoption that also changes something counts as both."""
    listed = list(changes)
    actions = [change.action for change in listed]
    replaced = actions.count(Action.REPLACE)
    return Counts(
        add=actions.count(Action.CREATE) + replaced,
        change=actions.count(Action.UPDATE),
        destroy=actions.count(Action.DELETE) + replaced,
        imported=sum(c.action is Action.ADOPT or c.importing is not None for c in listed),
        forget=actions.count(Action.FORGET),
    )


def planned(counts: Counts) -> str:
    """`Plan: 1 to add, 0 to change, 0 to destroy.`, with imports in front and what is forgotten behind."""
    imported = f"{counts.imported} to import, " if counts.imported else ""
    forgotten = f", {counts.forget} to forget" if counts.forget else ""
    return f"Plan: {imported}{counts.add} to add, {counts.change} to change, {counts.destroy} to destroy{forgotten}."


def done(counts: Counts, operation: str) -> str:
    """`Apply complete! Resources: 1 added, 0 changed, 0 destroyed.`; a destroy speaks of destroying only."""
    if operation == "destroy":
        return f"Destroy complete! Resources: {counts.destroy} destroyed."
    return f"Apply complete! Resources: {numbers(counts)}."


def numbers(counts: Counts) -> str:
    imported = f"{counts.imported} imported, " if counts.imported else ""
    forgotten = f", {counts.forget} forgotten" if counts.forget else ""
    return f"{imported}{counts.add} added, {counts.change} changed, {counts.destroy} destroyed{forgotten}"
