"""The laws every store obeys; subclass `StoreLaws` and give it a fixture `opened` to hold a new store to them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

import pytest

from reconciler.apply.edit import Put, encode_edit
from reconciler.apply.record import encode_record
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Record
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Store

Open: TypeAlias = Callable[[], Store]
"""Opens the same workspace anew, as another run would."""


def record(name: str, **more: Any) -> Record:
    address = Address(f"mcp_server.{name}")
    attributes = {"resource_url": f"https://{name}", "scopes": ["é", 'a"b'], "secret": {"env": "NAME"}, "n": None}
    needs = (Need(Address("authorization_server.x"), NeedSort.READY),)
    return Record(address, "mcp_server", f"id-{name}", attributes, State.ACTIVE, needs, {"r": address}, "orn:x", **more)


def snapshot(serial: int, *names: str) -> Snapshot:
    return Snapshot("lineage", serial, {(made := record(name)).address: made for name in names})


def intent(name: str, serial: int = 1, attempt: int = 1, **more: Any) -> dict[str, Any]:
    born = encode_record(record(name))
    about = {"address": f"mcp_server.{name}", "op": "create", "run_id": "r", "attempt": attempt, "serial": serial}
    return {"kind": "intent", **about, "record": born, **more}


def done(name: str, serial: int = 1) -> dict[str, Any]:
    about = {"address": f"mcp_server.{name}", "op": "create", "run_id": "r", "serial": serial}
    return {"kind": "done", **about, "edits": [encode_edit(Put(record(name)))]}


def plain(entries: Any) -> list[dict[str, Any]]:
    return [{k: v for k, v in entry.items() if k not in ("seq", "prev", "sha")} for entry in entries]


def code(refused: pytest.ExceptionInfo[Refused]) -> str:
    return refused.value.diagnostics[0].code


class StoreLaws:
    def test_a_new_workspace_has_nothing(self, opened: Open) -> None:
        store = opened()
        assert store.read() is None
        assert list(store.tail()) == []
        store.settle()
        assert store.read() is None

    def test_what_is_written_is_read_by_the_next(self, opened: Open) -> None:
        written = replace(snapshot(1, "a", "b"), lineage="l-1")
        opened().write(written)
        assert opened().read() == written

    def test_an_empty_snapshot_is_a_snapshot(self, opened: Open) -> None:
        opened().write(snapshot(1))
        assert opened().read() == snapshot(1)

    def test_a_snapshot_that_is_not_newer_is_refused_and_changes_nothing(self, opened: Open) -> None:
        first, second = opened(), opened()
        first.write(snapshot(1, "a"))
        assert second.read() == snapshot(1, "a")
        first.write(snapshot(2, "a", "b"))
        for serial in (1, 2):
            with pytest.raises(Refused) as caught:
                second.write(snapshot(serial, "c"))
            assert code(caught) == "stale.serial"
        assert opened().read() == snapshot(2, "a", "b")

    def test_the_journal_keeps_its_order_over_runs(self, opened: Open) -> None:
        opened().write(snapshot(1))
        store = opened()
        store.append([intent("a"), intent("b")])
        store.append([done("a")])
        expected = [intent("a"), intent("b"), done("a")]
        assert plain(store.tail()) == expected
        assert plain(opened().tail()) == expected
        assert plain(opened().tail()) == expected, "reading forgets nothing"

    def test_appending_nothing_is_nothing(self, opened: Open) -> None:
        store = opened()
        store.append([])
        assert list(store.tail()) == []

    def test_a_written_snapshot_accounts_for_what_was_recorded(self, opened: Open) -> None:
        store = opened()
        store.append([intent("a", 0), done("a", 0)])
        store.write(snapshot(1, "a"))
        assert list(opened().tail()) == [], "even if the run dies before it settles"
        store.settle()
        assert list(opened().tail()) == []

    def test_what_is_in_doubt_outlives_the_run_that_sent_it(self, opened: Open) -> None:
        store = opened()
        store.append([intent("a", 0), intent("b", 0), done("a", 0)])
        store.write(snapshot(1, "a"))
        assert plain(opened().tail()) == [intent("b", 0)]
        store.settle()
        assert plain(opened().tail()) == [intent("b", 0)]
        store.append([intent("c", 1)])
        assert plain(opened().tail()) == [intent("b", 0), intent("c", 1)]

    def test_what_was_recovered_is_settled(self, opened: Open) -> None:
        opened().append([intent("a", 0)])
        store = opened()
        assert plain(store.tail()) == [intent("a", 0)]
        store.write(snapshot(1, "a"))
        store.append([intent("b", 1)])
        store.write(snapshot(2, "a"))
        store.settle()
        assert plain(opened().tail()) == [intent("b", 1)]

    def test_a_snapshot_never_passes_over_what_nobody_recovered(self, opened: Open) -> None:
        opened().append([intent("a", 0), done("a", 0)])
        with pytest.raises(Refused) as caught:
            opened().write(snapshot(1))
        assert code(caught) == "state.unrecovered"
        assert plain(opened().tail()) == [intent("a", 0), done("a", 0)]

    def test_the_lock_is_exclusive_and_shows_its_holder(self, opened: Open) -> None:
        with opened().lock("apply", 0) as lease:
            holder = lease.holder
            assert holder.operation == "apply"
            with pytest.raises(Refused) as caught, opened().lock("plan", 0):
                pass
            (told,) = caught.value.diagnostics
            assert told.code == "lock.held"
            assert holder.who in told.summary
            assert "apply" in told.summary
            assert holder.id in told.detail
            assert holder.created in told.detail
            assert f"force-unlock {holder.id}" in told.detail
        with opened().lock("plan", 0) as next_lease:
            assert next_lease.holder.id != holder.id
            assert next_lease.fence == lease.fence + 1

    def test_the_lock_is_given_back_after_a_failure(self, opened: Open) -> None:
        with pytest.raises(KeyError), opened().lock("apply", 0):
            raise KeyError
        with opened().lock("apply", 0):
            pass
