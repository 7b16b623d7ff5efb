"""An apply with its journal and its snapshot in files: what one run leaves, the next one accounts for."""

from __future__ import annotations

import asyncio
import errno
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.drive import GroupCommit
from reconciler.apply.interrupts import Interrupts
from reconciler.apply.recovery import Recovered, recover
from reconciler.apply.undertaking import Applied
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Answer, Call, Leave
from reconciler.stores.file import FileStore
from tests.unit.apply.stage import SECRET, Stage, plan_to_make, registration, row, server, stage

RESOURCES = [server("a"), row("a", "x"), registration("a", "c"), server("b"), server("c")]


def run(scene: Stage, directory: Path, transport: Any = None, presses: Interrupts | None = None) -> Applied:
    store = FileStore(directory)
    hands = replace(scene.hands, journal=GroupCommit(store.append), transport=transport or scene.world)
    with store.lock("apply", 0):
        store.tail()
        start = store.read() or Snapshot("lineage")
        applied = asyncio.run(scene.apply(plan_to_make(*RESOURCES), start, hands, 4, presses))
        store.write(replace(applied.snapshot, serial=start.serial + 1))
        store.settle()
    return applied


def recovered(scene: Stage, directory: Path) -> Recovered:
    store = FileStore(directory)
    return recover(store.read() or Snapshot("lineage"), store.tail(), tuple(scene.world.objects.values()))


def test_a_whole_run_leaves_a_state_and_an_empty_journal(tmp_path: Path) -> None:
    scene = stage(settle=0.5)
    applied = run(scene, tmp_path)
    assert FileStore(tmp_path).read() == replace(applied.snapshot, serial=1)
    assert (tmp_path / "default.journal").read_bytes() == b""
    assert {r.id for r in applied.snapshot.records.values()} == set(scene.world.objects)
    assert all(SECRET.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_what_was_cut_off_in_flight_is_found_by_the_next_run(tmp_path: Path) -> None:
    scene, presses = stage(), Interrupts()

    class Slow:
        async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
            answer = await scene.world.exchange(call, leave)
            if len(scene.world.objects) == 3:
                presses.press()
                presses.press()
                await asyncio.sleep(3600)
            return answer

        async def close(self) -> None:
            return None

    applied = run(scene, tmp_path, Slow(), presses)
    assert applied.interrupted
    assert len(applied.snapshot.records) < len(scene.world.objects)
    found = recovered(scene, tmp_path)
    assert {r.id for r in found.snapshot.records.values()} == set(scene.world.objects)
    assert {note.code for note in found.notes} <= {"recovery.adopted", "recovery.not-made"}


def test_a_run_that_died_before_it_wrote_its_state_is_recovered(tmp_path: Path) -> None:
    scene = stage()
    store = FileStore(tmp_path)
    hands = replace(scene.hands, journal=GroupCommit(store.append))
    applied = asyncio.run(scene.apply(plan_to_make(*RESOURCES), Snapshot("lineage"), hands))
    found = recovered(scene, tmp_path)
    assert found.snapshot.records == applied.snapshot.records
    assert found.notes == ()


def test_a_disk_that_fills_up_stops_the_run_and_loses_nothing(tmp_path: Path) -> None:
    for room in range(1, 12):
        scene, directory = stage(), tmp_path / str(room)
        left, real = [room], os.write
        store = FileStore(directory)

        def write(descriptor: int, data: Any, left: list[int] = left, real: Any = real) -> int:
            left[0] -= 1
            if left[0] < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return int(real(descriptor, data))

        hands = replace(scene.hands, journal=GroupCommit(store.append))
        with pytest.MonkeyPatch.context() as monkeypatch:
            monkeypatch.setattr(os, "write", write)
            applied = asyncio.run(scene.apply(plan_to_make(*RESOURCES), Snapshot("lineage"), hands, 1))
        if left[0] >= 0:
            break
        assert "state.unwritable" in {d.code for d in applied.diagnostics}
        assert {r.id for r in applied.snapshot.records.values()} == set(scene.world.objects)
        found = recovered(scene, directory)
        assert {r.id for r in found.snapshot.records.values()} == set(scene.world.objects)
