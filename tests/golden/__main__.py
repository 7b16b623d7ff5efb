"""`python -m tests.golden DIRECTORY`: what this version leaves behind when it is killed in the middle of an apply.

To be kept for every format of the state and of the journal, and never to be written again once a version with that
format is out: test_golden.py has every later version resume from it.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import chdir, closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from reconciler.cli.main import main
from reconciler.sandbox.control import KINDS
from reconciler.sandbox.database import Database
from reconciler.stores.kept import KeptStore

FIRST = """\
version: 1
provider: {sandbox: {settle_seconds: 0}}
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read]}
  hub:
    type: external
    issuer: https://hub.example.com
    authorization_endpoint: https://hub.example.com/authorize
    token_endpoint: https://hub.example.com/token
client_registrations:
  app: {authorization_server: hub, client_id: abc, client_secret: {env: APP_SECRET}}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, display_name: Todo, authorization_servers: [todo], protect: true}
  hub: {resource_url: https://mcp.hub.example.com/mcp, authorization_servers: [hub]}
  old: {resource_url: https://old.example.com/mcp, authorization_servers: [todo]}
"""
SECOND = (
    FIRST.replace("display_name: Todo", "display_name: Tasks")
    .replace("  old: {resource_url: https://old", "  tidy: {resource_url: https://old")
    .replace("version: 1\n", "version: 1\nmoved: [{from: mcp_server.old, to: mcp_server.tidy}]\n")
    + "  mail: {resource_url: https://mail.example.com/mcp, authorization_servers: [hub]}\n"
    + "  late: {resource_url: https://late.example.com/mcp, authorization_servers: [todo]}\n"
)
UNHEARD = "mcp_server.mail/client_registration.app"
"""What is made, and killed before its being made is written down."""


def dying(store: KeptStore, entries: Sequence[Mapping[str, Any]], append: Any = KeptStore.append) -> None:
    if any(entry["address"] == UNHEARD and entry["kind"] == "done" for entry in entries):
        os._exit(9)
    append(store, entries)


def leave(directory: Path) -> None:
    """In `directory`: the configuration, state/, and the live system in live.json."""
    with tempfile.TemporaryDirectory() as name, chdir(name):
        project = Path(name)
        (project / "reconciler.yaml").write_text(FIRST, "utf-8")
        assert main(["apply", "-auto-approve"]) == 0
        (project / "reconciler.yaml").write_text(SECOND, "utf-8")
        child = os.fork()
        if child == 0:
            KeptStore.append = dying  # type: ignore[method-assign, assignment]
            main(["apply", "-auto-approve", "-parallelism=1"])
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        directory.mkdir(parents=True)
        shutil.copy(project / "reconciler.yaml", directory)
        kept = shutil.ignore_patterns("*.db*", "*.lock", "*.evidence.json")
        shutil.copytree(project / "state", directory / "state", ignore=kept)
        with closing(Database(str(project / "state" / "default.sandbox.db"))) as database:
            items = [asdict(item) for kind in KINDS for item in database.items(kind)]
            there = {"facts": {name: database.fact(name) for name in ("seed", "sequence")}, "objects": items}
        (directory / "live.json").write_text(json.dumps(there, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    os.environ["APP_SECRET"] = "golden"
    leave(Path(sys.argv[1]).resolve())
