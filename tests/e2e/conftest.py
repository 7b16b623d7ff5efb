"""Runs the program as its users do: as a process of its own, in a directory of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
CLEAN = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "RECONCILER_WORKSPACE", "RECONCILER_DEBUG"}


class Run(NamedTuple):
    code: int
    out: str
    err: str


Reconciler = Callable[..., Run]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The process's own, without what would change the output."""
    kept = {k: v for k, v in os.environ.items() if k not in CLEAN and not k.startswith("RECONCILER_VAR_")}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


@pytest.fixture
def reconciler(tmp_path: Path) -> Reconciler:
    """`reconciler("plan", "-json", env={...}, cwd=...)`"""

    def run(*arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, given: str = "") -> Run:
        ended = subprocess.run(
            [sys.executable, "-m", "reconciler", *arguments],
            cwd=cwd or tmp_path,
            env=environment(env),
            input=given,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in ended.stderr, ended.stderr
        return Run(ended.returncode, ended.stdout, ended.stderr)

    return run


@pytest.fixture
def quickstart(tmp_path: Path) -> Path:
    """A copy of examples/quickstart with the directories above it that its state goes to."""
    place = tmp_path / "examples" / "quickstart"
    shutil.copytree(ROOT / "examples" / "quickstart", place)
    return place
