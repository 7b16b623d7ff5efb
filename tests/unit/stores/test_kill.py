"""kill -9 of a real process at every change of the disk, and at any moment: nothing acknowledged is lost."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from reconciler.apply.recovery import recover
from reconciler.model.snapshot import Snapshot
from reconciler.stores.file import FileStore
from tests.conformance.store_laws import done, intent, record, snapshot

CALLS = ("open", "write", "fsync", "ftruncate", "link", "replace")
NAMES = [f"s{n}" for n in range(4)]


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process goes on")


def in_child(work: Callable[[], None]) -> NoReturn:
    """Whatever happens, this process doesn't go on with the tests."""
    try:
        work()
    except BaseException:
        os._exit(1)
    os._exit(0)


def run_until_killed(directory: Path, acknowledge: Callable[[str], None]) -> None:
    """A run that makes four things, one after the other, and writes the snapshot after every second."""
    store = FileStore(directory)
    with store.lock("apply", 0):
        store.tail()
        held = store.read() or Snapshot("lineage")
        for number, name in enumerate(NAMES):
            store.append([intent(name, held.serial)])
            acknowledge(f"intent {name}\n")
            store.append([done(name, held.serial)])
            acknowledge(f"done {name}\n")
            held = held.with_record(record(name))
            if number % 2:
                held = Snapshot("lineage", held.serial + 1, held.records)
                store.write(held)
                store.settle()


def killed_at(directory: Path, point: int) -> tuple[list[str], bool]:
    """What the run acknowledged before it was killed at that call, and whether it was (or came to its end)."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        left = [point]
        real = {name: getattr(os, name) for name in CALLS}

        def counted(name: str) -> Callable[..., Any]:
            def call(*arguments: Any, **named: Any) -> Any:
                left[0] -= 1
                if left[0] == 0:
                    if name == "write" and len(arguments[1]) > 1:
                        real["write"](arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                    die()
                return real[name](*arguments, **named)

            return call

        for name in CALLS:
            setattr(os, name, counted(name))
        in_child(lambda: run_until_killed(directory, lambda word: real["write"](writing, word.encode()) and None))
    os.close(writing)
    told = b""
    while chunk := os.read(reading, 65_536):
        told += chunk
    os.close(reading)
    _, status = os.waitpid(child, 0)
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0
    return told.decode().splitlines(), os.WIFSIGNALED(status)


def require_nothing_lost(directory: Path, acknowledged: list[str]) -> None:
    store = FileStore(directory)
    with store.lock("plan", 0):
        held = store.read() or Snapshot("lineage")
        entries = store.tail()
        found = recover(held, entries, []).snapshot
        for word in acknowledged:
            kind, name = word.split()
            address = record(name).address
            known = {entry["address"] for entry in entries} | set(held.records)
            assert address in (found.records if kind == "done" else known), f"{word} was acknowledged and is lost"
        store.write(Snapshot("lineage", held.serial + 1, found.records))
        store.settle()
    assert FileStore(directory).read() == Snapshot("lineage", held.serial + 1, found.records)
    assert list(FileStore(directory).tail()) == []


def test_killed_at_every_change_of_the_disk(tmp_path: Path) -> None:
    points = 0
    for point in range(1, 500):
        directory = tmp_path / str(point)
        acknowledged, was_killed = killed_at(directory, point)
        if not was_killed:
            break
        points += 1
        require_nothing_lost(directory, acknowledged)
    assert points >= 40
    assert len(acknowledged) == 2 * len(NAMES)


def test_killed_again_and_again_at_any_moment(tmp_path: Path) -> None:
    """The same workspace, a dozen lives."""
    chance = random.Random(7)
    serial = 0

    def live() -> None:
        store = FileStore(tmp_path)
        store.tail()
        held = store.read() or Snapshot("lineage")
        while True:
            held = snapshot(held.serial + 1, *chance.sample("abcdefgh", 3))
            store.append([intent("a", held.serial - 1), done("a", held.serial - 1)])
            store.write(held)
            store.settle()

    lives = 0
    while lives < 12 or (not serial and lives < 60):
        child = os.fork()
        if child == 0:
            in_child(live)
        # On a machine that has much to do, a life that is too short to write anything is followed by longer ones.
        time.sleep(chance.uniform(0.01, 0.08) * (1 if serial else 1 + lives / 4))
        lives += 1
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "it died of itself"
        found = FileStore(tmp_path).read()
        assert found is None or found.serial >= serial
        serial = found.serial if found else 0
    assert serial > 0


def test_two_processes_never_hold_the_lock_together(tmp_path: Path) -> None:
    FileStore(tmp_path).write(snapshot(1))

    def count() -> None:
        for _ in range(5):
            store = FileStore(tmp_path)
            with store.lock("apply", 30):
                held = store.read()
                assert held is not None
                store.write(Snapshot("lineage", held.serial + 1, held.records))

    children = []
    for _ in range(3):
        child = os.fork()
        if child == 0:
            in_child(count)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
    found = FileStore(tmp_path).read()
    assert found is not None
    assert found.serial == 16, "every write counted once"
