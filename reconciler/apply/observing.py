"""Observing what is recorded: by bulk lists, and one by one where a list doesn't show it.

Lists lag behind. A plan made right after an apply would take what the apply made for deleted, and make it again.
"""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.kinds import kinds
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Conversation, Provider, Remote, Target, Together

OBSERVING = "Observing {live}"
"""What people are told if it takes its time."""


def observe(snapshot: Snapshot, provider: Provider) -> Conversation[tuple[Observed, ...]]:
    """Every object of every kind; one that is recorded is only missing if nothing is found under its id either."""
    listed = yield from provider.observe(frozenset(kinds()))
    shown = {(one.kind, one.parent_id, one.id) for one in listed}
    unlisted = [target for spot, target in _targets(snapshot) if spot not in shown]
    if not unlisted:
        return listed
    looked: tuple[Observed | None, ...] = yield Together([provider.look(target) for target in unlisted])
    return (*listed, *(one for one in looked if one is not None))


def _targets(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str | None, str], Target]]:
    records = snapshot.records
    for record in records.values():
        parent = records.get(record.address.parent) if record.address.parent else None
        refs = {role: Remote(records[to].id, records[to].handle) for role, to in record.refs.items() if to in records}
        if len(refs) == len(record.refs):
            remote = Remote(record.id, record.handle)
            target = Target(record.address, record.kind, record.attributes, remote, refs, record.discovered)
            yield (record.kind, parent.id if parent else None, record.id), target
