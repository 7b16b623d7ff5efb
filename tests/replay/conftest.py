"""Accounts that are recorded as they are kept, whoever keeps them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Generator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply import bookkeeping
from reconciler.apply.undertaking import Means
from reconciler.okta.provider import OktaProvider
from tests.replay.recorder import Line, Recorder
from tests.replay.replay import Replay

ROOT = Path(__file__).resolve().parents[2]
ACCOUNTS = ("recovering", "applying", "sweeping")


@dataclass
class Recording:
    """An account that was kept: its lines, and how it is begun again."""

    name: str
    lines: list[Line]
    again: Callable[[], Generator[Any, Any, Any]]

    def replay(self) -> Any:
        """From what a file would hold of it."""
        return Replay(json.loads(json.dumps(self.lines))).play(self.again())


@pytest.fixture
def recordings(monkeypatch: pytest.MonkeyPatch) -> list[Recording]:
    """Of every account that is kept from now on."""
    found: list[Recording] = []

    def recording(name: str) -> Callable[..., Any]:
        real = getattr(bookkeeping, name)

        def kept(*given: Any, **named: Any) -> Any:
            recorder, unspent = Recorder(), [_unspent(each) for each in given]

            def again() -> Any:
                return real(*[_unspent(each) for each in unspent], **named)

            found.append(Recording(name, recorder.lines, again))
            return recorder.recorded(real(*given, **named))

        return kept

    for name in ACCOUNTS:
        monkeypatch.setattr(f"reconciler.site.{name}", wrapped := recording(name))
        monkeypatch.setattr(bookkeeping, name, wrapped)
    return found


def _unspent(given: Any) -> Any:
    """As it is before the account is kept: providers remember the org they talk to, gates what they found."""
    if isinstance(given, OktaProvider):
        return deepcopy(given)
    if not isinstance(given, Means):
        return given
    given = replace(given, provider=deepcopy(given.provider))
    if given.gates is None:
        return given
    gates = given.gates
    context = replace(gates.context, memory=deepcopy(gates.context.memory))
    return replace(given, gates=replace(gates, context=context, found=dict(gates.found), seen=dict(gates.seen)))


@pytest.fixture
def quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "examples" / "quickstart"
    shutil.copytree(ROOT / "examples" / "quickstart", place)
    monkeypatch.chdir(place)
    return place
