"""Servers that nobody here wrote, from npm: installed from a lock file, into a cache outside the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest


def miss(what: str) -> NoReturn:
    """Skips what needs it, and says so; never in CI."""
    if os.environ.get("CI"):
        pytest.fail(f"{what} must be there in CI")
    pytest.skip(f"{what} is not there, so nothing is tried with it")


def node_modules(directory: Path) -> Path:
    """The folder `node_modules` that the lock file in `directory` stands for."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        miss("npm")
    lock = (directory / "package-lock.json").read_bytes()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "reconciler-peers"
    target = cache / hashlib.sha256(lock).hexdigest()[:16]
    if not target.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(dir=cache))
        for name in ("package.json", "package-lock.json"):
            shutil.copy(directory / name, building)
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
        done = subprocess.run(command, cwd=building, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode:
            shutil.rmtree(building)
            miss(f"what npm should install ({done.stderr.strip()[-300:]})")
        try:
            building.rename(target)
        except OSError:
            shutil.rmtree(building)
    return target / "node_modules"
