"""Two objects could be what an interrupted apply made: that branch waits for the user, and the user settles it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.apply.record import encode_record
from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.stores.file import FileStore
from tests.chaos.stage import Sandbox, apply, configuration, run, served

CLIENT = Address("mcp_server.s0/client_registration.app")


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with served(tmp_path_factory.mktemp("served")) as found:
        yield found


@pytest.fixture
def place(sandbox: Sandbox, tmp_path: Path) -> Path:
    """Two servers, fully made; but of the first one's client the state knows only that it was begun, and there is a
    second client exactly like it."""
    sandbox.empty()
    (tmp_path / "main.yaml").write_text(configuration(sandbox.url, 2), "utf-8")
    assert apply(tmp_path).code == 0
    store = FileStore(tmp_path / "state")
    with store.lock("apply", 0):
        snapshot = store.read()
        assert snapshot is not None
        store.tail()
        records = dict(snapshot.records)
        record = records.pop(CLIENT)
        meant = encode_record(replace(record, id="", handle=None, status=State.PENDING))
        about = {"address": CLIENT, "op": "create", "purpose": "create", "attempt": 1, "run_id": "r", "quarantine": 0}
        parent = records[Address("mcp_server.s0")].id
        intent = {"kind": "intent", **about, "natural_key": ["app"], "parent_id": parent, "record": meant}
        store.append([{**intent, "serial": snapshot.serial + 1, "at": "2026-01-01T00:00:00Z"}])
        store.write(replace(snapshot, records=records, serial=snapshot.serial + 1))
    twin(sandbox, parent, {address: r.id for address, r in snapshot.records.items()}, records)
    return tmp_path


def twin(sandbox: Sandbox, parent: str, ids: dict[Address, str], records: Any) -> None:
    row = records[Address("mcp_server.s0/authorization_server.e")]
    body = {
        "name": "app",
        "registrationType": "STATIC",
        "clientId": "abc",
        "clientSecret": "x",
        "resource": {"orn": records[Address("mcp_server.s0")].handle},
        "authorizationServer": {"id": row.id, "orn": row.handle},
    }
    request = urllib.request.Request(
        f"{sandbox.url}/resource-servers/api/v1/client-auth-settings",
        data=json.dumps(body).encode(),
        headers={"authorization": "SSWS sandbox", "content-type": "application/json"},
        method="POST",
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status in (200, 201, 202)


def test_only_that_branch_waits_and_adopting_settles_it(place: Path, sandbox: Sandbox) -> None:
    clients = sandbox.objects()["client_registration"]
    assert len(clients) == 3
    for _ in range(2):
        told = apply(place)
        assert told.code == 15, told
        assert "2 objects could be it" in told.told
    assert sandbox.objects()["client_registration"] == clients
    assert run(place, "plan", "-detailed-exitcode").code == 2
    listed = run(place, "state", "list").told
    assert CLIENT not in listed
    candidates = [one for one in clients if one in told.told]
    assert len(candidates) == 2
    refused = run(place, "resolve", CLIENT, "--retry")
    assert refused.code == 1 and "Delete them first" in refused.told
    assert run(place, "resolve", CLIENT, "--adopt", "rscnone").code == 1
    settled = run(place, "resolve", CLIENT, "--adopt", candidates[1])
    assert settled.code == 0, settled
    after = run(place, "plan", "-detailed-exitcode")
    assert after.code == 0, after
    assert f"{candidates[0]} looks alike" in after.told.replace("\n", " ")
    assert run(place, "resolve", CLIENT, "--abandon").code == 1


def test_a_saved_plan_of_the_rest_is_good_while_the_user_thinks(place: Path) -> None:
    edit(place, "s1: {", "s1: {display_name: Other, ")
    assert run(place, "plan", "-out=p.json").code == 0
    assert run(place, "plan").code == 0
    applied = run(place, "apply", "p.json")
    assert applied.code == 15, applied
    assert "1 changed" in applied.told
    assert applied.told.count("objects could be it") == 1
    assert "3 resources are left out of account" in run(place, "plan").told


def test_a_look_at_an_older_state_settles_nothing(place: Path, sandbox: Sandbox) -> None:
    """In the version that is looked at, what is unclear now is recorded."""
    looked = run(place, "state", "rollback", "-to", "2")
    assert looked.code == 0, looked
    assert run(place, "plan").told.count("2 objects could be it") == 1


def test_what_it_is_nested_in_is_not_destroyed(place: Path, sandbox: Sandbox) -> None:
    """One of the two may be somebody else's."""
    destroyed = run(place, "destroy", "-auto-approve")
    assert destroyed.code == 15, destroyed
    assert "2 objects could be it" in destroyed.told
    assert {kind: len(ids) for kind, ids in sandbox.objects().items()} == {
        "mcp_server": 1,
        "association": 1,
        "client_registration": 2,
    }


def test_what_it_is_nested_in_is_renamed_once_it_is_settled(place: Path, sandbox: Sandbox) -> None:
    edit(place, "  s0:", "  s9:")
    edit(place, "mcp_servers:", "moved: [{from: mcp_server.s0, to: mcp_server.s9}]\nmcp_servers:")
    moved = apply(place)
    assert moved.code == 15, moved
    again = apply(place)
    assert again.code == 15 and "2 objects could be it" in again.told, again
    one = next(one for one in sandbox.objects()["client_registration"] if one in again.told)
    assert run(place, "resolve", CLIENT, "--adopt", one).code == 0
    assert apply(place).code == 0
    assert run(place, "plan", "-detailed-exitcode").code == 0


def test_it_is_not_forgotten_by_a_run_without_a_lock(place: Path) -> None:
    edit(place, "s1: {", "s1: {display_name: Other, ")
    assert apply(place, "-lock=false").code == 15
    assert "2 objects could be it" in run(place, "plan").told


def edit(place: Path, old: str, new: str) -> None:
    path = place / "main.yaml"
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")


def test_what_is_abandoned_is_somebody_elses(place: Path) -> None:
    assert run(place, "resolve", CLIENT, "--abandon").code == 0
    told = run(place, "plan")
    assert told.code == 1 and "exists already" in told.told
    assert "could be it" not in told.told


def test_exactly_one_answer_is_given(place: Path) -> None:
    assert run(place, "resolve", CLIENT).code == 1
    assert run(place, "resolve", CLIENT, "--retry", "--abandon").code == 1
