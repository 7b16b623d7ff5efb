"""Another run, in a process of its own: `python -m tests.conformance.other_run DIRECTORY SETTINGS count|hold`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from reconciler.config.settings import StateSettings
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Store
from reconciler.stores.opening import Shelf
from tests.conformance.store_laws import intent, snapshot


def shelf(directory: Path, settings: dict[str, Any]) -> Shelf:
    return Shelf(StateSettings.model_validate(settings), directory, lambda reference: Secret(reference["env"]))


def count(store: Store) -> None:
    for _ in range(4):
        with store.lock("apply", 120):
            held = store.read()
            assert held is not None
            store.write(Snapshot("lineage", held.serial + 1, held.records))


def hold(store: Store) -> None:
    """Holds the lock, is told to go on by a line, and says what became of its writes."""
    with store.lock("apply", 0) as lease:
        store.read()
        print(lease.holder.id, flush=True)
        sys.stdin.readline()
        print(attempt(lambda: store.append([intent("stale")])), flush=True)
        print(attempt(lambda: store.write(snapshot(2, "stale"))), flush=True)
        sys.stdin.readline()
        print(lease.remaining(), flush=True)


def attempt(call: Callable[[], None]) -> str:
    try:
        call()
    except Refused as refused:
        return refused.diagnostics[0].code
    return "done"


if __name__ == "__main__":
    with closing(shelf(Path(sys.argv[1]), json.loads(sys.argv[2])).open("default")) as opened:
        {"count": count, "hold": hold}[sys.argv[3]](opened)
