"""A client that the tool registers: kept, changed, deleted, and an orphan where it can't be deleted."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reconciler.cli.main import main
from reconciler.secrets.files import SecretFiles
from tests.drift.stage import sandbox
from tests.hub import HUB
from tests.unit.cli.conftest import Reconciler

WORLD = """\
version: 1
mcp_servers: [{url: https://mcp.hub.example.com/mcp, authorization_servers: [https://hub.example.com]}]
authorization_servers: [{issuer: https://hub.example.com, registration_endpoint: https://hub.example.com/register}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "sandbox").mkdir()
    (tmp_path / "reconciler.yaml").write_text(HUB, "utf-8")
    (tmp_path / "sandbox" / "world.yaml").write_text(WORLD, "utf-8")
    return tmp_path


def kept(place: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((place / "kept" / "hub.json").read_text("utf-8"))
    return found


def test_a_client_is_registered_kept_and_given_to_okta(place: Path, reconciler: Reconciler) -> None:
    applied = reconciler("apply", "-auto-approve")
    assert applied.code == 0, applied.err
    held = kept(place)
    assert held["client_id"].startswith("registered-")
    assert reconciler("plan", "-detailed-exitcode").code == 0
    assert reconciler("check").code == 0
    everything = applied.out + "".join(p.read_text("utf-8") for p in (place / "state").glob("*.json"))
    for name in ("client_secret", "registration_access_token"):
        assert held[name] not in everything


def test_an_apply_that_broke_off_goes_on_with_the_client_there_is(place: Path, reconciler: Reconciler) -> None:
    assert reconciler("apply", "-auto-approve").code == 0
    first = kept(place)["client_id"]
    assert reconciler("apply", "-auto-approve", "-replace", "mcp_server.hub", "-allow=replace-active").code == 0
    second = kept(place)["client_id"]
    assert second != first, "a replacement registers anew"
    assert reconciler("state", "rm", "mcp_server.hub").code == 0
    assert reconciler("sandbox", "reset").code == 0
    assert reconciler("apply", "-auto-approve").code == 0
    assert kept(place)["client_id"] == second


def test_a_new_name_is_told_to_both(place: Path, reconciler: Reconciler) -> None:
    assert reconciler("apply", "-auto-approve").code == 0
    before = kept(place)
    path = place / "reconciler.yaml"
    path.write_text(path.read_text("utf-8").replace("method: dynamic,", "method: dynamic, name: Other,"), "utf-8")
    assert reconciler("apply", "-auto-approve").code == 0
    assert kept(place) == before
    assert reconciler("plan", "-detailed-exitcode").code == 0


def test_with_its_resource_the_client_goes(place: Path, reconciler: Reconciler) -> None:
    assert reconciler("apply", "-auto-approve").code == 0
    destroyed = reconciler("destroy", "-auto-approve")
    assert destroyed.code == 0, destroyed.err
    assert not (place / "kept" / "hub.json").exists()


def delete_behind_our_back(place: Path) -> None:
    with sandbox(place) as org:
        org.delete(org.objects()["client_auth_settings"][0])


@pytest.mark.parametrize("is_refreshed", [False, True])
def test_the_client_goes_even_if_its_registration_in_okta_is_gone_already(
    place: Path, reconciler: Reconciler, is_refreshed: bool
) -> None:
    """As it is after a run that was killed between the two deletions."""
    assert reconciler("apply", "-auto-approve").code == 0
    delete_behind_our_back(place)
    if is_refreshed:
        assert reconciler("apply", "-refresh-only", "-auto-approve").code == 0
    text = HUB.replace("  hub-app: {", "  hub-other: {").replace("kept/hub.json", "kept/other.json")
    (place / "reconciler.yaml").write_text(text, "utf-8")
    planned = reconciler("plan").out
    assert "mcp_server.hub/client_registration.hub-app will be destroyed" in planned
    applied = reconciler("apply", "-auto-approve")
    assert applied.code == 0, applied.err
    assert not (place / "kept" / "hub.json").exists()
    assert (place / "kept" / "other.json").exists()
    assert reconciler("plan", "-detailed-exitcode").code == 0


def test_a_client_that_outlived_its_registration_is_replaced_where_it_is_to_be_another(
    place: Path, reconciler: Reconciler
) -> None:
    assert reconciler("apply", "-auto-approve").code == 0
    delete_behind_our_back(place)
    (place / "reconciler.yaml").write_text(HUB.replace("kept/hub.json", "kept/other.json"), "utf-8")
    assert reconciler("apply", "-auto-approve").code == 0
    assert not (place / "kept" / "hub.json").exists()
    assert reconciler("plan", "-detailed-exitcode").code == 0


def test_a_client_that_stays_behind_is_reported(place: Path, reconciler: Reconciler) -> None:
    assert reconciler("apply", "-auto-approve").code == 0
    held = kept(place)
    (place / "kept" / "hub.json").write_text(json.dumps({**held, "registration_access_token": "lost"}), "utf-8")
    destroyed = reconciler("destroy", "-auto-approve")
    told = " ".join(destroyed.err.replace("│", " ").split())
    assert destroyed.code == 0
    assert f"The client {held['client_id']} of mcp_server.hub/client_registration.hub-app is still registered" in told
    assert kept(place)["client_id"] == held["client_id"]


def test_where_registration_is_closed_nothing_else_is_held_up(place: Path, reconciler: Reconciler) -> None:
    path = place / "sandbox" / "world.yaml"
    path.write_text(path.read_text("utf-8").replace("register}", "register, status: 403}"), "utf-8")
    applied = reconciler("apply", "-auto-approve")
    assert applied.code == 15
    assert "could not be registered" in applied.err
    assert not (place / "kept" / "hub.json").exists()


def test_a_run_that_dies_before_it_kept_the_secret_registers_anew_and_says_so(
    place: Path, reconciler: Reconciler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The secret is told once, in an answer that nobody has any more, and so is what the client is managed by."""
    child = os.fork()
    if child == 0:
        keep = SecretFiles.keep

        def dying(self: SecretFiles, reference: Any, secret: Any) -> None:
            if secret is not None and "client_secret" in secret.reveal():
                os._exit(9)
            keep(self, reference, secret)

        monkeypatch.setattr(SecretFiles, "keep", dying)
        main(["apply", "-auto-approve"])
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert "client_id" not in kept(place)
    applied = reconciler("apply", "-auto-approve")
    assert applied.code == 0, applied
    told = " ".join((applied.out + applied.err).replace("│", " ").split())
    assert "was interrupted before its answer was kept: there may be another client called" in told
    assert kept(place)["client_id"].startswith("registered-")
    again = reconciler("plan", "-detailed-exitcode")
    assert again.code == 0 and "interrupted" not in again.out + again.err, "it is told once"
