"""The difference in meaning of two configurations: the plan from the one, taken to be applied, to the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.config.configuration import Configuration
from reconciler.diff import ABSENT
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, warning
from reconciler.model.resource import Observed, Record, Resource
from reconciler.model.snapshot import Snapshot
from reconciler.plan.change import Action
from reconciler.plan.document import Plan
from reconciler.plan.planner import Facts, Options, make_plan

LINEAGE = "comparison"
"""No workspace has this lineage, and the plan expired long ago: it can be shown, and never be applied."""
_NEVER = "1970-01-01T00:00:00Z"


def compare(base: Configuration | None, head: Configuration, tool: str, options: Options) -> Plan:
    """The plan that would lead from `base` (None: nothing at all) to `head`, the same for the same two, always.

    Objects to be imported are taken to be as `head` has them. Without a change but of names, the plan is empty.
    """
    imports = {wanted.target: wanted.id for wanted in head.imports}
    resources = base.resources if base else {}
    records = {a: _record(resource, imports.get(a, str(a))) for a, resource in resources.items()}
    facts = Facts(
        configuration=head,
        snapshot=Snapshot(LINEAGE, records=records),
        observed=(*_observed(records.values(), records), *_imported(head, records)),
        workspace="",
        now=_NEVER,
        tool=tool,
        provider="",
    )
    made = make_plan(facts, options)
    told = (*made.diagnostics, *_new_warnings(base, head), *_settings(base, head))
    if any(change.action not in (Action.NONE, Action.MOVE) for change in made.changes):
        return replace(made, diagnostics=told)
    unmoved = tuple(replace(change, action=Action.NONE, moved_from=None) for change in made.changes)
    return replace(made, changes=unmoved, steps=(), desired={}, diagnostics=told)


def is_empty(plan: Plan) -> bool:
    """Whether the two configurations mean the same."""
    return not plan.diagnostics and all(change.action is Action.NONE for change in plan.changes)


def _record(resource: Resource, remote_id: str) -> Record:
    return Record(
        address=resource.address,
        kind=resource.kind,
        id=remote_id,
        attributes=resource.attributes,
        status=resource.status,
        needs=resource.needs,
        refs=resource.refs,
        protect=resource.protect,
        discovered=resource.discovered,
    )


def _observed(these: Iterable[Record], records: Mapping[Address, Record]) -> Iterator[Observed]:
    for record in these:
        parent = records.get(record.address.parent) if record.address.parent else None
        links = {role: records[to].id for role, to in record.refs.items() if to in records}
        parent_id = parent.id if parent else None
        yield Observed(record.kind, record.id, record.attributes, record.status, parent_id, links=links)


def _imported(head: Configuration, records: Mapping[Address, Record]) -> Iterator[Observed]:
    """What the import blocks of `head` name, as if it had been looked at. Moved resources are recorded already."""
    known = {*records, *(move.target for move in head.moved if move.source in records)}
    new = {
        wanted.target: _record(head.resources[wanted.target], wanted.id)
        for wanted in head.imports
        if wanted.target not in known and wanted.target in head.resources
    }
    return _observed(new.values(), {**records, **new})


def _new_warnings(base: Configuration | None, head: Configuration) -> Iterator[Diagnostic]:
    before = {(told.code, told.summary) for told in base.warnings} if base else set()
    return (told for told in head.warnings if (told.code, told.summary) not in before)


def _settings(base: Configuration | None, head: Configuration) -> Iterator[Diagnostic]:
    """Settings are nothing that is planned, but where a plan goes and what stops it hangs on them."""
    if base is None:
        return
    before, after = (dict(_leaves((), c.settings.model_dump(mode="json", exclude_none=True))) for c in (base, head))
    for path in sorted({*before, *after}):
        was, will = before.get(path, ABSENT), after.get(path, ABSENT)
        if was != will:
            yield warning(
                "diff.settings",
                f"The setting {'.'.join(path)} changes from {_worded(was)} to {_worded(will)}",
                "It takes effect with the next plan.",
            )


def _leaves(path: tuple[str, ...], value: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves((*path, str(key)), inner)
    else:
        yield path, value


def _worded(value: Any) -> str:
    return "its default" if value is ABSENT else json.dumps(value, ensure_ascii=False)
