"""What checks found is kept beside the state, and believed only of what is still described in the same way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.model.address import Address
from reconciler.model.resource import Resource
from reconciler.readiness.context import Baseline
from reconciler.readiness.gate import CheckResult, Verdict
from reconciler.stores.evidence import Evidence, EvidenceFile

HUB = Resource(Address("mcp_server.hub"), "mcp_server", {"resource_url": "https://hub.example.com/mcp"})
FOUND = (CheckResult("mcp.prm", HUB.address, Verdict.FAIL, "it is about another", "mend it", facts={"url": "x"}),)
AT = "2026-01-01T00:00:00.000Z"


@pytest.fixture
def kept(tmp_path: Path) -> EvidenceFile:
    return EvidenceFile(tmp_path / "state" / "default.evidence.json")


def test_what_was_found_is_found_again(kept: EvidenceFile) -> None:
    assert kept.read() == Evidence()
    evidence = Evidence(baselines={HUB.address: Baseline("d", "c")}).with_results(
        {HUB.address: FOUND}, {HUB.address: HUB}, AT
    )
    kept.write(evidence)
    assert kept.read() == evidence
    latest = kept.read().latest(HUB)
    assert latest is not None and (latest.at, latest.results) == (AT, FOUND)


def test_of_what_is_described_otherwise_now_nothing_is_known(kept: EvidenceFile) -> None:
    evidence = Evidence().with_results({HUB.address: FOUND}, {HUB.address: HUB}, AT)
    moved = replace(HUB, attributes={"resource_url": "https://other.example.com/mcp"})
    assert evidence.latest(moved) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b'{"version": 2}',
        b'{"version": 1, "checked": {"a": 1}}',
        b'{"version": 1, "checked": {"no address": {"at": "", "about": "", "results": []}}}',
        b'{"version": 1, "baselines": {"": {"digest": "", "critical": ""}}}',
        b"\xff",
    ],
)
def test_what_can_not_be_read_is_nothing(kept: EvidenceFile, data: bytes) -> None:
    kept.path.parent.mkdir()
    kept.path.write_bytes(data)
    assert kept.read() == Evidence()
