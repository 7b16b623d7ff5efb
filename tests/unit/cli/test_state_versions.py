"""The verbs about versions of the state, as a user calls them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconciler.apply.journal import Link, write_lines
from tests.unit.cli.conftest import Reconciler


def edit(directory: Path, old: str, new: str) -> None:
    path = directory / "reconciler.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


def test_history_tells_who_when_and_which_plan(applied: Path, reconciler: Reconciler) -> None:
    edit(applied, "display_name: Todo", "display_name: Tasks")
    plan = applied / "plan.json"
    assert reconciler("plan", "-out", str(plan)).code == 0
    assert reconciler("apply", str(plan)).code == 0
    ran = reconciler("state", "history")
    assert ran.code == 0, ran
    newest, oldest = ran.out.splitlines()
    fingerprint = json.loads(plan.read_text("utf-8"))["x_fingerprint"]
    assert re.match(rf"\s+2  \d{{4}}-\S+Z  \S+@\S+, apply, plan {fingerprint[:12]}, \d+ resources$", newest), newest
    assert oldest.startswith("     1  ")
    lines = reconciler("state", "history", "-json").out.splitlines()
    told = [entry for entry in map(json.loads, lines) if "serial" in entry]
    assert [entry["serial"] for entry in told] == [2, 1]
    assert told[0]["previous"] == told[1]["sha"]


def test_a_flipped_byte_of_the_past_is_told(applied: Path, reconciler: Reconciler) -> None:
    assert reconciler("state", "rm", "mcp_server.tasks").code == 0
    path = applied / "state" / "default.history" / "1.json"
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data.replace(b"  ", b" \t", 1))
    ran = reconciler("state", "history")
    assert ran.code == 1
    assert "Version 1" in ran.err
    newest, oldest = ran.out.splitlines()
    assert newest.startswith("     2  2")
    assert re.match(r"     1  DAMAGED: Version 1 of \S+ isn't what was written$", oldest), oldest
    lines = [json.loads(line) for line in reconciler("state", "history", "-json").out.splitlines()]
    assert [("damage" in told, told["serial"]) for told in lines if "serial" in told] == [(False, 2), (True, 1)]


def test_a_damaged_state_has_its_history_all_the_same(applied: Path, reconciler: Reconciler) -> None:
    assert reconciler("state", "rm", "mcp_server.tasks").code == 0
    (applied / "state" / "default.json").write_bytes(b"{")
    ran = reconciler("state", "history")
    assert ran.code == 1
    damaged, newest, oldest = ran.out.splitlines()
    assert re.match(r"   now  DAMAGED: The state \S+ is cut off or damaged", damaged), damaged
    assert (newest[:8], oldest[:8]) == ("     2  ", "     1  ")
    assert "DAMAGED" not in newest + oldest
    assert "state repair" in ran.err


def test_rollback_shows_the_plan_first_and_changes_only_the_record(applied: Path, reconciler: Reconciler) -> None:
    assert reconciler("state", "rm", "mcp_server.tasks").code == 0
    shown = reconciler("state", "rollback", "-to", "1")
    assert shown.code == 0, shown
    assert "No changes" in shown.out
    assert "Nothing was changed" in shown.out
    assert "mcp_server.tasks" not in reconciler("state", "list").out
    done = reconciler("state", "rollback", "-to", "1", "-auto-approve")
    assert done.code == 0, done
    assert "mcp_server.tasks" in reconciler("state", "list").out.splitlines()
    assert reconciler("plan", "-detailed-exitcode").code == 0
    assert [line.split()[0] for line in reconciler("state", "history").out.splitlines()] == ["3", "2", "1"]
    assert reconciler("state", "rollback", "-to", "9").code == 1


def test_repair_puts_the_newest_sound_version_back(applied: Path, reconciler: Reconciler) -> None:
    assert "Nothing is damaged" in reconciler("state", "repair").out
    state = applied / "state" / "default.json"
    listed = reconciler("state", "list").out
    data = state.read_bytes()
    state.unlink()
    state.write_bytes(data[: len(data) // 2])
    assert reconciler("plan").code == 1
    told = reconciler("state", "repair")
    assert "cut off or damaged" in told.out
    assert told.code == 1
    assert "nothing was changed" in told.err
    assert state.read_bytes() == data[: len(data) // 2]
    assert reconciler("state", "repair", "-auto-approve").code == 0
    assert state.read_bytes() == data
    assert (applied / "state" / "default.damaged.json").read_bytes() == data[: len(data) // 2]
    assert reconciler("state", "list").out == listed
    assert reconciler("plan", "-detailed-exitcode").code == 0


def test_repair_brings_a_lost_state_back(applied: Path, reconciler: Reconciler) -> None:
    state = applied / "state" / "default.json"
    data = state.read_bytes()
    assert reconciler("state", "rm", "mcp_server.tasks").code == 0
    newest = state.read_bytes()
    state.unlink()
    assert reconciler("plan").code == 1
    assert reconciler("state", "repair", "-auto-approve").code == 0
    assert state.read_bytes() == newest != data


def test_repair_leaves_alone_what_a_newer_program_wrote(applied: Path, reconciler: Reconciler) -> None:
    state = applied / "state" / "default.json"
    state.write_bytes(state.read_bytes().replace(b'"min_reader": 1', b'"min_reader": 99'))
    newer = state.read_bytes()
    ran = reconciler("state", "repair", "-auto-approve")
    assert ran.code == 1
    assert "which knows formats up to" in ran.err
    assert state.read_bytes() == newer


def test_a_journal_of_a_newer_program_is_left_to_it(
    applied: Path, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = applied / "state" / "default.journal"
    with monkeypatch.context() as later:
        later.setattr("reconciler.apply.journal.FORMAT", 2)
        later.setattr("reconciler.apply.journal._TOOL", "reconciler 9.1.0")
        journal.write_bytes(write_lines([{"kind": "begun", "op": "create", "address": "mcp_server.new"}], Link())[0])
    newer = journal.read_bytes()
    for command in (["plan"], ["apply", "-auto-approve"], ["state", "repair", "-auto-approve"]):
        ran = reconciler(*command)
        assert ran.code == 1
        told = " ".join(ran.err.replace("│", " ").split())
        assert "was written by reconciler 9.1.0, in format 2" in told and "Resume with that version" in told
        assert journal.read_bytes() == newer


def test_repair_leaves_alone_what_it_cannot_read(applied: Path, reconciler: Reconciler) -> None:
    state = applied / "state" / "default.json"
    state.unlink()
    state.mkdir()
    ran = reconciler("state", "repair", "-auto-approve")
    assert ran.code == 1
    assert "can't be read" in ran.err
    assert "internal" not in ran.err
    assert state.is_dir()


def test_repair_cuts_the_journal_off_where_it_is_damaged(applied: Path, reconciler: Reconciler) -> None:
    journal = applied / "state" / "default.journal"
    journal.write_bytes(b"no entry\n")
    assert reconciler("plan").code == 1
    ran = reconciler("state", "repair", "-auto-approve")
    assert ran.code == 0, ran
    assert "Line 1 of the journal" in ran.out
    assert journal.read_bytes() == b""
    assert (applied / "state" / "default.damaged.journal").read_bytes() == b"no entry\n"
    assert reconciler("plan", "-detailed-exitcode").code == 0


def test_a_document_that_was_edited_is_not_pushed(applied: Path, reconciler: Reconciler) -> None:
    (applied / "edited.json").write_text(reconciler("state", "pull").out.replace("tasks", "chores"), "utf-8")
    ran = reconciler("state", "push", "-force", "edited.json")
    assert ran.code == 1
    assert "`state mv`" in ran.err and "repair" not in ran.err


def test_migrate_refuses_the_store_in_use(applied: Path, reconciler: Reconciler) -> None:
    ran = reconciler("state", "migrate", "-to", "file: {path: state}")
    assert ran.code == 1
    assert "already" in ran.err and "locked" not in ran.err


def test_migrate_says_what_stays_behind_on_this_machine(applied: Path, reconciler: Reconciler) -> None:
    told = reconciler("state", "migrate", "-to", "file: {path: elsewhere}").out
    database = applied / "state" / "default.sandbox.db"
    assert "state/default.sandbox.db" in told.replace("\n", " ")
    database.rename(applied / "elsewhere" / "default.sandbox.db")
    edit(applied, "version: 1\n", "version: 1\nstate: {file: {path: elsewhere}}\n")
    assert reconciler("plan", "-detailed-exitcode").code == 0


def use(directory: Path, store: str) -> None:
    """Have the configuration name that store."""
    path = directory / "reconciler.yaml"
    lines = [line for line in path.read_text("utf-8").splitlines(keepends=True) if not line.startswith("state:")]
    path.write_text("".join([*lines, f"state: {{{store}}}\n"]), "utf-8")


def test_migrate_moves_everything_to_another_store_and_back(applied: Path, reconciler: Reconciler) -> None:
    files, database, other = "file: {path: state}", "sqlite: {path: kept/state.db}", "file: {path: elsewhere}"
    assert reconciler("state", "mv", "mcp_server.tasks", "mcp_server.chores").code == 0
    edit(applied, "  tasks:", "  chores:")
    before = reconciler("state", "pull").out, reconciler("state", "history").out
    ran = reconciler("state", "migrate", "-to", database)
    assert ran.code == 0, ran
    assert f"state: {{{database}}}" in ran.out
    use(applied, database)
    assert (reconciler("state", "pull").out, reconciler("state", "history").out) == before
    assert reconciler("plan", "-detailed-exitcode").code == 0
    state = applied / "state" / "default.history" / "2.json"
    again = reconciler("state", "migrate", "-to", other)
    assert again.code == 0, again
    assert (applied / "elsewhere" / "default.json").read_bytes() == state.read_bytes()
    use(applied, other)
    assert reconciler("state", "rm", "mcp_server.chores").code == 0
    assert reconciler("state", "migrate", "-to", files).code == 0, "back to where it once was"
    use(applied, files)
    assert [line.split()[0] for line in reconciler("state", "history").out.splitlines()] == ["3", "2", "1"]
    assert reconciler("state", "migrate", "-to", database).code == 0
    assert reconciler("state", "migrate", "-to", "floppy: {}").code == 10
    use(applied, "sqlite: {path: kept/other.db}")
    (applied / "pulled.json").write_text(before[0], "utf-8")
    assert reconciler("state", "push", "pulled.json").code == 0
    for taken in (files, database):
        assert "holds another state" in reconciler("state", "migrate", "-to", taken).err


def test_whoever_goes_on_with_a_state_that_was_moved_is_refused(applied: Path, reconciler: Reconciler) -> None:
    listed = reconciler("state", "list").out
    assert reconciler("state", "migrate", "-to", "sqlite: {path: kept/state.db}").code == 0
    push = ["state", "push", "-force", "state/default.history/1.json"]
    for verb in (["plan"], ["apply", "-auto-approve"], ["drift"], ["state", "list"], push):
        ran = reconciler(*verb)
        assert ran.code == 1, verb
        assert "was moved to" in ran.err and "kept/state.db" in ran.err.replace("\n", " "), ran
    moved, *versions = reconciler("state", "history").out.splitlines()
    assert moved.startswith("   now  The state ") and "was moved to" in moved
    assert [line.split()[0] for line in versions] == ["1"]
    assert "DAMAGED" not in "".join([moved, *versions])
    shown = reconciler("state", "repair")
    assert (shown.code, "was moved to" in shown.out) == (1, True)
    assert reconciler("state", "repair", "-auto-approve").code == 0, "the new place was lost"
    assert reconciler("state", "list").out == listed
    assert "holds another state" not in reconciler("state", "migrate", "-to", "sqlite: {path: kept/state.db}").err


def test_migrate_never_leaves_the_only_place_there_is(applied: Path, reconciler: Reconciler) -> None:
    (applied / "link").symlink_to(applied / "state")
    before = reconciler("state", "list").out
    assert "locked" in reconciler("state", "migrate", "-to", "file: {path: link}").err
    ran = reconciler("state", "migrate", "-lock=false", "-to", "file: {path: link}")
    assert ran.code == 1
    assert "is the same place" in ran.err
    assert reconciler("state", "list").out == before


def test_a_store_that_is_not_a_file_carries_a_whole_life(configured: Path, reconciler: Reconciler) -> None:
    edit(configured, "version: 1\n", "version: 1\nstate: {sqlite: {path: state.db}}\n")
    assert reconciler("apply", "-auto-approve").code == 0
    assert reconciler("plan", "-detailed-exitcode").code == 0
    assert reconciler("workspace", "new", "prod").code == 0
    assert reconciler("workspace", "list").out.split() == ["default", "*", "prod"]
    assert reconciler("state", "list").out == ""
    assert reconciler("workspace", "select", "default").code == 0
    assert "mcp_server.todo" in reconciler("state", "list").out
    assert reconciler("force-unlock", "any").code == 13
    assert reconciler("destroy", "-auto-approve", "-allow", "mass-deletion").code == 0
    assert reconciler("state", "list").out == ""


def test_what_one_repair_kept_the_next_one_leaves_alone(applied: Path, reconciler: Reconciler) -> None:
    state = applied / "state" / "default.json"
    for content in (b"first", b"second"):
        state.write_bytes(content)
        assert reconciler("state", "repair", "-auto-approve").code == 0
    kept = [applied / "state" / f"default.damaged{number}.json" for number in ("", "-2")]
    assert [path.read_bytes() for path in kept] == [b"first", b"second"]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}, "it holds the key of the fingerprints"
