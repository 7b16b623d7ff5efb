"""Snapshots: they change by copy, and know when they contradict themselves."""

from __future__ import annotations

from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Record
from reconciler.model.snapshot import Snapshot

TODO, MAIL = Address("mcp_server.todo"), Address("mcp_server.mail")


def record(address: Address, remote: str, **more: object) -> Record:
    return Record(address, address.kind, remote, {}, State.ACTIVE, **more)  # type: ignore[arg-type]


def test_a_snapshot_is_changed_by_copy() -> None:
    empty = Snapshot("lineage")
    one = empty.with_record(record(TODO, "ems1"))
    assert (dict(empty.records), list(one.records), dict(one.without(TODO).records)) == ({}, [TODO], {})
    assert one.with_record(record(TODO, "ems2")).records[TODO].id == "ems2"


def test_a_sound_snapshot_has_no_faults() -> None:
    child = TODO.child("authorization_server", "entra")
    sound = (
        Snapshot("l").with_record(record(TODO, "ems1")).with_record(record(child, "eas1", refs={"mcp_server": TODO}))
    )
    assert sound.faults() == []


def test_ids_of_nested_resources_are_unique_under_their_parent_only() -> None:
    snapshot = Snapshot("l")
    for parent, remote in ((TODO, "ems1"), (MAIL, "ems2")):
        snapshot = snapshot.with_record(record(parent, remote))
        snapshot = snapshot.with_record(record(parent.child("authorization_server", "okta"), "aus1"))
    assert snapshot.faults() == []


def test_faults_name_the_addresses() -> None:
    misfiled = Snapshot("l", 0, {TODO: record(MAIL, "ems1")})
    twice = Snapshot("l").with_record(record(TODO, "ems1")).with_record(record(MAIL, "ems1"))
    orphan = Snapshot("l").with_record(record(TODO.child("authorization_server", "entra"), "eas1"))
    dangling = Snapshot("l").with_record(record(TODO, "ems1", refs={"authorization_server": MAIL}))
    assert misfiled.faults() == ["mcp_server.todo is filed with a record of mcp_server.mail"]
    assert twice.faults() == ["mcp_server.mail and mcp_server.todo both claim the id ems1"]
    assert orphan.faults() == [
        "mcp_server.todo/authorization_server.entra refers to mcp_server.todo, which is not recorded"
    ]
    assert dangling.faults() == ["mcp_server.todo refers to mcp_server.mail, which is not recorded"]
