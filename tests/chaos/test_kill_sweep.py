"""A few points of the kill sweep, races of two real processes, and a holder that is stopped: small, in every run.

`python -m tests.chaos.kill_sweep --points all` is the whole of it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.kill_sweep import Point, Sweep
from tests.chaos.places import store
from tests.chaos.stage import KINDS, PROGRAM, Sandbox, apply, can_trace, configuration, environment, run, served

POINTS = [
    *(Point("fsync", number) for number in (4, 9)),
    *(Point("sendto", number) for number in (9, 14)),
    Point("write", 20),
    Point("epoll_wait", 30),
    Point("rename", 1),
    Point("link", 1),
]
FAILURES = [
    Point("fsync", 2, "EIO"),
    Point("fsync", 6, "ENOSPC"),
    Point("write", 12, "ENOSPC"),
    Point("rename", 1, "EIO"),
]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found


def require_tracing() -> None:
    if not can_trace():
        assert shutil.which("strace") is not None or not os.environ.get("CI"), "strace is to be installed here"
        pytest.skip("strace is not there, or may not trace: NO KILL POINT WAS TESTED")


@pytest.mark.parametrize("point", [*POINTS, *FAILURES], ids=str)
def test_nothing_is_lost_or_doubled(point: Point, sandbox: Sandbox, tmp_path: Path) -> None:
    require_tracing()
    with store("file") as chosen:
        sweep = Sweep(tmp_path, chosen, 2)
        came_up = sweep.play(point, sandbox)
    assert sweep.tally.complaints == []
    assert came_up, "the program makes fewer such calls than that"
    counts = sweep.tally.counts
    assert (counts["lost"], counts["duplicated"], counts["prompts"]) == (0, 0, 0)


def start(place: Path) -> subprocess.Popen[str]:
    command = [*PROGRAM, "apply", "-auto-approve", "-input=false"]
    return subprocess.Popen(
        command, cwd=place, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture
def place(sandbox: Sandbox, tmp_path: Path) -> Path:
    sandbox.empty()
    (tmp_path / "main.yaml").write_text(configuration(sandbox.url, 3), "utf-8")
    return tmp_path


def require_one_of_each(sandbox: Sandbox, place: Path) -> None:
    assert {kind: len(ids) for kind, ids in sandbox.objects().items()} == dict.fromkeys(KINDS, 3)
    assert run(place, "plan", "-detailed-exitcode").code == 0


def test_of_two_that_race_one_applies_and_the_other_is_told_who(place: Path, sandbox: Sandbox) -> None:
    for _ in range(2):
        racing = [start(place) for _ in range(3)]
        told = [process.communicate(timeout=60)[0] for process in racing]
        codes = sorted(process.returncode for process in racing)
        assert codes[0] == 0 and set(codes) <= {0, 13}, told
        assert all("locked by" in text for process, text in zip(racing, told, strict=True) if process.returncode)
        require_one_of_each(sandbox, place)


def test_a_holder_that_is_stopped_keeps_others_out_and_goes_on(place: Path, sandbox: Sandbox) -> None:
    holder = start(place)
    deadline = time.monotonic() + 30
    while not any(sandbox.objects().values()):
        assert time.monotonic() < deadline and holder.poll() is None
        time.sleep(0.01)
    os.kill(holder.pid, signal.SIGSTOP)
    try:
        other = apply(place)
        # Either it was stopped in the middle of its work, or it had just ended.
        assert other.code in (13, 0), other
    finally:
        os.kill(holder.pid, signal.SIGCONT)
    told, _ = holder.communicate(timeout=60)
    assert holder.returncode == 0, told
    require_one_of_each(sandbox, place)


def test_one_that_dies_leaves_no_lock_and_the_next_makes_it_good(place: Path, sandbox: Sandbox) -> None:
    holder = start(place)
    while not sandbox.objects()["mcp_server"]:
        time.sleep(0.01)
    holder.kill()
    holder.communicate(timeout=10)
    assert apply(place).code == 0
    require_one_of_each(sandbox, place)
