"""What was recorded is replayed, from the recording alone; and an engine that does anything else is told of."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import bookkeeping, journal
from reconciler.apply.bookkeeping import NewId, Settle, Write
from reconciler.apply.interrupts import Interrupts
from reconciler.cli.main import main
from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Snapshot
from reconciler.okta.mcp_servers import McpServers
from reconciler.okta.transport import HttpTransport
from reconciler.pipeline import recorded
from reconciler.ports import Answer, Call, Leave, Send
from reconciler.project import Project
from tests.hub import HUB
from tests.replay.conftest import Recording
from tests.replay.recorder import Line, Recorder
from tests.replay.replay import Deviation, Replay
from tests.replay.scene import Scene

GOLDEN = Path(__file__).parent / "quickstart.jsonl"

ACTIVE_HUB = HUB.replace("[hub]}", "[hub], status: active}")
WORLD = """\
version: 1
mcp_servers: [{url: https://mcp.hub.example.com/mcp, authorization_servers: [https://hub.example.com]}]
authorization_servers: [{issuer: https://hub.example.com, registration_endpoint: https://hub.example.com/register}]
"""


def of(recordings: list[Recording], name: str) -> Recording:
    return next(recording for recording in recordings if recording.name == name)


def under_way_at_once(lines: list[Line]) -> int:
    most = now = 0
    for line in lines:
        now += ("begin" in line) - ("end" in line)
        most = max(most, now)
    return most


def test_an_apply_of_the_quickstart_is_replayed(quickstart: Path, recordings: list[Recording]) -> None:
    assert main(["apply", "-auto-approve"]) == 0
    applying = of(recordings, "applying")
    assert [recording.name for recording in recordings] == ["recovering", "applying", "sweeping"]
    assert under_way_at_once(applying.lines) >= 3
    applied = applying.replay()
    assert applied.diagnostics == ()
    assert {str(outcome) for outcome in applied.outcomes.values()} == {"done"}
    assert applied.snapshot == state_of(quickstart)
    for recording in recordings:
        recording.replay()
    secret = (quickstart / "sandbox" / "github-client-secret").read_text("utf-8").strip()
    key = state_of(quickstart).secret_key
    assert key and not any(kept in json.dumps(applying.lines) for kept in (key, secret))


def test_what_became_of_a_run_that_broke_off_is_found_out_again_from_the_recording(
    quickstart: Path, recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(effect: Any, store: Any) -> Any:
        if isinstance(effect, Write) and effect.snapshot.records:
            raise Refused([error("state.unwritable", "The disk is full")])
        return bookkeeping.enter(effect, store)

    with monkeypatch.context() as broken:
        broken.setattr("reconciler.site.enter", refusing)
        assert main(["apply", "-auto-approve"]) == 1
    recordings.clear()
    assert main(["apply", "-auto-approve"]) == 0
    recovering = of(recordings, "recovering")
    assert {line["in"] for line in recovering.lines} >= {"", "asked", "asked [0]"}
    found, seen = recovering.replay()
    assert len(found.snapshot.records) == len(state_of(quickstart).records) == 7
    assert len(seen) >= 7


def state_of(place: Path) -> Snapshot:
    found = recorded(Project(place))
    assert found is not None
    return found


def test_secrets_that_are_given_to_us_are_not_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recordings: list[Recording]
) -> None:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "reconciler.yaml").write_text(ACTIVE_HUB, "utf-8")
    (tmp_path / "sandbox" / "world.yaml").write_text(WORLD, "utf-8")
    monkeypatch.chdir(tmp_path)
    assert main(["apply", "-auto-approve"]) == 0
    held = json.loads((tmp_path / "kept" / "hub.json").read_text("utf-8"))
    assert main(["apply", "-auto-approve", "-replace", "mcp_server.hub", "-allow=replace-active"]) == 0
    held_then = json.loads((tmp_path / "kept" / "hub.json").read_text("utf-8"))
    for recording in recordings:
        recording.replay()
    told = json.dumps([recording.lines for recording in recordings])
    assert "Recall" in told and "Keep" in told and "secret#1" in told
    given = [each[name] for each in (held, held_then) for name in ("client_secret", "registration_access_token")]
    assert [secret for secret in given if secret in told] == []


def forgotten_first(snapshot: Any, plan: str = "", partial: bool = False) -> Any:
    yield Settle()
    lineage = snapshot.lineage or (yield NewId())
    newer = replace(snapshot, lineage=lineage, serial=snapshot.serial + 1)
    yield Write(newer, plan, partial)
    return newer


def sent_at_once(send: Send, account: Any) -> Any:
    return (yield send)


@pytest.mark.parametrize(
    ("module", "name", "changed", "told"),
    [
        (bookkeeping, "writing", forgotten_first, ["in the account", "recorded: NewId", "now:      Settle"]),
        (journal, "_sent", sent_at_once, ["in create ", "recorded: Journal intent create", "now:      Send POST /"]),
    ],
)
def test_an_engine_that_does_something_else_is_told_of(
    quickstart: Path,
    recordings: list[Recording],
    monkeypatch: pytest.MonkeyPatch,
    module: Any,
    name: str,
    changed: Any,
    told: list[str],
) -> None:
    """`recorded` and `now` stand below each other, in words, with the step in which it happens."""
    assert main(["apply", "-auto-approve"]) == 0
    monkeypatch.setattr(module, name, changed)
    with pytest.raises(Deviation) as deviation:
        of(recordings, "applying").replay()
    for words in told:
        assert words in str(deviation.value)


def test_a_different_body_is_told_of_by_the_field(
    quickstart: Path, recordings: list[Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["apply", "-auto-approve"]) == 0
    real = McpServers.creation

    def louder(family: McpServers, target: Any) -> dict[str, Any]:
        body = real(family, target)
        return {**body, "displayName": body["displayName"].upper()}

    monkeypatch.setattr(McpServers, "creation", louder)
    with pytest.raises(Deviation, match=r"displayName: '(\w+)', now '[A-Z]+'"):
        of(recordings, "applying").replay()


def test_a_run_that_is_cut_off_is_replayed_as_far_as_it_came(quickstart: Path) -> None:
    """By a second Ctrl-C while a creation is on its way."""
    presses = Interrupts()

    class Stuck:
        def __init__(self, transport: HttpTransport) -> None:
            self.transport, self.close = transport, transport.close

        async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
            if call.method != "POST":
                return await self.transport.exchange(call, leave)
            presses.press()
            presses.press()
            return await asyncio.Future()

    recorder = Recorder()
    scene = Scene(quickstart, Stuck, presses)
    applied = scene.keep(recorder.recorded(scene.account()))
    assert applied.interrupted
    assert "apply.interrupted" in json.dumps(recorder.lines)
    assert Replay(recorder.lines).play(scene.account()) == applied


def test_what_an_apply_of_the_quickstart_asks_for_is_what_it_was(
    quickstart: Path, request: pytest.FixtureRequest
) -> None:
    """Whatever changes in what is sent, read or written down shows here, and with `--accept` in a review."""
    scene = Scene(quickstart)
    if request.config.getoption("--accept"):
        recorder = Recorder(scene.secrets())
        scene.keep(recorder.recorded(scene.account()))
        GOLDEN.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in recorder.lines), "utf-8")
    lines = [json.loads(line) for line in GOLDEN.read_text("utf-8").splitlines()]
    applied = Replay(lines).play(scene.account())
    assert {str(outcome) for outcome in applied.outcomes.values()} == {"done"}
    assert not any(secret in GOLDEN.read_text("utf-8") for secret in scene.secrets())
