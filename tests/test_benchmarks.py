"""The benchmark runs, and makes the graph it says; how fast anything is, is never asserted here."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from reconciler.config.files import read_directory
from reconciler.config.loader import Inputs, load
from tests.benchmarks.graph import write_ours, write_terraform

ROOT = Path(__file__).resolve().parent.parent


def test_both_tools_get_the_same_graph(tmp_path: Path) -> None:
    write_ours(tmp_path / "ours", 50, "http://127.0.0.1:1")
    write_terraform(tmp_path / "terraform", 50)
    ours = load(read_directory(tmp_path / "ours"), Inputs()).resources
    document = json.loads((tmp_path / "terraform" / "main.tf.json").read_text("utf-8"))
    theirs = document["resource"]["terraform_data"]
    references = re.findall(r"terraform_data\.[^}]+\.id", json.dumps(document))
    assert len(ours) == len(theirs) == 51
    # Terraform's references are our `exists` needs, but for a registration's second, to the server it is nested in.
    needed = sum(len({need.target for need in r.needs if need.sort == "exists"}) for r in ours.values())
    assert needed - len(references) == 10


def test_a_small_run_prints_every_figure() -> None:
    argv = [sys.executable, "-m", "tests.benchmarks.run", "--n", "10", "--rounds", "1"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
    for task in ("validate", "plan from empty", "no-op plan"):
        assert re.search(rf"^{task} +ours +\d+ ms \(cpu \d+ ms, \d+ MiB\)$", done.stdout, re.MULTILINE)
    assert done.stdout.endswith("all targets met\n")
