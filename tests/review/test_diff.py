"""`reconciler diff`: what a change of configuration means, said without looking at anything but the two of them."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from tests.review.stage import BASE, SAME, commit, git, write

CHANGED = BASE.replace("display_name: Todo", "display_name: To do").replace(", todo.write]", "]")


def test_comments_order_and_style_mean_nothing(reconciler, tmp_path: Path) -> None:
    write(tmp_path / "a", BASE)
    write(tmp_path / "b", SAME)
    assert reconciler("diff", "a", "b", "-detailed-exitcode") == (0, "", "")


def test_how_it_is_split_over_files_means_nothing(reconciler, tmp_path: Path) -> None:
    write(tmp_path / "a", BASE)
    head, _, tail = BASE.partition("mcp_servers:\n  todo")
    write(tmp_path / "b", head)
    write(tmp_path / "b", f"mcp_servers:\n  todo{tail}", "servers.yml")
    assert reconciler("diff", "a", "b") == (0, "", "")


def test_a_renaming_with_moved_means_nothing(reconciler, tmp_path: Path) -> None:
    write(tmp_path / "a", BASE)
    renamed = BASE.replace("  hub: {resource_url", "  center: {resource_url")
    write(tmp_path / "b", renamed + "moved: [{from: mcp_server.hub, to: mcp_server.center}]\n")
    assert reconciler("diff", "a", "b") == (0, "", "")
    write(tmp_path / "c", renamed)
    ran = reconciler("diff", "a", "c")
    assert ran.code == 12
    assert "mcp_server.hub is protected and would be deleted" in ran.out


def test_a_change_is_the_plan_that_it_would_be(reconciler, tmp_path: Path, monkeypatch) -> None:
    """The same actions and steps as a plan where the base is applied; without a look at what the live system adds of
    its own, the same differences too."""
    monkeypatch.setenv("HUB_SECRET", "s")
    declared = "".join(line for line in BASE.splitlines(keepends=True) if "  found:" not in line)
    declared = declared.replace("version: 1", "version: 1\nprovider: {sandbox: {settle_seconds: 0}}")
    write(tmp_path, declared)
    write(tmp_path / "base", declared)
    assert reconciler("apply", "-auto-approve").code == 0
    changed = declared.replace("Todo", "To do").replace(", todo.write]", ", todo.admin]")
    write(tmp_path, changed.replace("client_id: one", "client_id: two"))
    live, remembered, compared = (
        json.loads(reconciler(*arguments, "-format", "json").out)
        for arguments in (("plan",), ("plan", "-refresh=false"), ("diff", "base"))
    )
    assert len(compared["x_steps"]) > 4
    assert compared["x_steps"] == live["x_steps"] == remembered["x_steps"]
    assert _shown(compared, "action", "path") == _shown(live, "action", "path")
    assert _shown(compared, "action", "path", "differences") == _shown(remembered, "action", "path", "differences")


def _shown(plan, *keys: str):
    return [(c["address"], *(c["x_change"].get(key) for key in keys)) for c in plan["resource_changes"]]


def test_what_is_compared_can_never_be_applied(reconciler, tmp_path: Path) -> None:
    write(tmp_path, CHANGED)
    write(tmp_path / "a", BASE)
    (tmp_path / "plan.json").write_text(reconciler("diff", "-format", "json", "a").out)
    assert reconciler("apply", "plan.json").code == 14


def test_the_same_two_give_the_same_bytes(reconciler, tmp_path: Path) -> None:
    write(tmp_path / "a", BASE)
    write(tmp_path / "b", CHANGED)
    for form in ("text", "json", "markdown", "html", "sarif", "junit", "gitlab-codequality"):
        first, again = (reconciler("diff", "-format", form, "a", "b").out for _ in range(2))
        assert first == again
        assert len(first) > 2


def test_exit_codes(reconciler, tmp_path: Path) -> None:
    write(tmp_path / "a", BASE)
    write(tmp_path / "b", CHANGED)
    write(tmp_path / "broken", BASE + "nonsense: 1\n")
    assert reconciler("diff", "a", "b").code == 0
    assert reconciler("diff", "-detailed-exitcode", "a", "b").code == 2
    assert reconciler("diff", "a", "broken").code == 10
    assert reconciler("diff", "a", "nowhere").code == 1


def test_revisions_are_read_without_a_checkout(reconciler, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "hooked").write_text("")
    folder = write(tmp_path / "configs" / "prod", BASE)
    first = commit(tmp_path)
    write(folder, SAME)
    second = commit(tmp_path)
    write(folder, CHANGED)
    os.chdir(folder)
    assert reconciler("diff", first, second) == (0, "", "")
    assert "2 to change" in reconciler("diff", second).out
    assert "2 to change" in reconciler("diff", "HEAD~1").out
    assert (folder / "main.yaml").read_text() == CHANGED


def test_a_configuration_that_is_new_is_compared_with_nothing(reconciler, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    first = commit(tmp_path)
    write(tmp_path, BASE)
    commit(tmp_path)
    assert "7 to add, 0 to change, 0 to destroy" in reconciler("diff", first, "HEAD").out


def test_problems_of_the_base_are_said_to_be_there(reconciler, tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, BASE + "nonsense: 1\n")
    commit(tmp_path)
    write(tmp_path, BASE)
    ran = reconciler("diff", "HEAD")
    assert ran.code == 10
    assert "HEAD:main.yaml:16:1" in ran.err


@pytest.mark.parametrize("revision", ["--output=x", "-p", "nothing", "HEAD:main.yaml", "HEAD --help", "$(id)"])
def test_what_is_no_revision_is_refused(reconciler, tmp_path: Path, revision: str) -> None:
    git(tmp_path, "init", "-q")
    write(tmp_path, BASE)
    commit(tmp_path)
    assert reconciler("diff", "--", revision).code == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == [".git", "main.yaml"]


def test_where_there_is_no_repository_that_is_said(reconciler, tmp_path: Path) -> None:
    write(tmp_path, BASE)
    ran = reconciler("diff", "HEAD")
    assert ran.code == 1 and '"HEAD" is no directory, and git finds no repository to read here' in ran.err
    assert "safe.directory" in ran.err and "shallow" not in ran.err


def test_links_are_not_followed_out_of_a_configuration_under_review(reconciler, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text("password: hunter2\n")
    write(tmp_path / "a", BASE)
    (write(tmp_path / "b", BASE) / "more.yaml").symlink_to("../secret.yaml")
    for arguments in (("a", "b"), ("b", "a")):
        ran = reconciler("diff", *arguments)
        assert ran.code == 1
        assert "more.yaml is a symbolic link" in ran.err
        assert "hunter2" not in ran.out + ran.err
    git(tmp_path / "b", "init", "-q")
    commit(tmp_path / "b")
    os.chdir(tmp_path / "b")
    assert "more.yaml is a symbolic link" in reconciler("diff", "../a", "HEAD").err


def test_nothing_of_a_repository_under_review_is_run(reconciler, tmp_path: Path) -> None:
    """Filters, hooks and monitors of a hostile repository, and a bare repository in its tree."""
    git(tmp_path, "init", "-q")
    write(tmp_path, BASE)
    (tmp_path / ".gitattributes").write_text("*.yaml filter=evil diff=evil\n")
    first = commit(tmp_path)
    script = tmp_path / "evil.sh"
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\ncat\n")
    script.chmod(0o755)
    for key in ("filter.evil.smudge", "filter.evil.clean", "diff.evil.textconv", "core.fsmonitor", "core.pager"):
        git(tmp_path, "config", key, str(script))
    for hook in ("post-checkout", "post-index-change", "reference-transaction"):
        (tmp_path / ".git" / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
        (tmp_path / ".git" / "hooks" / hook).chmod(0o755)
    write(tmp_path, CHANGED)
    assert "2 to change" in reconciler("diff", first).out
    assert not (tmp_path / "pwned").exists()


def test_neither_a_network_nor_credentials_are_needed(reconciler, tmp_path: Path, monkeypatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    okta = "version: 1\nprovider: {okta: {org_url: https://acme.okta.com, auth: {token: {env: NOT_SET}}}}"
    write(tmp_path / "a", BASE.replace("version: 1", okta))
    write(tmp_path / "b", CHANGED.replace("version: 1", okta))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert "2 to change" in reconciler("diff", "a", "b").out


def test_settings_that_change_are_said(reconciler, tmp_path: Path) -> None:
    write(tmp_path / "a", BASE)
    write(tmp_path / "b", BASE + "guards: {max_deletes: 500}\n")
    out = reconciler("diff", "a", "b").out
    assert "guards.max_deletes changes from 3 to 500" in out


def test_imports_forgetting_and_protection(reconciler, tmp_path: Path) -> None:
    write(tmp_path / "a", BASE)
    adopted = BASE + "  old: {resource_url: https://old.example.com, authorization_servers: [todo]}\n"
    write(tmp_path / "b", adopted + "import: [{to: mcp_server.old, id: ems1}]\n")
    assert "1 to import, 1 to add" in reconciler("diff", "a", "b").out
    less = "".join(line for line in BASE.splitlines(keepends=True) if "  found:" not in line)
    write(tmp_path / "c", less + "removed: [{from: mcp_server.found, destroy: false}]\n")
    assert "0 to destroy, 1 to forget" in reconciler("diff", "a", "c").out
    write(tmp_path / "d", BASE.replace(", protect: true", ""))
    assert "protection is turned off" in reconciler("diff", "a", "d").out
