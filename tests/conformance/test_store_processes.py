"""Stores between real processes: races, holders that are killed, holders that are frozen and wake up."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler.stores.kept import KeptStore
from tests.conformance.other_run import shelf
from tests.conformance.servers import store_settings
from tests.conformance.store_laws import plain, refusal, snapshot

ROOT = Path(__file__).resolve().parents[2]
EXPIRING = ["sqlite", "postgres", "object"]


class Place:
    """Where this process and others open the same workspace; `lease_seconds` is short."""

    def __init__(self, directory: Path, settings: dict[str, Any]) -> None:
        self._directory, self.settings = directory, {**settings, "lease_seconds": 1.0}
        self.lock_id = ""

    def opened(self) -> KeptStore:
        return shelf(self._directory, self.settings).open("default")

    def start(self, what: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-m", "tests.conformance.other_run"]
        return subprocess.Popen(
            [*argv, str(self._directory), json.dumps(self.settings), what],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    with store_settings(request.param) as settings:
        yield Place(tmp_path, settings)


@contextmanager
def holder(place: Place) -> Iterator[tuple[subprocess.Popen[str], Callable[[], str]]]:
    """A process that holds the lock, and what gives the next line it says. Its first was the id of its lock."""
    with closing(place.opened()) as store:
        store.write(snapshot(1))
    with place.start("hold") as child:
        assert child.stdout is not None
        try:
            place.lock_id = child.stdout.readline().strip()
            yield child, lambda: child.stdout.readline().strip() if child.stdout else ""
        finally:
            child.kill()


def tell(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    child.stdin.write("go on\n")
    child.stdin.flush()


@pytest.mark.parametrize("place", ["file", *EXPIRING, "http"], indirect=True)
def test_processes_that_race_count_every_write_once(place: Place) -> None:
    with closing(place.opened()) as store:
        store.write(snapshot(1))
    children = [place.start("count") for _ in range(3)]
    for child in children:
        with child:
            assert child.wait(100) == 0
    with closing(place.opened()) as store:
        found = store.read()
        assert found is not None
        assert found.serial == 13
        assert store.history()[0].serial == 13


@pytest.mark.parametrize("place", ["file", *EXPIRING], indirect=True)
def test_a_killed_holder_holds_no_longer_than_its_lease(place: Place) -> None:
    with holder(place) as (child, _):
        with closing(place.opened()) as store:
            assert refusal(lambda: store.lock("plan", 0).__enter__()) == "lock.held"
        child.send_signal(signal.SIGKILL)
        child.wait()
        began = time.monotonic()
        with closing(place.opened()) as store, store.lock("apply", 20):
            store.read()
            store.write(snapshot(2, "next"))
        assert time.monotonic() - began < 10


@pytest.mark.parametrize("place", EXPIRING, indirect=True)
def test_a_frozen_holder_that_wakes_up_writes_nothing(place: Place) -> None:
    with holder(place) as (child, said):
        child.send_signal(signal.SIGSTOP)
        with closing(place.opened()) as store, store.lock("apply", 20):
            store.read()
            tell(child)
            child.send_signal(signal.SIGCONT)
            assert (said(), said()) == ("lock.lost", "lock.lost")
            store.write(snapshot(2, "mine"))
            tell(child)
            assert said() == "0.0", "it knows, and sends nothing more"
        with closing(place.opened()) as store:
            assert store.read() == snapshot(2, "mine")
            assert plain(store.tail()) == []


@pytest.mark.parametrize("place", ["file"], indirect=True)
def test_a_frozen_holder_of_a_directory_keeps_it(place: Place) -> None:
    """The kernel knows that it lives."""
    with holder(place) as (child, said), closing(place.opened()) as store:
        child.send_signal(signal.SIGSTOP)
        assert refusal(lambda: store.lock("apply", 1.5).__enter__()) == "lock.held"
        child.send_signal(signal.SIGCONT)
        tell(child)
        assert (said(), said()) == ("done", "done")


@pytest.mark.parametrize("place", ["http"], indirect=True)
def test_a_killed_holder_of_a_server_is_unlocked_by_force(place: Place) -> None:
    with holder(place) as (child, _):
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    with closing(place.opened()) as store:
        assert refusal(lambda: store.lock("plan", 0.3).__enter__()) == "lock.held"
        assert refusal(lambda: store.force_unlock("another")) == "lock.other"
        store.force_unlock(place.lock_id)
        with store.lock("plan", 0):
            pass


CONFIGURATION = """\
version: 1
provider: {sandbox: {settle_seconds: 0}}
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read]}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, authorization_servers: [todo]}
"""


@pytest.mark.parametrize("place", ["file", *EXPIRING, "http"], indirect=True)
def test_of_two_applies_at_once_one_makes_everything_and_the_other_finds_it_made(place: Place, tmp_path: Path) -> None:
    secrets: dict[str, str] = {}
    settings = json.loads(json.dumps(place.settings), object_hook=lambda block: _by_environment(block, secrets))
    (tmp_path / "reconciler.yaml").write_text(f"{CONFIGURATION}state: {json.dumps(settings)}\n", "utf-8")

    def start(*argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *argv, "-no-color"],
            cwd=tmp_path,
            env={**os.environ, **secrets, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    runs = [start("apply", "-auto-approve", "-lock-timeout=60s") for _ in range(2)]
    told = [run.communicate(timeout=100)[0] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], told
    assert sorted("No changes" in text for text in told) == [False, True], told
    check = start("plan", "-detailed-exitcode")
    text = check.communicate(timeout=100)[0]
    assert check.returncode == 0, text
    assert not [name for name in secrets.values() if name in text]


def _by_environment(block: dict[str, Any], secrets: dict[str, str]) -> dict[str, Any]:
    """The block, its reference to a secret naming a variable that holds it."""
    if set(block) == {"env"}:
        name = f"STORE_SECRET_{len(secrets)}"
        secrets[name] = block["env"]
        return {"env": name}
    return block
