"""A few points of the kill sweep and a few races on every store, and a holder that is stopped: small, in every run.

`python -m tests.chaos.kill_sweep` and `python -m tests.chaos.races` are the whole of it.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.chaos.aftermath import APPLY, HELD, Aftermath, Project, Tally
from tests.chaos.forked import Forks, forks
from tests.chaos.kill_sweep import FAILURES, KILLS, Agenda, Sweep, work
from tests.chaos.places import KINDS as STORES
from tests.chaos.places import Store, store
from tests.chaos.races import Races
from tests.chaos.shim import How, Report, Strike, build
from tests.chaos.stage import ROOT, Sandbox, run

SORTS = (*KILLS.values(), *FAILURES)
SERVERS, TIMEOUT = 2, 2


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forks]:
    with forks(tmp_path_factory.mktemp("forks")) as found:
        yield found


@pytest.fixture(scope="module")
def sandbox(loaded: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with loaded.served(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture(scope="module")
def files() -> Iterator[Store]:
    with store("file") as found:
        yield found


@pytest.fixture
def aftermath(loaded: Forks, files: Store, tmp_path: Path) -> Aftermath:
    return Aftermath(tmp_path, loaded, files, SERVERS, timeout=TIMEOUT)


@pytest.fixture
def project(aftermath: Aftermath, sandbox: Sandbox) -> Project:
    return aftermath.project(sandbox)


def require_nothing_wrong(tally: Tally) -> None:
    assert tally.complaints == []
    assert (tally.counts["lost"], tally.counts["duplicated"], tally.counts["prompts"]) == (0, 0, 0)


def test_nothing_is_lost_or_doubled(loaded: Forks, files: Store, tmp_path: Path) -> None:
    sweep = Sweep(tmp_path, loaded, files, SERVERS, timeout=TIMEOUT)
    with ExitStack() as stack:
        sandboxes = [stack.enter_context(loaded.served(tmp_path)) for _ in range(4)]
        agenda = Agenda([(sort, sweep.count(sandboxes[0], sort).total) for sort in SORTS], 2)
        pool = stack.enter_context(ThreadPoolExecutor(len(sandboxes)))
        list(pool.map(lambda one: work(sweep, agenda, one), sandboxes))
    require_nothing_wrong(sweep.tally)
    assert sweep.tally.counts["points"] >= 2 * len(SORTS) - 1


@pytest.fixture(scope="module")
def played(loaded: Forks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Tally]]]:
    """What came of kills and races on each store: all of them at once, for most of it is waiting for leases."""
    with ThreadPoolExecutor(len(STORES)) as pool:
        place = tmp_path_factory.mktemp("played")
        yield {kind: pool.submit(play, kind, loaded, place / kind) for kind in STORES}


def play(kind: str, loaded: Forks, place: Path) -> Tally:
    place.mkdir()
    with store(kind) as chosen, loaded.served(place) as sandbox:
        sweep = Sweep(place, loaded, chosen, SERVERS, timeout=TIMEOUT)
        number = sweep.count(sandbox, KILLS["after"]).total * 2 // 3
        assert sweep.play(Strike(number, *KILLS["after"]), sandbox)
        (place / "races").mkdir()
        races = Races(place / "races", loaded, chosen, SERVERS, sweep.tally, TIMEOUT)
        project = races.project(sandbox)
        for turn, mode in enumerate(("race", "wait", "race")):
            races.play(project, turn, turn, mode)
        return sweep.tally


@pytest.mark.parametrize("kind", STORES)
def test_every_store_survives_a_kill_and_races(kind: str, played: dict[str, Future[Tally]]) -> None:
    tally = played[kind].result(120)
    require_nothing_wrong(tally)
    assert (tally.counts["points"], tally.counts["rounds"]) == (1, 3)
    assert tally.counts["locks removed"] == (kind == "http")


def test_of_two_that_race_one_applies_and_the_other_is_told_who(aftermath: Aftermath, project: Project) -> None:
    racing = [aftermath.forks.start(project.here, *APPLY) for _ in range(2)]
    ended = [one.wait() for one in racing]
    assert {0} <= {one.code for one in ended} <= {0, HELD}, ended
    assert all("locked by" in one.told for one in ended if one.code)
    aftermath.require_order(project)
    require_nothing_wrong(aftermath.tally)


def test_a_holder_that_is_stopped_keeps_others_out_and_goes_on(aftermath: Aftermath, project: Project) -> None:
    holder = aftermath.forks.start(project.here, *APPLY)
    deadline = time.monotonic() + 30
    while not any(project.sandbox.objects().values()):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    holder.send(signal.SIGSTOP)
    try:
        other = aftermath.forks.run(project.here, *APPLY)
        # Either it was stopped in the middle of its work, or it had just ended.
        assert other.code in (HELD, 0), other
    finally:
        holder.send(signal.SIGCONT)
    assert holder.wait().code == 0
    aftermath.require_order(project)
    require_nothing_wrong(aftermath.tally)


def test_a_strike_is_exact(aftermath: Aftermath, project: Project) -> None:
    """The first directory that is made is the state's."""
    for how, is_there in ((How.BEFORE, False), (How.AFTER, True)):
        ended = aftermath.forks.run(project.here, *APPLY, strike=Strike(1, how, kinds=("mkdir",)))
        assert ended.code == -signal.SIGKILL
        assert ended.report is not None
        assert (ended.report.call, ended.report.total) == ("mkdir", 1)
        assert ended.report.what.endswith("state")
        assert (project.here / "state").exists() == is_there


