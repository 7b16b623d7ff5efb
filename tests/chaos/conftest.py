"""A served sandbox for a module, and between it and the program somebody who lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.liar import Liar, lying
from tests.chaos.stage import Sandbox, configuration, served


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture
def liar(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Liar]:
    """Between the configuration in `tmp_path`, of two servers, and the sandbox, which is empty."""
    monkeypatch.setenv("CHAOS_TOKEN", "sandbox")
    monkeypatch.setenv("CHAOS_SECRET", "chaos-secret")
    sandbox.empty()
    with lying(sandbox.url) as (address, found):
        text = configuration(address, 2).replace("request_timeout_seconds: 2", "request_timeout_seconds: 1")
        (tmp_path / "main.yaml").write_text(text, "utf-8")
        yield found
