"""What only a real process can show: terminals, pipes, signals, environments, the cost of starting."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import ClassVar

import pytest

from tests.e2e.conftest import Reconciler, environment

PROGRAM = [sys.executable, "-m", "reconciler"]
CONFIGURATION = """\
version: 1
provider: {sandbox: {settle_seconds: SETTLE}}
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read]}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, display_name: Todo, authorization_servers: [todo]}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "reconciler.yaml").write_text(CONFIGURATION.replace("SETTLE", "0"), "utf-8")
    return tmp_path


@pytest.fixture
def slow(place: Path) -> Path:
    (place / "reconciler.yaml").write_text(CONFIGURATION.replace("SETTLE", "4"), "utf-8")
    return place


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    while Terminal.open:
        Terminal.open.pop().kill()


class Terminal:
    """The program at a terminal of its own."""

    open: ClassVar[list[Terminal]] = []

    def __init__(self, place: Path, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*PROGRAM, *arguments],
            cwd=place,
            env=environment({"TERM": "xterm", **(env or {})}),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.seen = ""
        self.open.append(self)

    def until(self, text: str, seconds: float = 30) -> str:
        deadline = time.monotonic() + seconds
        while text not in self.seen and time.monotonic() < deadline and self._read(deadline - time.monotonic()):
            pass
        assert text in self.seen, self.seen
        return self.seen

    def say(self, text: str) -> None:
        os.write(self.master, text.encode())

    def end(self, seconds: float = 30) -> int:
        deadline = time.monotonic() + seconds
        while self._read(deadline - time.monotonic()):
            pass
        code = self.process.wait(max(1, deadline - time.monotonic()))
        os.close(self.master)
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.end()

    def _read(self, seconds: float) -> bool:
        if not select.select([self.master], [], [], max(0, seconds))[0]:
            return False
        try:
            data = os.read(self.master, 65536)
        except OSError:
            return False
        self.seen += data.decode("utf-8", "replace").replace("\r\n", "\n")
        return bool(data)


def test_apply_asks_and_only_yes_will_do(place: Path) -> None:
    terminal = Terminal(place, "apply")
    terminal.until("Enter a value: ")
    terminal.say("y\n")
    assert terminal.end() == 1
    assert "Apply cancelled." in terminal.seen
    terminal = Terminal(place, "apply")
    terminal.until("Only 'yes' will be accepted to approve.")
    terminal.say("yes\n")
    assert terminal.end() == 0
    assert "\x1b[" in terminal.seen and "Apply complete!" in terminal.seen


def test_an_interrupt_at_the_question_changes_nothing(place: Path) -> None:
    terminal = Terminal(place, "apply", env={"NO_COLOR": "1"})
    terminal.until("Enter a value: ")
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "\x1b[1m" not in terminal.seen and "Traceback" not in terminal.seen
    assert not (place / "state" / "default.json").exists()


def test_the_first_interrupt_ends_an_apply_in_good_order_and_the_next_goes_on(
    slow: Path, reconciler: Reconciler
) -> None:
    terminal = Terminal(slow, "apply", "-auto-approve", "-no-color")
    terminal.until("authorization_server.todo: Creation complete")
    time.sleep(0.3)
    terminal.process.send_signal(signal.SIGINT)
    terminal.until("Finishing the calls in flight")
    assert terminal.end() == 130
    assert "The apply was interrupted" in " ".join(terminal.seen.replace("│", " ").split())
    first = json.loads((slow / "state" / "default.json").read_text("utf-8"))
    assert [r["address"] for r in first["resources"]].count("authorization_server.todo") == 1
    (slow / "reconciler.yaml").write_text(CONFIGURATION.replace("SETTLE", "0"), "utf-8")
    resumed = reconciler("apply", "-auto-approve", cwd=slow)
    assert resumed.code == 0, resumed
    assert "\nauthorization_server.todo: Creating" not in resumed.out
    assert reconciler("plan", "-detailed-exitcode", cwd=slow).code == 0


def test_a_lock_is_waited_for_and_its_holder_is_named(slow: Path, reconciler: Reconciler) -> None:
    terminal = Terminal(slow, "apply", "-auto-approve", "-no-color")
    terminal.until("Creating...")
    held = reconciler("plan", "-lock-timeout=100ms", cwd=slow)
    assert held.code == 13
    assert str(terminal.process.pid) in held.err or "apply" in held.err
    assert reconciler("state", "list", cwd=slow).code == 0
    terminal.process.send_signal(signal.SIGINT)
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130


def test_a_killed_apply_is_made_good_by_the_next(slow: Path, reconciler: Reconciler) -> None:
    terminal = Terminal(slow, "apply", "-auto-approve", "-no-color")
    terminal.until("authorization_server.todo: Creation complete")
    terminal.process.kill()
    terminal.end()
    (slow / "reconciler.yaml").write_text(CONFIGURATION.replace("SETTLE", "0"), "utf-8")
    resumed = reconciler("apply", "-auto-approve", cwd=slow)
    assert resumed.code == 0, resumed
    assert reconciler("plan", "-detailed-exitcode", cwd=slow).code == 0
    created = [line for line in resumed.out.splitlines() if "authorization_server.todo: Creating" in line]
    assert all(line.startswith("mcp_server.todo/") for line in created)


