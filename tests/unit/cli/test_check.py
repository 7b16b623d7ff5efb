"""Readiness on the command line: check and explain, the gates of an apply, waivers, and what plan foretells."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reconciler.readiness.catalogue import CHECKS
from reconciler.sandbox.app import SandboxOptions, create_app
from reconciler.sandbox.serve import serve
from reconciler.sandbox.world import read_world
from tests.unit.cli.conftest import Reconciler

SECRET = "not-a-real-secret-of-anybody"
CONFIGURATION = """\
version: 1
provider: {sandbox: {settle_seconds: 0, world: sandbox/world.yaml}}
authorization_servers:
  todo: {type: okta, audiences: ["https://todo.example.com/mcp"], scopes: [todo.read]}
  hub:
    type: external
    issuer: https://hub.example.com
    authorization_endpoint: https://hub.example.com/authorize
    token_endpoint: https://hub.example.com/token
client_registrations:
  hub-app: {authorization_server: hub, client_id: hub-1, client_secret: {file: sandbox/secret}}
mcp_servers:
  todo: {resource_url: https://todo.example.com/mcp, authorization_servers: [todo]}
  hub: {resource_url: https://mcp.hub.example.com/mcp, display_name: Hub, authorization_servers: [hub]}
"""
WORLD = f"""\
version: 1
mcp_servers:
  - url: https://todo.example.com/mcp
  - url: https://mcp.hub.example.com/mcp
    authorization_servers: [https://hub.example.com]
authorization_servers:
  - issuer: https://hub.example.com
    clients: {{hub-1: {SECRET}}}
"""
WAIVER = """\
readiness:
  waivers:
    - {check: mcp.prm.resource, address: mcp_server.hub, reason: they move house, expires: "%s"}
"""

Edit = Callable[..., None]


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "reconciler.yaml").write_text(CONFIGURATION, "utf-8")
    (tmp_path / "sandbox" / "world.yaml").write_text(WORLD, "utf-8")
    (tmp_path / "sandbox" / "secret").write_text(SECRET, "utf-8")
    return tmp_path


@pytest.fixture
def edit(place: Path) -> Edit:
    def change(name: str, old: str, new: str) -> None:
        text = (place / name).read_text("utf-8")
        assert old in text
        (place / name).write_text(text.replace(old, new), "utf-8")

    return change


@pytest.fixture
def move(edit: Edit) -> Callable[[], None]:
    """The MCP server hub publishes metadata about another."""

    def break_hub() -> None:
        url = "url: https://mcp.hub.example.com/mcp\n"
        edit("sandbox/world.yaml", url, f"{url}    published_resource: https://elsewhere.example.com/mcp\n")

    return break_hub


def statuses(reconciler: Reconciler) -> dict[str, str]:
    shown = json.loads(reconciler("show", "-json").out)
    resources = shown.get("values", {}).get("root_module", {}).get("resources", [])
    return {resource["address"]: resource["values"]["status"] for resource in resources}


def document(reconciler: Reconciler, *argv: str, code: int) -> dict[str, dict[str, object]]:
    """The results of `check -json` by check and address."""
    ran = reconciler("check", "-json", *argv)
    assert ran.code == code, ran.out
    shown = json.loads(ran.out)
    assert shown["ready"] is (code == 0)
    return {f"{result['id']} {result['address']}": result for result in shown["results"]}


def test_what_is_healthy_is_ready_before_it_is_made_and_after(place: Path, reconciler: Reconciler) -> None:
    before = reconciler("check")
    assert before.code == 0, before.out
    assert statuses(reconciler) == {}
    rows = {line.split()[0]: line.split()[-1] for line in before.out.splitlines() if line.startswith("mcp_server.")}
    assert set(rows.values()) == {"ready"} and len(rows) == 5
    assert reconciler("apply", "-auto-approve").code == 0
    after = document(reconciler, code=0)
    assert after["client.credentials mcp_server.hub/client_registration.hub-app"]["verdict"] == "pass"
    assert after["aus.token authorization_server.todo"]["verdict"] == "pass"
    assert {result["verdict"] for name, result in after.items() if name.startswith("mcp.connectable")} == {"pass"}


def test_apply_says_a_line_for_each_gate(place: Path, reconciler: Reconciler) -> None:
    applied = reconciler("apply", "-auto-approve").out
    for address in ("todo", "hub", "todo/authorization_server.todo", "hub/authorization_server.hub"):
        assert (
            sum(
                line.startswith(f"mcp_server.{address}: ") and " checks passed" in line for line in applied.splitlines()
            )
            == 1
        )


def test_one_broken_host_keeps_one_server_inactive(
    place: Path, reconciler: Reconciler, move: Callable[[], None]
) -> None:
    move()
    checked = reconciler("check")
    assert checked.code == 16
    told = " ".join(checked.out.split())
    assert "fail mcp.prm.resource mcp_server.hub it is about https://elsewhere.example.com/mcp" in told
    assert f"Remedy: {CHECKS['mcp.prm.resource'].remedy}" in told
    applied = reconciler("apply", "-auto-approve")
    assert applied.code == 16
    assert "mcp.prm.resource: it is about https://elsewhere.example.com/mcp" in " ".join(applied.err.split())
    found = statuses(reconciler)
    assert found["mcp_server.hub"] == "INACTIVE"
    assert {status for address, status in found.items() if address != "mcp_server.hub"} == {"ACTIVE"}


def test_what_needs_a_shut_gate_is_skipped(place: Path, reconciler: Reconciler) -> None:
    (place / "sandbox" / "secret").write_text("some-other-secret-altogether", "utf-8")
    applied = reconciler("apply", "-auto-approve")
    assert applied.code == 16
    assert "client.credentials" in applied.err
    assert "some-other-secret" not in applied.out + applied.err
    found = statuses(reconciler)
    assert (found["mcp_server.hub/authorization_server.hub"], found["mcp_server.hub"]) == ("INACTIVE", "INACTIVE")
    assert found["mcp_server.todo"] == "ACTIVE"


def test_mended_it_goes_on_from_there(place: Path, reconciler: Reconciler, move: Callable[[], None]) -> None:
    move()
    assert reconciler("apply", "-auto-approve").code == 16
    planned = reconciler("plan").out
    assert "(gate, just now: " in planned and "1 failed (mcp.prm.resource: it is about" in planned
    (place / "sandbox" / "world.yaml").write_text(WORLD, "utf-8")
    assert reconciler("apply", "-auto-approve").code == 0
    assert set(statuses(reconciler).values()) == {"ACTIVE"}


def test_plan_asks_nobody_and_remembers_the_last_check(
    place: Path, reconciler: Reconciler, move: Callable[[], None], edit: Edit
) -> None:
    assert "gate, " not in reconciler("plan").out
    reconciler("check")
    move()
    assert reconciler("plan").out.count("(gate, just now: ") == 4
    edit("reconciler.yaml", "display_name: Hub", "display_name: The hub")
    assert reconciler("plan").out.count("(gate, just now: ") == 3, "what was found was of another description"


def test_a_waiver_lets_through_until_its_day_and_is_told_on_every_run(
    place: Path, reconciler: Reconciler, move: Callable[[], None]
) -> None:
    move()
    path = place / "readiness.yaml"
    path.write_text(WAIVER % "2020-01-31", "utf-8")
    over = reconciler("check")
    assert over.code == 16
    assert "ended on 2020-01-31, and has no effect" in " ".join(over.err.split())
    path.write_text(WAIVER % "2999-01-31", "utf-8")
    for verb in (["plan"], ["check"], ["apply", "-auto-approve"]):
        ran = reconciler(*verb)
        assert ran.code == 0
        assert "is waived until 2999-01-31" in ran.err and "they move house" in ran.err
    assert statuses(reconciler)["mcp_server.hub"] == "ACTIVE"


def test_a_waiver_of_a_check_that_there_is_not_is_refused(place: Path, reconciler: Reconciler) -> None:
    (place / "readiness.yaml").write_text(WAIVER.replace("mcp.prm.resource", "mcp.prn") % "2999-01-31", "utf-8")
    for verb in ("validate", "plan"):
        ran = reconciler(verb)
        assert (ran.code, "There is no check mcp.prn to waive" in ran.err) == (10, True)
        assert "Did you mean mcp.prm?" in ran.err


def test_strict_turns_warnings_into_failures(place: Path, reconciler: Reconciler) -> None:
    assert reconciler("check", "mcp_server.todo").code == 0
    assert reconciler("check", "-strict", "mcp_server.todo").code == 16


def test_addresses_choose_and_show_every_check(place: Path, reconciler: Reconciler) -> None:
    own = reconciler("check", "mcp_server.hub")
    assert "mcp.url" in own.out and "client.credentials" in own.out and "todo" not in own.out
    assert {name.split()[1] for name in document(reconciler, "authorization_server.hub", code=0)} == {
        "mcp_server.hub/authorization_server.hub"
    }
    unknown = reconciler("check", "mcp_server.hup")
    assert (unknown.code, "Did you mean mcp_server.hub?" in unknown.err) == (1, True)


def test_files_for_other_tools(place: Path, reconciler: Reconciler, move: Callable[[], None]) -> None:
    move()
    assert reconciler("check", "-junit", "found.xml", "--sarif=found.sarif").code == 16
    suite = ElementTree.fromstring((place / "found.xml").read_text("utf-8"))[0]
    assert suite.get("failures") == "1"
    failed = [case for case in suite if case.find("failure") is not None]
    assert [(case.get("classname"), case.get("name")) for case in failed] == [("mcp_server.hub", "mcp.prm.resource")]
    run = json.loads((place / "found.sarif").read_text("utf-8"))["runs"][0]
    worst = run["results"][0]
    assert (worst["ruleId"], worst["level"]) == ("mcp.prm.resource", "error")
    located = worst["locations"][0]["physicalLocation"]
    assert located["artifactLocation"]["uri"] == "reconciler.yaml" and located["region"]["startLine"] == 14


def test_a_refusal_is_json_too(place: Path, reconciler: Reconciler, edit: Edit) -> None:
    edit("reconciler.yaml", "type: okta", "type: auth0")
    ran = reconciler("check", "-json")
    shown = json.loads(ran.out)
    assert (ran.code, shown["ready"], shown["results"]) == (10, False, [])
    assert shown["diagnostics"][0]["range"]["start"]["line"] == 4


def test_metadata_that_changed_since_the_activation_is_noticed(place: Path, reconciler: Reconciler, edit: Edit) -> None:
    assert reconciler("apply", "-auto-approve").code == 0
    same = document(reconciler, code=0)["mcp.metadata_drift mcp_server.hub"]
    assert same["verdict"] == "pass"
    edit("sandbox/world.yaml", "[https://hub.example.com]", "[https://hub.example.com, https://evil.example.com]")
    assert document(reconciler, code=0)["mcp.metadata_drift mcp_server.hub"]["code"] == "critical"


def test_without_a_world_only_the_org_is_asked(place: Path, reconciler: Reconciler, edit: Edit) -> None:
    edit("reconciler.yaml", ", world: sandbox/world.yaml", "")
    assert reconciler("apply", "-auto-approve").code == 0
    found = document(reconciler, code=0)
    assert found["mcp.challenge mcp_server.todo"]["code"] == "unasked"
    assert found["aus.token authorization_server.todo"]["verdict"] == "pass"
    assert found["mcp.connectable mcp_server.hub"]["verdict"] == "pass"


def test_probes_can_be_switched_off(place: Path, reconciler: Reconciler, move: Callable[[], None]) -> None:
    move()
    (place / "readiness.yaml").write_text("readiness: {probe: false}\n", "utf-8")
    assert reconciler("apply", "-auto-approve").code == 0
    assert set(statuses(reconciler).values()) == {"ACTIVE"}


@contextmanager
def served(world: str) -> Iterator[str]:
    """A sandbox behind a port; it goes with the process, as threads that are daemons do."""
    announced: list[str] = []
    ready = threading.Event()

    def announce(url: str) -> None:
        announced.append(url)
        ready.set()

    app = create_app(SandboxOptions(world=read_world(world, "world.yaml"), settle_seconds=0))
    threading.Thread(target=serve, args=(app, 0, announce), daemon=True).start()
    assert ready.wait(10)
    yield announced[0]


def test_a_served_sandbox_plays_its_world_at_its_own_address(
    place: Path, reconciler: Reconciler, edit: Edit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN", "sandbox")
    url = "url: https://mcp.hub.example.com/mcp\n"
    with served(WORLD.replace(url, f"{url}    trouble: html\n")) as address:
        okta = f'okta: {{org_url: "{address}", auth: {{token: {{env: TOKEN}}}}}}'
        edit("reconciler.yaml", "sandbox: {settle_seconds: 0, world: sandbox/world.yaml}", okta)
        found = document(reconciler, code=16)
        assert found["mcp.challenge mcp_server.hub"]["verdict"] == "fail"
        assert found["mcp.challenge mcp_server.todo"]["verdict"] == "pass"
        assert found["client.credentials mcp_server.hub/client_registration.hub-app"]["verdict"] == "pass"


@pytest.mark.parametrize(
    ("trouble", "check", "verdict"),
    [
        ("down: true", "mcp.challenge", "unknown"),
        ("metadata: false", "mcp.prm", "warn"),
        ("trouble: slow", "mcp.challenge", "unknown"),
        ("trouble: html", "mcp.challenge", "fail"),
        ("trouble: huge", "mcp.prm", "fail"),
        ("trouble: gzip_bomb", "mcp.prm", "fail"),
        ("trouble: redirect", "mcp.challenge", "fail"),
        ("trouble: expired_certificate", "mcp.challenge", "fail"),
        ("trouble: flapping", "mcp.challenge", "pass"),
    ],
)
def test_every_trouble_of_a_host_is_seen(
    place: Path, reconciler: Reconciler, edit: Edit, trouble: str, check: str, verdict: str
) -> None:
    url = "url: https://mcp.hub.example.com/mcp\n"
    edit("sandbox/world.yaml", url, f"{url}    {trouble}\n")
    ran = reconciler("check", "-json", "mcp_server.hub")
    found = {
        result["id"]: result["verdict"]
        for result in json.loads(ran.out)["results"]
        if result["address"] == "mcp_server.hub"
    }
    assert found[check] == verdict
    assert ran.code == (0 if verdict in ("pass", "warn") else 16)


def test_every_check_explains_itself(reconciler: Reconciler) -> None:
    listed = reconciler("explain").out
    for name, check in CHECKS.items():
        assert f"{name} " in listed
        told = reconciler("explain", name).out
        assert check.what in told and check.why in told and check.remedy in told
        assert all(source in told for source in check.spec)
    for typed in ("mcp.prn", "MCP.PRM"):
        unknown = reconciler("explain", typed)
        assert (unknown.code, "Did you mean mcp.prm?" in unknown.err) == (1, True)
