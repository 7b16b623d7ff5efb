"""The lock, between real processes."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.stores.file import FileStore

LOCK = "default.lock"


def refused(store: FileStore, timeout: float = 0) -> Diagnostic:
    with pytest.raises(Refused) as caught, store.lock("plan", timeout):
        pass
    return caught.value.diagnostics[0]


def unlock(directory: Path, lock_id: str) -> Diagnostic:
    with pytest.raises(Refused) as caught:
        FileStore(directory).force_unlock(lock_id)
    return caught.value.diagnostics[0]


@contextmanager
def other_process(directory: Path, work: Callable[[], None] = lambda: time.sleep(60)) -> Iterator[int]:
    """A process that holds the lock and then works; killed with -9 at the end."""
    ready, told = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with FileStore(directory).lock("apply", 0):
                os.write(told, b"!")
                work()
        finally:
            os._exit(1)
    os.close(told)
    os.read(ready, 1)
    os.close(ready)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_another_process_is_kept_out_and_told_who_holds_it(tmp_path: Path) -> None:
    with other_process(tmp_path) as child:
        found = refused(FileStore(tmp_path))
        assert f"process {child}" in found.summary
        assert "apply" in found.summary
        assert re.search(r"held since \d{4}-\d\d-\d\dT[\d:]+Z \(\d+ s\)", found.detail)


def test_a_killed_holder_no_longer_holds(tmp_path: Path) -> None:
    with other_process(tmp_path):
        pass
    assert json.loads((tmp_path / LOCK).read_text("utf-8"))["Operation"] == "apply", "it could not clean up"
    with FileStore(tmp_path).lock("plan", 0) as holder:
        assert holder.holder.operation == "plan"


def test_a_child_that_survives_its_parent_does_not_hold_the_lock(tmp_path: Path) -> None:
    pids: list[int] = []
    ready, told = os.pipe()

    def work() -> None:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], close_fds=False)
        os.write(told, b"%d\n" % child.pid)
        time.sleep(60)

    with other_process(tmp_path, work):
        pids.append(int(os.read(ready, 20)))
    os.close(ready)
    os.close(told)
    try:
        os.kill(pids[0], 0)
        with FileStore(tmp_path).lock("plan", 0):
            pass
    finally:
        os.kill(pids[0], signal.SIGKILL)


def test_waiting_for_the_lock_ends_when_it_is_free(tmp_path: Path) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with FileStore(tmp_path).lock("apply", 0):
            entered.set()
            leave.wait(5)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(5)
    threading.Timer(0.15, leave.set).start()
    with FileStore(tmp_path).lock("plan", 5) as mine:
        assert mine.holder.operation == "plan"
    holder.join()


def test_waiting_for_the_lock_ends_with_the_patience(tmp_path: Path) -> None:
    with FileStore(tmp_path).lock("apply", 0):
        start = time.monotonic()
        assert refused(FileStore(tmp_path), 0.3).code == "lock.held"
        assert 0.3 <= time.monotonic() - start < 3


def test_a_lock_file_that_was_put_in_the_place_of_another_is_not_enough(tmp_path: Path) -> None:
    """Whoever locks a file that no longer has the name must not believe that he holds the lock."""
    store = FileStore(tmp_path)
    with store.lock("apply", 0):
        (tmp_path / LOCK).unlink()
        with FileStore(tmp_path).lock("plan", 0):
            assert refused(FileStore(tmp_path)).code == "lock.held"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
def test_a_holder_that_has_not_said_who_it_is_is_another_run(tmp_path: Path, content: bytes) -> None:
    with FileStore(tmp_path).lock("apply", 0):
        (tmp_path / LOCK).write_bytes(content)
        assert "another run" in refused(FileStore(tmp_path)).summary


def test_the_file_stays_and_tells_nothing_when_the_lock_is_given_back(tmp_path: Path) -> None:
    with FileStore(tmp_path).lock("apply", 0):
        inode = (tmp_path / LOCK).stat().st_ino
    assert json.loads((tmp_path / LOCK).read_bytes()) == {"Fence": 1}
    with FileStore(tmp_path).lock("apply", 0):
        assert (tmp_path / LOCK).stat().st_ino == inode


def test_forcing_an_unlock_never_pretends(tmp_path: Path) -> None:
    assert unlock(tmp_path, "any").code == "lock.not-held"
    assert list(tmp_path.iterdir()) == [], "looking leaves nothing behind"
    with other_process(tmp_path) as child:
        held = json.loads((tmp_path / LOCK).read_text("utf-8"))["ID"]
        assert unlock(tmp_path, "any").code == "lock.other"
        alive = unlock(tmp_path, held)
        assert alive.code == "lock.alive"
        assert f"kill {child}" in alive.detail
        assert refused(FileStore(tmp_path)).code == "lock.held", "it is still locked"
    assert unlock(tmp_path, held).code == "lock.not-held"
    with FileStore(tmp_path).lock("plan", 0):
        pass


def test_a_lock_on_a_file_that_lost_its_name_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = fcntl.flock, []

    def flock(descriptor: int, operation: int) -> None:
        real(descriptor, operation)
        calls.append(descriptor)
        if len(calls) == 1:
            (tmp_path / LOCK).unlink()

    monkeypatch.setattr(fcntl, "flock", flock)
    with FileStore(tmp_path).lock("apply", 5) as lease:
        assert json.loads((tmp_path / LOCK).read_text("utf-8"))["ID"] == lease.holder.id
    assert len(calls) == 2