def test_a_reader_that_goes_away_is_no_error(place: Path) -> None:
    command = " ".join([sys.executable, "-m reconciler plan | true"])
    ended = subprocess.run(
        command, shell=True, cwd=place, env=environment(), capture_output=True, text=True, check=False
    )
    assert ended.stderr == ""


def test_a_full_disk_behind_standard_output_is_told(place: Path) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        ended = subprocess.run(
            [*PROGRAM, "plan"],
            cwd=place,
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert "could not be written" in ended.stderr and "Traceback" not in ended.stderr


def test_closed_standard_streams_do_not_matter(place: Path) -> None:
    command = f"{sys.executable} -m reconciler apply -auto-approve >&- 2>&- <&-"
    assert subprocess.run(command, shell=True, cwd=place, env=environment(), check=False).returncode == 0


@pytest.mark.parametrize(
    "extra",
    [
        {"LANG": "C", "LC_ALL": "C"},
        {"PYTHONIOENCODING": "ascii"},
        {"COLUMNS": "20"},
        {"TERM": "dumb"},
        {"HOME": ""},
    ],
    ids=str,
)
def test_any_environment_will_do(place: Path, reconciler: Reconciler, extra: dict[str, str]) -> None:
    (place / "reconciler.yaml").write_text("version: 1\nmcp_serfers: {ö: 1}\n", "utf-8")
    broken = reconciler("plan", env=extra)
    assert broken.code == 10 and "reconciler.yaml:2:1" in broken.err


def test_a_plan_in_ascii(place: Path, reconciler: Reconciler) -> None:
    (place / "reconciler.yaml").write_text(CONFIGURATION.replace("SETTLE", "0").replace(" Todo,", " Tödö,"), "utf-8")
    planned = reconciler("plan", env={"PYTHONIOENCODING": "ascii"})
    assert planned.out.isascii() and "Plan: 3 to add, 0 to change, 0 to destroy." in planned.out


def test_secrets_are_in_nothing_that_is_written(tmp_path: Path, reconciler: Reconciler) -> None:
    secret = "cl1ent-s3cret-canary"
    text = """\
version: 1
provider: {sandbox: {settle_seconds: 0}}
authorization_servers:
  gh: {type: external, issuer: https://gh.example.com, authorization_endpoint: https://gh.example.com/a,
       token_endpoint: https://gh.example.com/t}
client_registrations:
  app: {authorization_server: gh, client_id: x, client_secret: {env: GH_SECRET}}
mcp_servers:
  gh: {resource_url: https://mcp.example.com, authorization_servers: [gh]}
"""
    (tmp_path / "reconciler.yaml").write_text(text, "utf-8")
    missing = reconciler("apply", "-auto-approve")
    assert missing.code != 0 and "GH_SECRET" in missing.err + missing.out
    extra = {"GH_SECRET": secret, "RECONCILER_DEBUG": "1"}
    runs = [
        reconciler(*arguments.split(), env=extra)
        for arguments in ("plan -out=p.json", "apply -auto-approve -json", "show -json", "state pull", "plan -destroy")
    ]
    assert runs[1].code == 0, runs[1]
    assert all(secret not in run.out + run.err for run in runs)
    written = [p for p in tmp_path.rglob("*") if p.is_file() and "sandbox.db" not in p.name]
    assert len(written) >= 4
    assert all(secret.encode() not in file.read_bytes() for file in written)


def test_the_served_sandbox_announces_itself_and_takes_an_apply(
    place: Path, reconciler: Reconciler, tmp_path: Path
) -> None:
    serving = subprocess.Popen(
        [*PROGRAM, "sandbox", "serve", "--port", "0", "--db", str(tmp_path / "s.db"), "--settle-seconds", "0"],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert serving.stdout is not None
        match = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+)\n", serving.stdout.readline())
        assert match
        okta = f"okta: {{org_url: '{match[1]}', auth: {{token: {{env: TOKEN}}}}}}"
        text = CONFIGURATION.replace("sandbox: {settle_seconds: SETTLE}", okta)
        (place / "reconciler.yaml").write_text(text, "utf-8")
        applied = reconciler("apply", "-auto-approve", env={"TOKEN": "sandbox"})
        assert applied.code == 0, applied
        assert reconciler("plan", "-detailed-exitcode", env={"TOKEN": "sandbox"}).code == 0
        assert reconciler("plan", env={"TOKEN": "wrong"}).code == 11
    finally:
        serving.send_signal(signal.SIGINT)
        _, err = serving.communicate(timeout=20)
    assert serving.returncode in (0, 130) and "Traceback" not in err


@pytest.mark.parametrize("arguments", ["--version", "--help"])
def test_starting_costs_little(arguments: str, tmp_path: Path) -> None:
    """At most 120 ms of CPU on the machine this is made for; the best of several, with room for a busy one."""

    def cpu() -> float:
        before = os.times()
        subprocess.run([*PROGRAM, arguments], cwd=tmp_path, env=environment(), capture_output=True, check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    assert min(cpu() for _ in range(5)) <= 0.2
    shown = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "reconciler", arguments],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    heavy = {"asyncio", "httpx", "networkx", "pydantic", "jsonschema", "yaml", "starlette", "uvicorn", "jwt"}
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in shown.stderr.splitlines()}
    assert not imported & heavy