@pytest.mark.parametrize(
    ("call", "counted"),
    [
        ("os.eventfd_write(os.eventfd(0), 1)", {}),
        ("(pair := socket.socketpair())[0].send(b'.')", {}),
        ("os.write(os.pipe()[1], b'.')", {"write": 1}),
        ("socket.create_connection(server.getsockname()).send(b'.')", {"connect": 1, "send": 1}),
        ("(poll := select.poll()).register(server), poll.poll(0)", {}),
        ("(poll := select.poll()).register(server), poll.poll(1)", {"wait": 1}),
        ("select.epoll().poll(0), select.select([], [], [], 0)", {}),
        ("select.epoll().poll(0.001), select.select([], [], [], 0.001)", {"wait": 2}),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_only_calls_that_somebody_outside_could_notice_count(
    call: str, counted: dict[str, int], tmp_path: Path
) -> None:
    report = tmp_path / "report"
    text = f"""
import os, select, socket
from pathlib import Path
from tests.chaos.shim import How, Strike, arm
server = socket.create_server(("127.0.0.1", 0))
arm(Strike(0, How.COUNT), Path({str(report)!r}))
{call}
os._exit(0)
"""
    given = {**os.environ, "LD_PRELOAD": str(build(tmp_path)), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", text], env=given, check=True)
    assert {kind: number for kind, number in Report.read(report).counts.items() if number} == counted


def test_without_a_compiler_nothing_passes_for_tested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="NO KILL POINT IS TESTED"):
        build(tmp_path)
    monkeypatch.setenv("CI", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install gcc"):
        build(tmp_path)


def test_a_torn_write_is_half_of_it(aftermath: Aftermath, project: Project) -> None:
    aftermath.forks.run(project.here, "validate", "-json")
    whole = aftermath.forks.run(project.here, "validate", "-json").told
    running = aftermath.forks.start(project.here, "validate", "-json", strike=Strike(1, How.TORN, kinds=("write",)))
    ended = running.wait()
    assert ended.code == -signal.SIGKILL
    assert whole.startswith(ended.told) and 0 < len(ended.told) < len(whole)


def test_a_call_that_is_to_fail_fails(aftermath: Aftermath, project: Project) -> None:
    ended = aftermath.forks.run(project.here, *APPLY, strike=Strike(1, How.ERROR, "ENOSPC", ("mkdir",)))
    assert ended.code == 1
    assert os.strerror(28) in ended.told
    assert not any(project.sandbox.objects().values())


@pytest.mark.parametrize(
    "arguments",
    [("plan",), ("apply", "-auto-approve"), ("aply",), ("plan", "-refresh=maybe"), ("show", "none"), ("--version",)],
    ids=" ".join,
)
def test_a_forked_run_is_the_program(
    arguments: tuple[str, ...], aftermath: Aftermath, sandbox: Sandbox, tmp_path: Path
) -> None:
    def said(text: str) -> str:
        # Ids are made up, and who is first among equals may vary.
        plain = re.sub(r"\b(ems|eas|rsc)\w{17}\b", "ID", text)
        return "\n".join(sorted(plain.splitlines())) if arguments[0] == "apply" else plain

    forked = aftermath.project(sandbox)
    by_fork = aftermath.forks.run(forked.here, *arguments)
    started = aftermath.project(sandbox)
    by_start = run(started.here, *arguments)
    assert by_fork.code == by_start.code
    assert said(by_fork.told) == said(by_start.told)
    left = [sorted(path.name for path in here.rglob("*")) for here in (forked.here, started.here)]
    assert left[0] == left[1]


def test_a_forked_run_takes_signals_as_the_program_does(
    loaded: Forks, files: Store, sandbox: Sandbox, tmp_path: Path
) -> None:
    aftermath = Aftermath(tmp_path, loaded, files, 10, timeout=TIMEOUT)
    project = aftermath.project(sandbox)
    running = loaded.start(project.here, *APPLY)
    deadline = time.monotonic() + 30
    while not any(sandbox.objects().values()):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    running.send(signal.SIGINT)
    assert running.wait().code == 130
    aftermath.settle(project)
    require_nothing_wrong(aftermath.tally)
