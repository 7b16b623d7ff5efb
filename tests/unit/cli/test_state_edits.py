from __future__ import annotations

import pytest

from reconciler.cli.state_edits import forgotten, moved, pushed, require
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Record
from reconciler.model.snapshot import Snapshot

GITHUB = Address("mcp_server.github")
ROW = GITHUB.child("authorization_server", "entra")
CLIENT = GITHUB.child("client_registration", "app")
RECORDS = {
    GITHUB: Record(GITHUB, "mcp_server", "ems1", {}, State.ACTIVE, needs=(Need(ROW, NeedSort.READY),)),
    ROW: Record(ROW, "association", "eas1", {}, State.ACTIVE, refs={"mcp_server": GITHUB}),
    CLIENT: Record(
        CLIENT, "client_registration", "rsc1", {}, State.ACTIVE, refs={"mcp_server": GITHUB, "association": ROW}
    ),
}
SNAPSHOT = Snapshot("lineage", 3, RECORDS)


def test_moving_takes_along_what_is_nested_and_every_mention() -> None:
    new = Address("mcp_server.octo")
    after = moved(SNAPSHOT, GITHUB, new)
    assert set(after.records) == {
        new,
        new.child("authorization_server", "entra"),
        new.child("client_registration", "app"),
    }
    assert after.records[new].needs[0].target == new.child("authorization_server", "entra")
    assert after.faults() == []
    assert SNAPSHOT.records == RECORDS


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ("mcp_server.githup", "mcp_server.x", "state.no-such-address"),
        ("mcp_server.github", str(ROW), "state.address-taken"),
        ("mcp_server.github", "authorization_server.x", "state.other-kind"),
        (str(CLIENT), "mcp_server.other/client_registration.app", "state.other-kind"),
    ],
)
def test_moves_that_are_refused(source: str, target: str, code: str) -> None:
    with pytest.raises(Refused) as caught:
        moved(SNAPSHOT, Address(source), Address(target))
    assert [d.code for d in caught.value.diagnostics] == [code]


def test_a_move_to_where_it_is_says_so() -> None:
    with pytest.raises(Refused, match=r"^Source and target are the same: mcp_server\.github$"):
        moved(SNAPSHOT, Address("mcp_server.github"), Address("mcp_server.github"))


def test_a_misspelled_address_is_answered_with_the_nearest() -> None:
    with pytest.raises(Refused) as caught:
        require(SNAPSHOT, Address("mcp_server.gihub"))
    assert caught.value.diagnostics[0].detail == "Did you mean mcp_server.github?"


def test_forgetting_takes_along_what_is_nested() -> None:
    assert forgotten(SNAPSHOT, [GITHUB]).records == {}
    assert set(forgotten(SNAPSHOT, [CLIENT]).records) == {GITHUB, ROW}


def test_forgetting_what_others_refer_to_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        forgotten(SNAPSHOT, [ROW])
    assert "state.unsound" in {d.code for d in caught.value.diagnostics}


def test_pushing_needs_the_same_lineage_and_no_older_serial() -> None:
    assert pushed(None, SNAPSHOT, force=False) == SNAPSHOT
    assert pushed(Snapshot("lineage", 2), SNAPSHOT, force=False).serial == 3
    for old, code in ((Snapshot("other", 1), "stale.lineage"), (Snapshot("lineage", 4), "stale.serial")):
        with pytest.raises(Refused) as caught:
            pushed(old, SNAPSHOT, force=False)
        assert caught.value.diagnostics[0].code == code
        assert pushed(old, SNAPSHOT, force=True).serial == max(old.serial, 3)


@pytest.mark.parametrize("old", [None, SNAPSHOT])
def test_what_is_unsound_is_not_pushed_into_an_empty_workspace_either(old: Snapshot | None) -> None:
    unsound = Snapshot("lineage", 3, {ROW: RECORDS[ROW]})
    with pytest.raises(Refused) as caught:
        pushed(old, unsound, force=True)
    assert {d.code for d in caught.value.diagnostics} == {"state.unsound"}
