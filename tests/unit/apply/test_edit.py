"""Edits: applied, replayed and spelled as JSON they mean the same."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.apply.edit import Drop, Edit, Put, Rename, amend, decode_edit, encode_edit
from reconciler.apply.record import decode_record, encode_record
from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Record
from tests.unit.apply.stage import recorded, row, server

names = st.sampled_from(["a", "b", "c"])
addresses = names.map(lambda name: Address(f"mcp_server.{name}")) | st.builds(
    lambda parent, name: Address(f"mcp_server.{parent}").child("authorization_server", name), names, names
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
records = st.builds(
    Record,
    address=addresses,
    kind=st.just("association"),
    id=st.text(max_size=6),
    attributes=st.dictionaries(st.text(max_size=5), json_values, max_size=3),
    status=st.sampled_from(State),
    needs=st.lists(st.builds(Need, addresses, st.sampled_from(NeedSort), st.none()), max_size=2).map(tuple),
    refs=st.dictionaries(st.sampled_from(["mcp_server", "association"]), addresses, max_size=2),
    handle=st.none() | st.text(max_size=6),
    protect=st.booleans(),
    discovered=st.booleans(),
    fingerprint=st.none() | st.text(max_size=6),
)
edits: st.SearchStrategy[Edit] = (
    records.map(Put)
    | addresses.map(Drop)
    | st.builds(Rename, addresses, addresses).filter(lambda e: e.source != e.target)
)


@given(records)
@settings(max_examples=60, deadline=None)
def test_a_record_survives_json(record: Record) -> None:
    assert decode_record(json.loads(json.dumps(encode_record(record)))) == record


@given(edits)
@settings(max_examples=60, deadline=None)
def test_an_edit_survives_json(edit: Edit) -> None:
    assert decode_edit(json.loads(json.dumps(encode_edit(edit)))) == edit


@given(st.lists(records, max_size=5), edits)
@settings(max_examples=150, deadline=None)
def test_an_edit_replayed_changes_nothing_more(held: list[Record], edit: Edit) -> None:
    once = {record.address: record for record in held}
    amend(once, edit)
    assert all(record.address == address for address, record in once.items())
    twice = dict(once)
    amend(twice, edit)
    assert twice == once or isinstance(edit, Rename)


def test_renaming_moves_what_is_nested_and_every_mention() -> None:
    a, x = server("a"), row("a", "x")
    other = replace(
        recorded(server("ab"), "id2"), needs=(Need(x.address, NeedSort.READY), Need(a.address, NeedSort.EXISTS))
    )
    held = {r.address: r for r in (recorded(a), recorded(x, "id1"), other)}
    target = Address('mcp_server.b["eu"]')
    amend(held, Rename(a.address, target))
    moved = target.child("authorization_server", "x")
    assert set(held) == {target, moved, other.address}
    assert held[moved].refs == {"mcp_server": target}
    assert [need.target for need in held[other.address].needs] == [moved, target]
    before = dict(held)
    amend(held, Rename(a.address, target))
    assert held == before


def test_dropping_takes_along_what_the_live_system_had_made_inside() -> None:
    a = server("a")
    ours, theirs, elsewhere = row("a", "x"), row("a", "y", discovered=True), row("ab", "z", discovered=True)
    held = {r.address: recorded(r) for r in (a, ours, theirs, elsewhere)}
    amend(held, Drop(a.address))
    assert set(held) == {ours.address, elsewhere.address}
