"""What reaches a process from outside in the middle of a call: signals, and the loss of its terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.liar import Liar, Lie
from tests.chaos.stage import KINDS, PROGRAM, Sandbox, environment
from tests.chaos.test_lies import CLIENTS, apply, made, require_one_of_each

INTERRUPTED = 130


@dataclass
class Held:
    """Keeps creations of clients from being answered until `over`; then the live system hears them after all."""

    reached: threading.Event = field(default_factory=threading.Event)
    over: threading.Event = field(default_factory=threading.Event)

    def tell(self, exchange: Any) -> None:
        self.reached.set()
        self.over.wait(20)
        exchange.say(exchange.forward())


@pytest.fixture
def held(liar: Liar, tmp_path: Path) -> Iterator[Held]:
    found = Held()
    liar.lies = [Lie("POST", CLIENTS, found.tell, times=99)]
    text = (tmp_path / "main.yaml").read_text("utf-8")
    (tmp_path / "main.yaml").write_text(text.replace("timeout_seconds: 1", "timeout_seconds: 10"), "utf-8")
    yield found
    found.over.set()


def started(place: Path, held: Held, **more: Any) -> subprocess.Popen[str]:
    """An apply, in the middle of a call that is not answered yet."""
    command = [*PROGRAM, "apply", "-auto-approve", "-parallelism=1"]
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, **more}
    process: subprocess.Popen[str] = subprocess.Popen(command, cwd=place, env=environment(), **given)
    if not held.reached.wait(30):
        process.kill()
        raise AssertionError(process.communicate())
    return process


def until(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if text in line:
            return
    raise AssertionError(f"{text} is never said")


def test_the_first_signal_lets_the_call_in_flight_finish(
    held: Held, liar: Liar, sandbox: Sandbox, tmp_path: Path
) -> None:
    process = started(tmp_path, held)
    process.send_signal(signal.SIGTERM)
    until(process, "Finishing the calls in flight")
    held.over.set()
    told, _ = process.communicate(timeout=30)
    assert process.returncode == INTERRUPTED, told
    there = sandbox.objects()
    assert len(there["client_registration"]) == 1, "the call was finished, and no other begun"
    assert (tmp_path / "state" / "default.journal").read_bytes() == b"", "and what it did was recorded"
    liar.asked.clear()
    assert apply(tmp_path)[0] == 0
    assert len(made(liar)) == 6 - sum(len(ids) for ids in there.values())
    require_one_of_each(sandbox, tmp_path)


def test_the_second_signal_ends_it_now_and_nothing_is_made_twice(held: Held, sandbox: Sandbox, tmp_path: Path) -> None:
    process = started(tmp_path, held)
    process.send_signal(signal.SIGTERM)
    until(process, "Finishing the calls in flight")
    process.send_signal(signal.SIGTERM)
    told, _ = process.communicate(timeout=9)
    assert process.returncode == INTERRUPTED, told
    assert sandbox.objects()["client_registration"] == [], "the call is still on its way"
    threading.Timer(0.1, held.over.set).start()
    code, said = apply(tmp_path)
    assert code == 0, said
    require_one_of_each(sandbox, tmp_path)


def test_a_hangup_is_a_death_like_any_other(held: Held, sandbox: Sandbox, tmp_path: Path) -> None:
    process = started(tmp_path, held)
    process.send_signal(signal.SIGHUP)
    process.communicate(timeout=9)
    assert process.returncode != 0
    threading.Timer(0.1, held.over.set).start()
    code, said = apply(tmp_path)
    assert code == 0, said
    require_one_of_each(sandbox, tmp_path)


def test_an_apply_whose_terminal_is_gone_goes_on_to_its_end(held: Held, sandbox: Sandbox, tmp_path: Path) -> None:
    master, slave = pty.openpty()
    process = started(tmp_path, held, stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    os.close(master)
    held.over.set()
    process.wait(30)
    assert {kind: len(ids) for kind, ids in sandbox.objects().items()} == dict.fromkeys(KINDS, 2)
    require_one_of_each(sandbox, tmp_path)
