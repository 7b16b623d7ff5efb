"""Many workspaces, several workers that take whichever is free, and one of them is killed again and again."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

import pytest

from reconciler.cli.main import main
from reconciler.stores.kept import KeptStore
from tests.chaos.stage import KINDS, Sandbox, configuration, served
from tests.chaos.test_lies import flat
from tests.drift.stage import run

WORKSPACES = [f"w{n}" for n in range(12)]
WORKERS, KILLS = 4, 8
AGAIN = (13, 15)
"""Somebody else holds it; or the machine was so slow that the lease came near its end, and the run stopped half way."""


@dataclass
class Log:
    """Lines of several processes, in the order in which things happened."""

    path: Path

    def say(self, *words: Any) -> None:
        with self.path.open("ab", buffering=0) as file:
            file.write(" ".join(map(str, words)).encode() + b"\n")

    def lines(self) -> list[list[str]]:
        return [line.split() for line in self.path.read_text("utf-8").splitlines()] if self.path.exists() else []

    @property
    def done(self) -> set[str]:
        return {words[1] for words in self.lines() if words[0] == "done"}


def work(log: Log, seed: int) -> None:
    """Whatever is not done is tried, over and over; what somebody else has is left to him."""
    chance, lock = random.Random(seed), KeptStore.lock

    @contextmanager
    def told(store: KeptStore, operation: str, timeout: float) -> Iterator[Any]:
        with lock(store, operation, timeout) as lease:
            log.say("enters", os.environ["RECONCILER_WORKSPACE"], os.getpid())
            try:
                yield lease
            finally:
                log.say("leaves", os.environ["RECONCILER_WORKSPACE"], os.getpid())

    KeptStore.lock = told  # type: ignore[method-assign, assignment]
    while left := sorted(set(WORKSPACES) - log.done):
        name = chance.choice(left)
        os.environ |= {"RECONCILER_WORKSPACE": name, "RECONCILER_VAR_name": name}
        said = StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            code = main(["apply", "-auto-approve", "-input=false", "-no-color", "-lock-timeout=0s"])
        if code == 0:
            log.say("done", name)
        elif code in AGAIN:
            time.sleep(0.05)
        else:
            log.say("fails", name, code, flat(said.getvalue())[-300:])


@dataclass
class Crew:
    log: Log
    pids: list[int] = field(default_factory=list)

    def hire(self) -> None:
        child = os.fork()
        if child == 0:
            self._work()
        self.pids.append(child)

    def _work(self) -> NoReturn:
        """Whatever happens, this process doesn't go on with the tests."""
        try:
            work(self.log, os.getpid())
        except BaseException as problem:
            self.log.say("breaks", os.getpid(), type(problem).__name__)
            os._exit(1)
        os._exit(0)

    def kill(self, pid: int) -> None:
        self.log.say("dies", pid)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        self.pids.remove(pid)

    def busy(self) -> list[int]:
        """Those that are in a workspace now."""
        inside: dict[int, str] = {}
        for words in self.log.lines():
            if words[0] in ("enters", "leaves"):
                inside[int(words[2])] = words[0]
        return [pid for pid in self.pids if inside.get(pid) == "enters"]


def overlaps(log: Log) -> list[str]:
    """Where somebody entered a workspace that somebody else, alive, had not left."""
    inside: dict[str, set[str]] = defaultdict(set)
    found = []
    for number, (what, *words) in enumerate(log.lines(), start=1):
        if what == "enters":
            if inside[words[0]] - {words[1]}:
                found.append(f"line {number}: {words[1]} enters {words[0]}, where {inside[words[0]]} is")
            inside[words[0]].add(words[1])
        elif what == "leaves":
            inside[words[0]].discard(words[1])
        elif what == "dies":
            for pids in inside.values():
                pids.discard(words[0])
    return found


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    with served(tmp_path) as found:
        yield found


def test_every_workspace_is_done_once_whoever_dies(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = configuration(sandbox.url, 1, "sqlite: {path: state.db}, lease_seconds: 1")
    text = text.replace("mcp0.example.com", "${var.name}.example.com").replace("_seconds: 2", "_seconds: 0.6")
    (tmp_path / "main.yaml").write_text(f"{text}variables: {{name: {{type: string}}}}\n", "utf-8")
    for name, value in {"CHAOS_TOKEN": "sandbox", "CHAOS_SECRET": "chaos-secret"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    log, chance = Log(tmp_path / "log"), random.Random(11)
    crew, deadline = Crew(log), time.monotonic() + 120
    for _ in range(WORKERS):
        crew.hire()
    killed = 0
    while killed < KILLS and log.done != set(WORKSPACES):
        time.sleep(chance.uniform(0.02, 0.25))
        if busy := crew.busy():
            crew.kill(chance.choice(busy))
            crew.hire()
            killed += 1
        assert time.monotonic() < deadline
    codes = {os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in crew.pids}
    lines = log.lines()
    assert codes == {0}
    assert not [words for words in lines if words[0] in ("fails", "breaks")]
    assert killed >= KILLS // 2, "they were too quick"
    assert overlaps(log) == []
    assert {kind: len(ids) for kind, ids in sandbox.objects().items()} == dict.fromkeys(KINDS, len(WORKSPACES))
    for name in WORKSPACES[::4]:
        monkeypatch.setenv("RECONCILER_WORKSPACE", name)
        monkeypatch.setenv("RECONCILER_VAR_name", name)
        assert run(tmp_path, "plan", "-detailed-exitcode")[0] == 0


def test_two_in_one_workspace_would_be_noticed(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    for line in ("enters w1 1", "dies 1", "enters w1 2", "leaves w1 2", "enters w1 3", "enters w2 4", "enters w1 5"):
        log.say(line)
    assert overlaps(log) == ["line 7: 5 enters w1, where {'3'} is"]
