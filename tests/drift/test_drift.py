"""`reconciler drift` as its users see it: what it finds, what it exits with, and that it never writes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.drift import DriftClass
from reconciler.model.diagnostic import Refused
from reconciler.okta.read_only import ReadOnlyTransport
from reconciler.ports import Answer, Call, Leave
from tests.drift.metamorphic import Edit, injections, metamorphic
from tests.drift.stage import CONFIGURATION, Applied, Org, run, sandbox, write


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Applied]:
    yield Applied(tmp_path_factory.mktemp("drift"))


@pytest.fixture(scope="module")
def edits(applied: Applied) -> list[Edit]:
    with applied.fresh() as org:
        return [i.edit for i in injections(applied, org)] + [edit for _, edit in metamorphic(org)]


def drift(directory: Path, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, said = run(directory, "drift", "-json", *arguments)
    document: dict[str, Any] = json.loads(said)
    return code, document


def books(directory: Path) -> dict[str, bytes]:
    """Every file of the state, without the sandbox beside it."""
    files = [p for p in (directory / "state").rglob("*") if p.is_file() and "sandbox" not in p.name]
    return {str(p): p.read_bytes() for p in files}


def named(org: Org, kind: str, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = next(i for i in org.objects()[kind] if fields.items() <= i.items())
    return found


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_the_exit_code_is_that_of_the_summary(applied: Applied, edits: list[Edit], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(range(len(edits))), max_size=2, unique=True))
    is_broken = data.draw(st.integers(0, 5)) == 0
    with applied.fresh() as org:
        for index in chosen:
            try:
                edits[index](org)
            except AssertionError:
                continue
    if is_broken:
        write(applied.directory, "version: 1\nmcp_servers: {a: {resource_ulr: x}}\n")
    try:
        code, document = drift(applied.directory)
    finally:
        write(applied.directory)
    summary = document["summary"]
    assert code == summary["exit_code"]
    assert summary["drift"] == sum(f["is_drift"] for f in document["findings"]) == sum(summary["counts"].values())
    expected = "error" if is_broken else "drift" if summary["drift"] else "clean"
    assert summary["status"] == expected
    assert code == {"clean": 0, "drift": 2, "error": 10}[expected]


def test_an_invalid_server_is_told_with_its_reason(applied: Applied) -> None:
    with applied.fresh() as org:
        server = named(org, "mcp_server", displayName="Todo")
        org.edit(server, status="INVALID", statusReason="No route to the server")
    code, said = run(applied.directory, "drift")
    assert code == 2
    assert "status: ACTIVE -> INVALID" in said
    assert "the live system says why: No route to the server" in said
    assert "Drift: 1 in another state; 11 resources checked." in said.splitlines()


def test_what_stands_apart_is_told_and_counts_only_on_demand(applied: Applied) -> None:
    with applied.fresh() as org:
        org.call("POST", "/api/v1/authorizationServers", {"name": "theirs", "audiences": ["https://theirs.example"]})
    code, document = drift(applied.directory)
    assert code == 0
    assert [(f["class"], f["name"], f["is_drift"]) for f in document["findings"]] == [("unmanaged", "theirs", False)]
    assert drift(applied.directory, "-unmanaged")[0] == 2


def test_nothing_is_written_by_looking(applied: Applied) -> None:
    with applied.fresh() as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed")
        before = org.objects()
    kept = books(applied.directory)
    assert drift(applied.directory)[0] == 2
    assert books(applied.directory) == kept
    code, document = drift(applied.directory)
    assert (code, document["findings"][0]["differences"][0]["after"]) == (2, "Renamed")

    with sandbox(applied.directory) as org:
        assert org.objects() == before


def test_an_attribute_that_is_left_to_others_is_neither_drift_nor_undone(tmp_path: Path) -> None:
    text = CONFIGURATION.replace(
        "display_name: Todo, description",
        "display_name: Todo, ignore_changes: {display_name: Marketing edits it}, description",
    )
    applied = Applied(tmp_path, text)
    with applied.fresh() as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed")
    code, document = drift(tmp_path)
    assert code == 0
    (finding,) = document["findings"]
    assert (finding["excused"], finding["address"]) == ("Marketing edits it", "mcp_server.todo")
    assert run(tmp_path, "plan", "-detailed-exitcode")[0] == 0
    with applied.fresh() as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed", description="Anew")
    assert drift(tmp_path)[0] == 2
    assert run(tmp_path, "apply", "-auto-approve")[0] == 0

    with sandbox(tmp_path) as org:
        server = named(org, "mcp_server", displayName="Renamed")
    assert server["description"] == "The list"
    assert drift(tmp_path)[0] == 0


def test_only_attributes_can_be_left_to_others(tmp_path: Path) -> None:
    write(tmp_path, CONFIGURATION.replace("display_name: Todo,", "ignore_changes: {status: no},"))
    code, said = run(tmp_path, "validate")
    assert code == 10
    assert "names status, which can't be left to others" in said


def test_after_a_failed_apply_only_what_others_did_is_drift(tmp_path: Path) -> None:
    write(tmp_path)
    world = tmp_path / "sandbox" / "world.yaml"
    fault = "faults: [{fault: error_before, method: POST, path: '*/client-auth-settings', status: 403}]\n"
    world.write_text(world.read_text("utf-8") + fault, "utf-8")
    assert run(tmp_path, "apply", "-auto-approve")[0] == 15
    code, document = drift(tmp_path)
    assert (code, [f["excused"] for f in document["findings"] if f["is_drift"]]) == (0, [])
    with sandbox(tmp_path) as org:
        org.edit(named(org, "mcp_server", displayName="Todo"), displayName="Renamed")
    code, document = drift(tmp_path)
    assert (code, document["summary"]["counts"]["attribute"], document["summary"]["drift"]) == (2, 1, 1)


def test_metrics_for_a_textfile_collector(applied: Applied) -> None:
    with applied.fresh() as org:
        org.delete(named(org, "client_auth_settings", name="hub-app"))
    code, _ = run(applied.directory, "drift", "-prometheus=drift.prom")
    assert code == 2
    lines = (applied.directory / "drift.prom").read_text("utf-8").splitlines()
    assert 'reconciler_drift{workspace="default",class="missing"} 1' in lines
    assert 'reconciler_drift{workspace="default",class="attribute"} 0' in lines
    assert 'reconciler_drift_success{workspace="default"} 1' in lines
    typed = [line for line in lines if line.startswith("# TYPE")]
    assert len(typed) == len(set(typed)) == 4


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post", "OPTIONS"])
def test_the_wire_refuses_what_could_write(method: str) -> None:
    sent: list[Call] = []

    class Recording:
        async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
            sent.append(call)
            return Answer(200)

        async def close(self) -> None: ...

    wire = ReadOnlyTransport(Recording())
    with pytest.raises(Refused) as refused:
        asyncio.run(wire.exchange(Call(method, "/api/v1/anything")))
    assert refused.value.diagnostics[0].code == "okta.read-only"
    assert asyncio.run(wire.exchange(Call("GET", "/api/v1/anything"))).ok
    assert [call.method for call in sent] == ["GET"]


def test_every_class_has_its_place_in_the_counts(applied: Applied) -> None:
    with applied.fresh():
        pass
    _, document = drift(applied.directory)
    assert set(document["summary"]["counts"]) == {str(sort) for sort in DriftClass}
