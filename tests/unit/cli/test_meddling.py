"""A state that was edited by hand, a place that can't be used, a secret that can't be read: told, and nothing lost."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.sandbox.database import Database
from tests.unit.cli.conftest import Ran, Reconciler
from tests.unit.cli.test_state_versions import edit

Resources = dict[str, dict[str, Any]]


def told(ran: Ran) -> str:
    return " ".join((ran.err + ran.out).replace("│", " ").split())


def forge(directory: Path, change: Callable[[Resources], None]) -> None:
    """Edit the state by hand, and make its checksum right again."""
    path = directory / "state" / "default.json"
    document = json.loads(path.read_text("utf-8"))
    change({resource["address"]: resource for resource in document["resources"]})
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    # The file is a link to the version that is kept: whoever edits it replaces it.
    path.unlink()
    path.write_text(json.dumps({**document, "sha256": hashlib.sha256(text.encode()).hexdigest()}, indent=2), "utf-8")


def there(directory: Path) -> list[str]:
    database = Database(str(directory / "state" / "default.sandbox.db"))
    try:
        return sorted(item.id for kind in ("mcp_server", "association") for item in database.items(kind))
    finally:
        database.close()


# -------------------------------------------------------------------------------------------------------- the state


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (lambda held: held["mcp_server.todo"]["attributes"].update(display_name="Forged"), '"Forged" -> "Todo"'),
        (lambda held: held["mcp_server.todo"].update(status="INACTIVE"), "INACTIVE -> ACTIVE"),
    ],
)
def test_what_was_forged_shows_as_drift(
    applied: Path, reconciler: Reconciler, change: Callable[[Resources], None], shown: str
) -> None:
    before = there(applied)
    forge(applied, change)
    planned = reconciler("plan")
    assert planned.code == 0, planned
    assert shown in planned.out and "Objects have changed outside of reconciler" in planned.out
    drifted = reconciler("drift")
    assert drifted.code == 2, drifted
    assert "mcp_server.todo" in drifted.out
    assert "Who did it is not known" in told(drifted) and "isn't what was written" in told(drifted)
    assert reconciler("apply", "-auto-approve").code == 0
    assert there(applied) == before


def test_a_forged_id_is_looked_for_and_nothing_is_made_in_its_place(applied: Path, reconciler: Reconciler) -> None:
    before = there(applied)
    forge(applied, lambda held: held["mcp_server.todo"].update(id="ems0000"))
    for command in (["plan"], ["apply", "-auto-approve"]):
        ran = reconciler(*command)
        assert ran.code == 1
        assert "mcp_server.todo has been deleted" in told(ran)
        assert "mcp_server.todo exists already" in told(ran) and "id: ems" in told(ran)
    assert there(applied) == before


def test_ids_that_were_exchanged_delete_nothing_by_themselves(applied: Path, reconciler: Reconciler) -> None:
    def exchange(held: Resources) -> None:
        one, other = held["mcp_server.todo"], held["mcp_server.tasks"]
        one["id"], other["id"] = other["id"], one["id"]

    before = there(applied)
    forge(applied, exchange)
    ran = reconciler("apply", "-auto-approve")
    assert ran.code == 12
    assert "resource_url" in told(ran) and "agents lose it meanwhile" in told(ran)
    assert there(applied) == before


# -------------------------------------------------------------------------------------------------------- its place


def in_the_way(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "kept").write_text("", "utf-8")


def linked(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (directory / "kept").mkdir()
    (directory / "elsewhere.json").write_text("{}", "utf-8")
    (directory / "kept" / "default.json").symlink_to(directory / "elsewhere.json")


def refusing(number: int) -> Callable[[Path, pytest.MonkeyPatch], None]:
    def refuse(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As for somebody who may not write there; whoever runs these tests may write anywhere."""
        real = os.open

        def opened(path: Any, flags: int, *more: Any, **named: Any) -> int:
            if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and Path(path).parent == Path("kept"):
                raise OSError(number, os.strerror(number), str(path))
            return real(path, flags, *more, **named)

        (directory / "kept").mkdir()
        monkeypatch.setattr(os, "open", opened)

    return refuse


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (in_the_way, "kept"),
        (linked, "kept/default.json is a symbolic link"),
        (refusing(errno.EROFS), "Read-only file system"),
        (refusing(errno.EACCES), "Permission denied"),
    ],
    ids=["a file", "a link", "read-only", "another's"],
)
def test_a_place_that_can_not_be_used_is_told_before_anybody_is_asked(
    configured: Path,
    reconciler: Reconciler,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Path, pytest.MonkeyPatch], None],
    words: str,
) -> None:
    edit(configured, "settle_seconds: 0}}", "settle_seconds: 0, db: org.db}}\nstate: {file: {path: kept}}")
    trouble(configured, monkeypatch)
    ran = reconciler("apply", "-auto-approve")
    assert ran.code == 1, ran
    assert words in told(ran)
    assert not (configured / "org.db").exists(), "the live system was not asked"


# ---------------------------------------------------------------------------------------------- variables and secrets


def test_a_plan_is_stale_once_a_default_is_another(configured: Path, reconciler: Reconciler) -> None:
    edit(configured, "display_name: Todo", "display_name: '${var.name}, ${var.other}'")
    declared = "variables: {name: {type: string, default: One}, other: {type: string}}"
    edit(configured, "version: 1\n", f"version: 1\n{declared}\n")
    assert reconciler("plan", "-var", "other=given", "-out", "p.json").code == 0
    edit(configured, "default: One", "default: Two")
    ran = reconciler("apply", "p.json")
    assert ran.code == 14, ran
    assert "The configuration, or a variable, has changed" in told(ran)
    edit(configured, "default: Two", "default: One")
    assert reconciler("apply", "p.json").code == 0, "what was given is remembered"
    assert '"One, given"' in reconciler("show", "-var", "other=x").out


CLIENTS = """\
  hub:
    type: external
    issuer: https://hub.example.com
    authorization_endpoint: https://hub.example.com/authorize
    token_endpoint: https://hub.example.com/token
client_registrations:
  app: {authorization_server: hub, client_id: abc, client_secret: {file: secret}}
mcp_servers:
  hub: {resource_url: https://mcp.hub.example.com/mcp, authorization_servers: [hub]}
"""


def test_a_secret_that_can_not_be_read_stops_an_apply_before_it_writes_anything(
    configured: Path, reconciler: Reconciler
) -> None:
    edit(configured, "mcp_servers:\n", CLIENTS)
    ran = reconciler("plan")
    assert ran.code == 0 and "file:secret" in told(ran), "a plan only warns"
    ran = reconciler("apply", "-auto-approve")
    assert ran.code == 11, ran
    assert "file:secret" in told(ran)
    assert there(configured) == []
    (configured / "secret").write_text("sent with a newline at its end\n", "utf-8")
    assert reconciler("apply", "-auto-approve").code == 0
    (configured / "secret").write_text("sent with a newline at its end", "utf-8")
    assert reconciler("plan", "-detailed-exitcode").code == 0, "which doesn't count"
    (configured / "secret").write_text("another\n", "utf-8")
    ran = reconciler("plan", "-detailed-exitcode")
    assert ran.code == 2 and "secret changed" in ran.out
