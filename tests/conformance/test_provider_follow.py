"""A run that dies between a creation's acceptance and its end: the next one asks the operation what became of it."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.apply.quarantine import moment, stamp
from reconciler.apply.record import encode_record
from reconciler.apply.recovery import Recovered, find_out
from reconciler.model.lifecycle import State
from reconciler.model.resource import Record
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Answer, Call, Leave
from tests.conformance.live import Live, open_live, server

SERVERS = "/resource-servers/api/v1/mcp-servers"
OPERATION = "/resource-servers/api/v1/operations/"


class Dies:
    """The wire of a run that dies as soon as it asks the operation."""

    def __init__(self, live: Live) -> None:
        self.inner = live.transport

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        if OPERATION in call.path:
            raise InterruptedError
        return await self.inner.exchange(call, leave)

    async def close(self) -> None: ...


def crashed(live: Live) -> list[dict[str, Any]]:
    """The journal of a run that died after the answer 202."""
    target = server()
    with pytest.raises(InterruptedError):
        live.run(live.provider.create(target), Dies(live))
    assert [entry["kind"] for entry in live.journal] == ["intent", "done"]
    assert OPERATION in live.journal[1]["location"]
    born = Record(target.address, target.kind, "", target.attributes, State.PENDING)
    meant = {"natural_key": (target.attributes["resource_url"],), "parent_id": None, "record": encode_record(born)}
    about = {"address": str(target.address), "run_id": "r", "serial": 1, **stamp(live, 60.0)}
    return [{**entry, **about, **(meant if entry["kind"] == "intent" else {})} for entry in live.journal]


def recovered(live: Live, entries: list[dict[str, Any]]) -> tuple[Recovered, float]:
    began = live.elapsed
    found, _ = live.run(find_out(Snapshot("l"), entries, live.provider, moment(live)))
    return found, live.elapsed - began


@pytest.fixture(params=[0.0, 100.0], ids=["listed", "not listed"])
def unlisted(request: pytest.FixtureRequest) -> float:
    """For how long lists don't show what was made."""
    seconds: float = request.param
    return seconds


def hide(live: Live, unlisted: float) -> None:
    if unlisted:
        live.fault("stale_list", SERVERS, "GET", seconds=unlisted)


def test_one_that_goes_on_is_waited_for_and_recorded(unlisted: float) -> None:
    with open_live(settle_seconds=30.0) as live:
        entries = crashed(live)
        hide(live, unlisted)
        found, seconds = recovered(live, entries)
        assert len(found.snapshot.records) == 1
        assert (found.notes[0].code, live.counts()["mcp_server"]) == ("recovery.adopted", 1)
        assert 10 < seconds < 32, "as soon as the operation says so, and long before nothing could come any more"


def test_one_that_has_ended_is_recorded_at_once(unlisted: float) -> None:
    with open_live(settle_seconds=1.0) as live:
        entries = crashed(live)
        hide(live, unlisted)
        live.pass_time(2.0)
        found, seconds = recovered(live, entries)
        assert len(found.snapshot.records) == live.counts()["mcp_server"] == 1
        assert seconds < 1


def test_one_that_failed_is_told_with_its_reason_and_not_waited_for(unlisted: float) -> None:
    with open_live(settle_seconds=10.0) as live:
        live.fault("fail_operation", SERVERS, "POST", message="The address is not reachable")
        entries = crashed(live)
        hide(live, unlisted)
        live.pass_time(20.0)
        found, seconds = recovered(live, entries)
        assert not found.snapshot.records
        assert found.notes[0].code == "recovery.failed"
        assert "The address is not reachable" in found.notes[0].summary
        assert seconds < 1


def test_one_that_fails_while_it_is_waited_for_is_not_taken_for_made() -> None:
    with open_live(settle_seconds=10.0) as live:
        live.fault("fail_operation", SERVERS, "POST", message="The address is not reachable")
        found, seconds = recovered(live, crashed(live))
        assert not found.snapshot.records
        assert (found.notes[0].code, seconds < 20) == ("recovery.failed", True)
