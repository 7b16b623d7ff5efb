"""Each verb by itself: what it prints, what it changes, how it exits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import jsonschema
import pytest

from reconciler import project
from reconciler.cli.main import VERBS
from reconciler.render.json import event_schema
from tests.unit.cli.conftest import CONFIGURATION, Reconciler

ADDRESSES = [
    "authorization_server.todo",
    "mcp_server.tasks",
    "mcp_server.tasks/authorization_server.todo",
    "mcp_server.todo",
    "mcp_server.todo/authorization_server.todo",
]


def edit(place: Path, old: str, new: str) -> None:
    file = place / "reconciler.yaml"
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")


def test_without_a_verb_the_verbs_are_listed(reconciler: Reconciler) -> None:
    run = reconciler()
    assert run.code == 0 and "force-unlock" in run.out


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(reconciler: Reconciler, verb: str) -> None:
    run = reconciler(verb, "-help")
    assert run.code == 0 and run.out.startswith(f"Usage: reconciler {verb}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("plna", "Did you mean plan?"),
        ("plan -detailed-exitcod", "--detailed-exitcode"),
        ("plan -target=nonsense", '"nonsense" is not an address'),
        ("plan -lock-timeout=soon", '"soon" is not a duration'),
        ("plan -destroy -refresh-only", "exclude each other"),
        ("-C nowhere plan", '"nowhere" can\'t be entered'),
        ("plan -parallelism=0", "parallelism"),
        ("plan -allow=anything", "'mass-deletion'"),
        ("plan -C x", "reconciler -C DIR plan"),
        ("-chdir=x plan", "reconciler -C DIR"),
        ("import mcp_server.a ems1", "`import:` block"),
        ("taint mcp_server.a", "-replace=ADDRESS"),
        ("schema", "Choose from: config, plan"),
        ("state", ""),
    ],
)
def test_a_mistake_on_the_command_line_exits_1_with_a_word_of_advice(
    reconciler: Reconciler, arguments: str, words: str
) -> None:
    run = reconciler(*arguments.split())
    assert run.code == 1 or arguments == "state"
    assert words in " ".join(run.err.replace("│", " ").split())


def test_init_writes_a_configuration_that_applies(reconciler: Reconciler, tmp_path: Path) -> None:
    assert reconciler("init").code == 0
    assert (tmp_path / ".gitignore").read_text("utf-8") == "state/\n"
    assert reconciler("fmt", "-check").code == 0
    assert reconciler("apply", "-auto-approve").code == 0
    assert reconciler("plan", "-detailed-exitcode").code == 0


def test_init_leaves_what_is_there_alone(reconciler: Reconciler, configured: Path) -> None:
    refused = reconciler("init")
    assert refused.code == 1 and "There is a configuration here already" in refused.err
    assert (configured / "reconciler.yaml").read_text("utf-8") == CONFIGURATION


def test_init_takes_no_directory_with_other_things(reconciler: Reconciler, tmp_path: Path) -> None:
    (tmp_path / "main.tf").touch()
    assert "it has main.tf" in reconciler("init").err
    assert not (tmp_path / "reconciler.yaml").exists()


def test_init_adds_to_the_ignored_files_once(reconciler: Reconciler, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_text("*.log", "utf-8")
    reconciler("init")
    (tmp_path / "reconciler.yaml").unlink()
    reconciler("init")
    assert (tmp_path / ".gitignore").read_text("utf-8") == "*.log\nstate/\n"


def test_validate_as_terraforms_document(reconciler: Reconciler, configured: Path) -> None:
    assert json.loads(reconciler("validate", "-json").out)["valid"] is True
    edit(configured, "display_name", "display_nam")
    run = reconciler("validate", "-json")
    document = json.loads(run.out)
    assert run.code == 10 and document["error_count"] == 1
    assert document["diagnostics"][0]["range"]["start"]["line"] == 6


def test_fmt_rewrites_and_names_what_changed(reconciler: Reconciler, configured: Path) -> None:
    edit(configured, "version: 1\n", "version:   1   \n\n\n\n")
    before = (configured / "reconciler.yaml").read_bytes()
    check = reconciler("fmt", "-check")
    assert (check.code, check.out) == (3, "reconciler.yaml\n")
    assert (configured / "reconciler.yaml").read_bytes() == before
    assert reconciler("fmt").out == "reconciler.yaml\n"
    assert reconciler("fmt", "-check")[:2] == (0, "")


def test_plan_saves_what_apply_performs(reconciler: Reconciler, configured: Path) -> None:
    assert reconciler("plan", "-out=p.json", "-detailed-exitcode").code == 2
    shown = reconciler("show", "p.json")
    assert shown.code == 0 and "Plan: 5 to add, 0 to change, 0 to destroy." in shown.out
    document = json.loads(reconciler("show", "-json", "p.json").out)
    assert [change["address"] for change in document["resource_changes"]] == ADDRESSES
    performed = reconciler("apply", "p.json")
    assert performed.code == 0 and "Resources: 5 added" in performed.out


@pytest.mark.parametrize("content", [b"", b"{}", b"[", b"\xff", b'{"format_version": "1.2"}'])
def test_a_file_that_is_no_plan_is_refused(reconciler: Reconciler, configured: Path, content: bytes) -> None:
    (configured / "p.json").write_bytes(content)
    for verb in ("show", "apply"):
        run = reconciler(verb, "p.json")
        assert run.code in (1, 14) and run.err and not run.out
    assert "can't be read" in reconciler("apply", "missing.json").err


def test_apply_asks_nobody_where_nobody_is(
    reconciler: Reconciler, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for arguments in ([], ["-input=false"], ["-json"]):
        run = reconciler("apply", *arguments)
        assert run.code == 1
        assert "Nobody is there to approve" in run.err + run.out
    assert reconciler("state", "list").out == ""


@pytest.mark.parametrize(
    "option", ["-target=mcp_server.todo", "-exclude=mcp_server.todo", "-destroy", "-refresh=false", "-refresh-only"]
)
def test_a_saved_plan_takes_no_option_that_would_have_made_it_another(
    reconciler: Reconciler, configured: Path, option: str
) -> None:
    assert reconciler("plan", "-out", "p.json").code == 0
    refused = reconciler("apply", option, "p.json")
    assert refused.code == 1
    assert f"{option.partition('=')[0]}" in refused.err and "give it to plan" in " ".join(refused.err.split())
    assert reconciler("state", "list").out == ""
    assert reconciler("apply", "-parallelism=1", "-input=false", "p.json").code == 0


def test_the_event_stream_keeps_to_its_schema(reconciler: Reconciler, configured: Path) -> None:
    valid = jsonschema.Draft202012Validator(event_schema())
    runs = [reconciler("plan", "-json"), reconciler("apply", "-json", "-auto-approve"), reconciler("plan", "-json")]
    edit(configured, "display_name", "display_nam")
    runs.append(reconciler("plan", "-json"))
    for run in runs:
        assert run.err == ""
        lines = [json.loads(line) for line in run.out.splitlines()]
        for line in lines:
            valid.validate(line)
        assert lines[0]["type"] == "version"
    summaries = [line["changes"] for run in runs for line in map(json.loads, run.out.splitlines()) if "changes" in line]
    assert [(s["add"], s["operation"]) for s in summaries] == [(5, "plan"), (5, "plan"), (5, "apply"), (0, "plan")]
    assert json.loads(runs[-1].out.splitlines()[-1])["diagnostic"]["x_code"].startswith("config.")


def test_target_and_exclude_narrow_the_plan(reconciler: Reconciler, configured: Path) -> None:
    assert "Plan: 3 to add" in reconciler("plan", "-target=mcp_server.todo").out
    assert "Plan: 3 to add" in reconciler("plan", "-exclude", "mcp_server.tasks").out
    assert reconciler("plan", "-target=mcp_server.todp").code != 0


def test_variables_from_the_command_line_files_and_the_environment(
    reconciler: Reconciler, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edit(configured, "display_name: Todo", 'display_name: "${var.name}"')
    edit(configured, "version: 1\n", "version: 1\nvariables: {name: {type: string}}\n")
    assert reconciler("validate").code == 10
    monkeypatch.setenv("RECONCILER_VAR_name", "from the environment")
    assert '"from the environment"' in reconciler("plan").out
    (configured / "more.yml.vars").write_text("name: from a file\n", "utf-8")
    assert '"from a file"' in reconciler("plan", "-var-file=more.yml.vars").out
    assert '"from here"' in reconciler("plan", "-var-file", "more.yml.vars", "-var", "name=from here").out
    assert "-var takes NAME=VALUE" in reconciler("plan", "-var", "name").err


def test_a_plan_remembers_its_variables(reconciler: Reconciler, configured: Path) -> None:
    edit(configured, "display_name: Todo", 'display_name: "${var.name}"')
    edit(configured, "[todo.read]", '"${var.scopes}"')
    edit(configured, "version: 1\n", "version: 1\nvariables: {name: {type: string}, scopes: {type: list}}\n")
    given = ("-var", "name=first", "-var", 'scopes=["a", "b"]')
    assert reconciler("plan", "-out=p.json", *given).code == 0
    other = reconciler("apply", "p.json", "-var", "name=second", *given[2:])
    assert other.code == 14, other
    run = reconciler("apply", "p.json")
    assert run.code == 0, run
    assert '"first"' in reconciler("show", *given).out


def test_show_is_the_state_without_a_file(reconciler: Reconciler, configured: Path) -> None:
    assert reconciler("show").out.startswith("The state is empty.")
    assert json.loads(reconciler("show", "-json").out).get("values") is None
    reconciler("apply", "-auto-approve")
    assert "# mcp_server.todo:\n" in reconciler("show").out
    resources = json.loads(reconciler("show", "-json").out)["values"]["root_module"]["resources"]
    assert [resource["address"] for resource in resources] == ADDRESSES
    assert [resource["values"]["status"] for resource in resources if resource["type"] == "mcp_server"] == [
        "INACTIVE",
        "ACTIVE",
    ]


@pytest.mark.parametrize(
    ("given", "advised"),
    [
        ("mcp_server.todo", True),
        ("mcp_server.todo/authorization_server.todo", True),
        ("plan.json", False),
        ("mcp_server.", False),
    ],
)
def test_show_of_an_address_points_to_state_show(reconciler: Reconciler, given: str, advised: bool) -> None:
    ran = reconciler("show", given)
    assert ran.code == 1 and f"{given} can't be read: No such file or directory" in ran.err
    assert (f"`reconciler state show {given}` shows what is recorded" in " ".join(ran.err.split())) is advised


def test_state_list_and_show(reconciler: Reconciler, applied: Path) -> None:
    assert reconciler("state", "list").out.split() == ADDRESSES
    assert reconciler("state", "list", "mcp_server.todo").out.split() == ADDRESSES[3:]
    remote = json.loads(reconciler("show", "-json").out)["values"]["root_module"]["resources"][3]["values"]["id"]
    assert reconciler("state", "list", "-id", remote).out.split() == ["mcp_server.todo"]
    assert remote in reconciler("state", "show", "mcp_server.todo").out
    missing = reconciler("state", "show", "mcp_server.tod")
    assert missing.code == 1 and "Did you mean mcp_server.todo?" in missing.err


def test_state_mv_renames_so_that_a_renamed_block_changes_nothing(reconciler: Reconciler, applied: Path) -> None:
    edit(applied, "  todo: {resource_url", "  list: {resource_url")
    assert reconciler("state", "mv", "mcp_server.todo", "mcp_server.list").code == 0
    run = reconciler("plan", "-detailed-exitcode")
    assert run.code == 0, run.out


def test_state_rm_forgets_and_leaves_the_object_there(reconciler: Reconciler, applied: Path) -> None:
    run = reconciler("state", "rm", "mcp_server.tasks")
    assert run.out.splitlines() == [f"Forgot {address}." for address in ADDRESSES[1:3]]
    planned = reconciler("plan")
    assert "import" in planned.err + planned.out


def test_state_goes_out_and_in_again(reconciler: Reconciler, applied: Path) -> None:
    pulled = reconciler("state", "pull")
    document = json.loads(pulled.out)
    assert document["version"] == 1000
    (applied / "s.json").write_text(pulled.out, "utf-8")
    reconciler("state", "rm", "mcp_server.tasks")
    older = reconciler("state", "push", "s.json")
    assert older.code == 14 and "older" in older.err
    assert reconciler("state", "push", "-force", "s.json").code == 0
    assert reconciler("plan", "-detailed-exitcode").code == 0
    (applied / "state" / "default.json").unlink()
    (applied / "state" / "default.json.backup").unlink()
    assert "There is no state" in reconciler("state", "pull").err


def test_an_import_adopts_what_is_there(reconciler: Reconciler, applied: Path) -> None:
    resources = json.loads(reconciler("show", "-json").out)["values"]["root_module"]["resources"]
    ids = {resource["address"]: resource["values"]["id"] for resource in resources[3:]}
    reconciler("state", "rm", "mcp_server.todo")
    with (applied / "reconciler.yaml").open("a", encoding="utf-8") as file:
        file.write("import:\n" + "".join(f"  - {{to: {address}, id: {name}}}\n" for address, name in ids.items()))
    edit(applied, "display_name: Todo", "display_name: Tasks")
    planned = reconciler("plan")
    assert "Plan: 2 to import, 0 to add, 1 to change, 0 to destroy." in planned.out, planned
    run = reconciler("apply", "-auto-approve")
    assert run.code == 0 and "Resources: 2 imported, 0 added, 1 changed, 0 destroyed." in run.out, run
    assert reconciler("plan", "-detailed-exitcode").code == 0


def test_refresh_only_records_what_changed_outside(reconciler: Reconciler, applied: Path) -> None:
    assert reconciler("plan", "-refresh-only", "-detailed-exitcode").code == 0
    database = applied / "state" / "default.sandbox.db"
    database.unlink()
    drifted = reconciler("plan", "-refresh-only", "-detailed-exitcode")
    assert drifted.code == 2 and "has been deleted" in drifted.out
    assert reconciler("apply", "-refresh-only", "-auto-approve").code == 0
    assert reconciler("state", "list").out == ""


def test_without_refresh_the_state_is_believed(reconciler: Reconciler, applied: Path) -> None:
    (applied / "state" / "default.sandbox.db").unlink()
    assert reconciler("plan", "-refresh=false", "-detailed-exitcode").code == 0
    assert reconciler("plan", "-detailed-exitcode").code == 2


def test_workspaces_keep_apart(reconciler: Reconciler, applied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert reconciler("workspace", "new", "eu").code == 0
    assert reconciler("workspace", "list").out.splitlines() == ["  default", "* eu"]
    assert reconciler("state", "list").out == ""
    assert reconciler("workspace", "select", "default").code == 0
    assert len(reconciler("state", "list").out.split()) == 5
    monkeypatch.setenv("RECONCILER_WORKSPACE", "eu")
    assert reconciler("workspace", "show").out == "eu\n"
    assert reconciler("workspace", "select", "nowhere").code == 1
    monkeypatch.setenv("RECONCILER_WORKSPACE", "../up")
    assert reconciler("plan").code == 1


def test_a_selection_that_the_environment_overrules_is_no_silent_success(
    reconciler: Reconciler, applied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECONCILER_WORKSPACE", "default")
    for words in (("new", "eu"), ("select", "eu")):
        ran = reconciler("workspace", *words)
        assert ran.code == 0 and 'RECONCILER_WORKSPACE is set, so "default" stays the workspace in use' in ran.err
    assert reconciler("workspace", "select", "default").err == ""


@pytest.mark.parametrize("store", ["file: {path: state}", "sqlite: {path: state.db}"])
def test_a_workspace_without_a_state_that_only_the_environment_names_is_doubted(
    reconciler: Reconciler, configured: Path, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    edit(configured, "version: 1\n", f"version: 1\nstate: {{{store}}}\n")
    monkeypatch.setenv("RECONCILER_WORKSPACE", "production")
    assert "has no state yet" not in reconciler("plan").err
    assert reconciler("apply", "-auto-approve").code == 0
    for named, advice in (("producton", "Did you mean production?"), ("zzz", "There is production.")):
        monkeypatch.setenv("RECONCILER_WORKSPACE", named)
        ran = reconciler("plan")
        assert f'RECONCILER_WORKSPACE names the workspace "{named}", which has no state yet' in ran.err
        assert ran.code == 0 and advice in ran.err
    assert reconciler("apply", "-auto-approve").code == 0
    assert "has no state yet" not in reconciler("plan").err
    monkeypatch.delenv("RECONCILER_WORKSPACE")
    assert "has no state yet" not in reconciler("plan").err


def test_a_sandbox_that_cannot_be_removed_is_told(
    reconciler: Reconciler, applied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    ran = reconciler("sandbox", "reset")
    assert ran.code == 1 and "default.sandbox.db can't be removed: Permission denied" in ran.err


def test_a_plan_of_another_workspace_is_stale(
    reconciler: Reconciler, applied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reconciler("plan", "-out=p.json", "-destroy")
    reconciler("workspace", "new", "eu")
    assert reconciler("apply", "p.json").code == 14


def test_reset_empties_the_embedded_sandbox_only(reconciler: Reconciler, applied: Path) -> None:
    assert reconciler("sandbox", "reset").code == 0
    assert "Plan: 5 to add" in reconciler("plan").out
    assert len(reconciler("state", "list").out.split()) == 5
    edit(applied, "sandbox: {settle_seconds: 0}", "okta: {org_url: https://a.okta.com, auth: {token: {env: T}}}")
    assert "is for an org" in reconciler("sandbox", "reset").err


@pytest.mark.parametrize("form", ["dot", "mermaid", "json"])
def test_graphs_of_resources_and_of_steps(reconciler: Reconciler, configured: Path, form: str) -> None:
    resources, steps = (reconciler("graph", "-format", form, *more).out for more in ([], ["-steps"]))
    assert "mcp_server.todo/authorization_server.todo" in resources
    assert "activate mcp_server.todo" in steps


@pytest.mark.parametrize("name", ["config", "plan", "state", "events", "world", "workspaces"])
def test_schemas_are_schemas(reconciler: Reconciler, name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(json.loads(reconciler("schema", name).out))


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_completion_scripts(reconciler: Reconciler, shell: str) -> None:
    assert "_RECONCILER_COMPLETE" in reconciler("completion", shell).out


def test_force_unlock_never_claims_what_it_did_not_do(reconciler: Reconciler, applied: Path) -> None:
    run = reconciler("force-unlock", "no-such-id")
    assert run.code != 0 and run.err


def test_a_configuration_that_protects_is_not_destroyed(reconciler: Reconciler, applied: Path) -> None:
    edit(applied, "display_name: Todo,", "display_name: Todo, protect: true,")
    assert reconciler("apply", "-auto-approve").code == 0
    refused = reconciler("destroy", "-auto-approve")
    assert refused.code == 12 and "protected" in refused.err + refused.out
    assert len(reconciler("state", "list").out.split()) == 5


@pytest.mark.parametrize("verb", ["state", "workspace", "sandbox"])
def test_a_verb_that_lacks_its_second_word_names_those_there_are(reconciler: Reconciler, verb: str) -> None:
    ran = reconciler(verb)
    assert ran.code == 1 and f"Error: `reconciler {verb}` wants one of " in ran.err
    assert "Usage:" not in ran.err and f"`reconciler {verb} --help` shows what there is." in ran.err


@pytest.mark.parametrize("verb", ["state", "workspace", "sandbox"])
def test_a_second_word_that_is_near_nothing_is_told_those_there_are(reconciler: Reconciler, verb: str) -> None:
    ran = reconciler(verb, "zzz")
    told = " ".join(ran.err.replace("│", " ").split())
    assert ran.code == 1 and f"Error: `reconciler {verb}` wants one of " in told and 'after it, not "zzz".' in told
    assert "No such command 'lst'. Did you mean 'list'?" in reconciler("state", "lst").err


@pytest.mark.parametrize(
    ("typed", "meant"), [(["-chdir=x", "plan"], "DIR VERB\n"), (["plan", "-C", "x"], "DIR plan\n")]
)
def test_a_directory_in_the_wrong_place_is_told_its_own(reconciler: Reconciler, typed: list[str], meant: str) -> None:
    assert f"The directory comes before the verb: reconciler -C {meant}" in reconciler(*typed).err


@pytest.mark.parametrize("given", [["version"], ["--version"], ["plan", "--help"], ["completion", "bash"], []])
def test_a_full_disk_under_the_output_is_no_internal_error(
    reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch, given: list[str]
) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        ran = reconciler(*given)
    assert ran.code == 1 and "The output could not be written: No space left on device" in ran.err


def test_an_internal_error_is_one_line_without_what_it_was_about(
    reconciler: Reconciler, configured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*anything: object) -> None:
        raise RuntimeError("the secret is hunter2")

    monkeypatch.setattr("reconciler.pipeline.plan", broken)
    run = reconciler("plan")
    assert run.code == 1
    assert "internal error: RuntimeError" in run.err and "Please report" in run.err
    monkeypatch.setenv("RECONCILER_DEBUG", "1")
    run = reconciler("plan")
    assert "in broken" in run.err and "hunter2" not in run.err


def test_a_package_that_is_not_installed_is_named(reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*arguments: object) -> None:
        raise ModuleNotFoundError("No module named 'httpx'", name="httpx")

    monkeypatch.setattr(project, "read_directory", missing)
    ran = reconciler("validate")
    assert ran.code == 1
    assert f"The Python package httpx is missing, or not for this Python ({sys.executable})" in ran.err
