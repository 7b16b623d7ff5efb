"""Formatting, lint and types are part of the suite, so one command is the whole gate."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    "command",
    [
        ["ruff", "format", "--check", "--quiet", "reconciler", "tests"],
        ["ruff", "check", "--quiet", "reconciler", "tests"],
        ["mypy", "reconciler"],
    ],
    ids=["format", "lint", "types"],
)
def test_the_source_is_clean(command: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
