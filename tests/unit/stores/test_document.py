"""The state document: exact, checked, and refused with the way out when it isn't what was written."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.model.snapshot import Snapshot
from reconciler.stores.document import Origin, decode, encode, state_schema
from tests.conformance.store_laws import record, snapshot

WHOLE = encode(snapshot(7, "a", "b"), Origin("w1"))


def refused(data: bytes) -> tuple[str, str, str]:
    with pytest.raises(Refused) as caught:
        decode(data, "state/default.json")
    (found,) = caught.value.diagnostics
    return found.code, found.summary, found.detail


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@given(st.lists(st.dictionaries(st.text(max_size=4), json_values, max_size=3), max_size=3), st.text(max_size=5))
@settings(max_examples=80, deadline=None)
def test_what_is_encoded_is_decoded(attributes: list[dict[str, Any]], lineage: str) -> None:
    records = [replace(record(f"s{n}"), attributes=given) for n, given in enumerate(attributes)]
    held = Snapshot(lineage, 3, {r.address: r for r in records})
    assert decode(encode(held), "s") == held


def test_it_carries_what_terraform_looks_for_and_fits_its_schema() -> None:
    document = json.loads(WHOLE)
    assert (document["version"], document["serial"], document["lineage"]) == (1000, 7, "lineage")
    jsonschema.validate(document, state_schema())
    jsonschema.Draft202012Validator.check_schema(state_schema())


def test_one_resource_is_one_line_in_address_order() -> None:
    lines = WHOLE.decode().splitlines()
    addresses = [json.loads(line.strip().removesuffix(","))["address"] for line in lines if line.startswith("    ")]
    assert addresses == ["mcp_server.a", "mcp_server.b"]


def test_two_writes_of_the_same_differ() -> None:
    assert encode(snapshot(1), Origin("w1")) != encode(snapshot(1), Origin("w2"))


def test_another_layout_of_the_same_is_accepted() -> None:
    document = json.loads(WHOLE)
    turned = dict(reversed(document.items()))
    assert decode(json.dumps(turned, indent=4).encode(), "s") == snapshot(7, "a", "b")


def test_a_secret_value_can_not_be_written() -> None:
    bad = replace(record("a"), attributes={"client_secret": Secret("s3cr3t")})
    with pytest.raises(TypeError):
        encode(Snapshot("l", 1, {bad.address: bad}))


@pytest.mark.parametrize("data", [b"", b"\n", b"  \r\n", b"\0" * 100])
def test_an_empty_file_is_refused(data: bytes) -> None:
    code, _, detail = refused(data)
    assert code == "state.empty"
    assert "state repair" in detail


@given(st.integers(1, len(WHOLE) - 2))
@settings(max_examples=40, deadline=None)
def test_a_file_cut_off_anywhere_is_refused(length: int) -> None:
    assert refused(WHOLE[:length])[0] == "state.damaged"


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
@settings(max_examples=250, deadline=None)
def test_a_changed_byte_is_refused_or_means_nothing(at: int, new: int) -> None:
    changed = WHOLE[:at] + bytes([new]) + WHOLE[at + 1 :]
    try:
        found = decode(changed, "s")
    except Refused as refusal:
        assert all(d.code.startswith("state.") and d.detail for d in refusal.diagnostics)
    else:
        assert found == snapshot(7, "a", "b")


@pytest.mark.parametrize(
    "data",
    [
        b"null",
        b"[]",
        b"{}",
        b'"text"',
        b'{"version": 4, "terraform_version": "1.11.4", "serial": 1, "resources": []}',
        b'{"version": 1001}',
    ],
)
def test_another_programs_file_is_refused(data: bytes) -> None:
    assert refused(data)[0] == "state.foreign"


@pytest.mark.parametrize("data", [b"{", b"{'a': 1}", b"\xff\xfe", b'{"a": NaN}', b"[" * 100_000, b"<html>"])
def test_what_is_not_json_is_refused(data: bytes) -> None:
    assert refused(data)[0] == "state.damaged"


def resealed(**changes: Any) -> bytes:
    """A document changed by someone who knows how to make its checksum right again."""
    import hashlib

    document = {**json.loads(WHOLE), **changes}
    rest = {key: value for key, value in document.items() if key != "sha256"}
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return json.dumps({**document, "sha256": hashlib.sha256(text.encode()).hexdigest()}).encode()


def test_a_newer_format_is_refused_naming_its_version() -> None:
    code, summary, detail = refused(resealed(min_reader=2, format=2, tool="reconciler 9.9.9"))
    assert code == "state.newer"
    assert "reconciler 9.9.9" in summary
    assert "that version" in detail


def test_a_newer_format_that_this_one_may_read_is_read() -> None:
    assert decode(resealed(format=2, min_reader=1), "s").serial == 7


@pytest.mark.parametrize(
    "changes",
    [
        {"serial": "7"},
        {"serial": -1},
        {"lineage": None},
        {"resources": [1]},
        {"resources": [{"address": "mcp_server.a"}]},
        {"resources": [{**json.loads(WHOLE)["resources"][0], "status": "NO_SUCH"}]},
        {"resources": [json.loads(WHOLE)["resources"][0]] * 2},
        {"unknown": 1},
    ],
)
def test_a_well_sealed_document_of_the_wrong_shape_is_refused(changes: dict[str, Any]) -> None:
    code, summary, _ = refused(resealed(**changes))
    assert code == "state.damaged"
    assert "state/default.json" in summary


def test_resources_that_are_no_list_are_refused() -> None:
    assert refused(resealed(resources={}))[0] in ("state.checksum", "state.damaged")


def test_half_a_surrogate_pair_does_not_make_a_state_that_can_not_be_read() -> None:
    odd = replace(record("a"), id="\ud800")
    assert decode(encode(Snapshot("l", 1, {odd.address: odd})), "s").records[odd.address].id == "?"


def test_ten_thousand_records_grow_linearly() -> None:
    small, large = (
        Snapshot("l", 1, {(r := record(f"s{n}")).address: r for n in range(size)}) for size in (100, 10_000)
    )
    assert len(encode(large)) < 110 * len(encode(small))
    assert decode(encode(large), "s") == large
