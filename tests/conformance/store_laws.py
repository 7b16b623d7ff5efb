"""The laws every store obeys; subclass `StoreLaws` and give it a fixture `opened` to hold a new store to them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any, Protocol

import pytest

from reconciler.apply.edit import Put, encode_edit
from reconciler.apply.record import encode_record
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused
from reconciler.model.lifecycle import State
from reconciler.model.resource import Need, NeedSort, Record
from reconciler.model.snapshot import Snapshot
from reconciler.ports import Store
from reconciler.stores.document import encode
from reconciler.stores.lease import HeldLease, new_holder
from reconciler.stores.medium import Lost
from reconciler.stores.repair import examine, repair


class Open(Protocol):
    """Opens the same workspace anew, as another run would."""

    def __call__(self, lease_seconds: float | None = None) -> Store: ...


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
        store = opened()
        with store.lock("apply", 0) as lease:
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
            store.write(snapshot(1))
        with opened().lock("plan", 0) as next_lease:
            assert next_lease.holder.id != holder.id
            assert next_lease.fence == lease.fence + 1

    def test_the_lock_is_given_back_after_a_failure(self, opened: Open) -> None:
        with pytest.raises(KeyError), opened().lock("apply", 0):
            raise KeyError
        with opened().lock("apply", 0):
            pass

    def test_a_lock_that_nobody_holds_can_not_be_forced(self, opened: Open) -> None:
        assert refusal(lambda: opened().force_unlock("any")) == "lock.not-held"
        with opened().lock("apply", 0) as lease:
            assert refusal(lambda: opened().force_unlock("another")) == "lock.other"
            assert lease.remaining() > 0
        assert refusal(lambda: opened().force_unlock(lease.holder.id)) == "lock.not-held"

    def test_waiting_for_the_lock_ends_when_it_is_free(self, opened: Open) -> None:
        entered, leave = threading.Event(), threading.Event()

        def hold() -> None:
            with opened().lock("apply", 0):
                entered.set()
                leave.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        assert entered.wait(10)
        threading.Timer(0.2, leave.set).start()
        with opened().lock("plan", 10) as mine:
            assert mine.holder.operation == "plan"
        holder.join()

    def test_of_many_that_count_each_is_counted(self, opened: Open) -> None:
        opened().write(snapshot(1))
        fences: list[int] = []
        problems: list[BaseException] = []

        def add_up() -> None:
            try:
                for _ in range(3):
                    store = opened()
                    with store.lock("apply", 60) as lease:
                        fences.append(lease.fence)
                        held = store.read()
                        assert held is not None
                        assert list(store.tail()) == []
                        store.append([intent("a", held.serial), done("a", held.serial)])
                        store.write(Snapshot("lineage", held.serial + 1, held.records))
                        store.settle()
            except BaseException as problem:
                problems.append(problem)

        threads = [threading.Thread(target=add_up) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        found = opened().read()
        assert found is not None
        assert found.serial == 13
        assert fences == sorted(set(fences)), "every holder has a number, higher than all before"

    def test_history_tells_who_wrote_what_when_and_for_which_plan(self, opened: Open) -> None:
        store = opened()
        assert list(store.history()) == []
        with store.lock("apply", 0) as lease:
            store.write(snapshot(1, "a"), plan="f1")
            store.write(snapshot(2, "a", "b"))
        newest, oldest = opened().history()
        assert (newest.serial, newest.resources, newest.plan, newest.previous) == (2, 2, "", oldest.sha)
        assert (oldest.serial, oldest.resources, oldest.plan, oldest.previous) == (1, 1, "f1", "")
        assert (oldest.who, oldest.operation) == (lease.holder.who, "apply")
        assert oldest.at.endswith("Z")

    def test_the_past_can_be_read(self, opened: Open) -> None:
        store = opened()
        store.write(snapshot(1, "a"))
        store.write(snapshot(2))
        assert opened().past(1) == snapshot(1, "a")
        assert opened().past(2) == snapshot(2)
        assert refusal(lambda: opened().past(3)) == "state.no-version"

    def test_a_damaged_state_and_a_damaged_journal_are_repaired(self, opened: Open) -> None:
        store = opened()
        for serial in (1, 2):
            store.write(snapshot(serial, "a"))
        store.append([intent("b", 2)])
        medium = store.medium  # type: ignore[attr-defined]
        medium.save(b'{"lineage": "lineage", "serial": 3}', medium.load().mark, 3)
        medium.restart(medium.lines() + b"no entry\n")
        with pytest.raises(Refused):
            opened().read()
        damaged = opened()
        with damaged.lock("state repair", 0):
            damage = examine(damaged)
            assert (len(damage.found), damage.serial) == (2, 2)
            repair(damaged, damage)
            assert examine(damaged).found == []
        assert opened().read() == snapshot(2, "a")
        assert plain(opened().tail()) == [intent("b", 2)]
        assert [version.serial for version in opened().history()] == [2, 1]

    def test_a_version_can_be_written_anew(self, opened: Open) -> None:
        store = opened()
        for serial in (1, 2):
            store.write(snapshot(serial, "a"))
        medium = store.medium  # type: ignore[attr-defined]
        before = medium.version(1)
        medium.revise(1, encode(snapshot(1, "b")))
        assert opened().past(1) == snapshot(1, "b")
        medium.revise(1, before)
        assert opened().read() == snapshot(2, "a")
        assert [version.serial for version in opened().history()] == [2, 1]

    def test_old_versions_are_let_go_of(self, opened: Open) -> None:
        store = opened()
        store.medium.kept = 4  # type: ignore[attr-defined]
        for serial in range(1, 8):
            store.write(snapshot(serial))
        assert [version.serial for version in opened().history()] == [7, 6, 5, 4]


class Expiring:
    """The laws of stores that can't see whether a holder lives, and therefore compare and swap."""

    def test_without_the_lock_one_of_two_writers_wins(self, opened: Open) -> None:
        opened().write(snapshot(1))
        stores = [opened() for _ in range(4)]
        assert [store.read() for store in stores] == [snapshot(1)] * 4
        won: list[str] = []
        barrier = threading.Barrier(len(stores))

        def write(store: Store, name: str) -> None:
            barrier.wait()
            try:
                store.write(snapshot(2, name))
            except Refused as refused:
                assert refused.diagnostics[0].code == "stale.serial"
            else:
                won.append(name)

        threads = [threading.Thread(target=write, args=(s, n)) for s, n in zip(stores, "abcd", strict=True)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert opened().read() == snapshot(2, *won)

    def test_a_lease_is_renewed_while_its_holder_lives(self, opened: Open) -> None:
        with opened(0.6).lock("apply", 0) as lease:
            assert 0 < lease.remaining() <= 0.6
            assert refusal(lambda: opened().lock("plan", 1.5).__enter__()) == "lock.held"
            assert lease.remaining() > 0

    def test_a_frozen_holder_is_taken_over_from_and_may_then_write_nothing(self, opened: Open) -> None:
        opened().write(snapshot(1))
        frozen = opened(0.5)
        frozen.read()
        with freeze(frozen, 0.5):
            frozen.append([intent("a")])
            other = opened()
            began = time.monotonic()
            with other.lock("apply", 20) as lease:
                assert time.monotonic() - began < 10
                for write in (
                    lambda: frozen.append([intent("b")]),
                    lambda: frozen.write(snapshot(2, "stale")),
                    frozen.settle,
                ):
                    assert refusal(write) == "lock.lost"
                assert plain(other.tail()) == [intent("a")]
                assert other.read() == snapshot(1)
                other.write(snapshot(2, "b"))
                assert lease.remaining() > 0
        assert opened().read() == snapshot(2, "b")

    def test_a_frozen_holder_who_had_said_nothing_yet_does_not_take_its_successor_for_a_dead_run(
        self, opened: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(HeldLease, "_renew", lambda lease: None)
        frozen = opened(0.3)
        with frozen.lock("apply", 0):
            assert frozen.read() is None
            assert frozen.tail() == []
            other = opened()
            with other.lock("apply", 20):
                other.append([intent("a")])
                assert refusal(lambda: frozen.append([intent("b")])) == "lock.lost"
                assert refusal(lambda: frozen.write(snapshot(1))) == "lock.lost"

    def test_nobody_takes_over_before_the_lease_is_over(self, opened: Open) -> None:
        with freeze(opened(30), 30):
            assert refusal(lambda: opened().lock("plan", 0.5).__enter__()) == "lock.held"

    def test_a_late_holder_goes_on_if_nobody_came(self, opened: Open) -> None:
        store = opened(0.2)
        with freeze(store, 0.2):
            time.sleep(0.4)
            store.write(snapshot(1))
        assert opened().read() == snapshot(1)

    def test_a_lock_that_is_taken_away_is_lost(self, opened: Open) -> None:
        store = opened(0.3)
        with store.lock("apply", 0) as lease:
            opened().force_unlock(lease.holder.id)
            assert refusal(lambda: opened().force_unlock(lease.holder.id)) == "lock.not-held"
            assert refusal(lambda: store.write(snapshot(1))) == "lock.lost"
            time.sleep(0.4)
            assert lease.remaining() == 0
            with opened().lock("plan", 5):
                pass
        assert opened().read() is None


class Locking:
    """The laws of stores whose server locks, and knows of no end of a lock but being unlocked."""

    def test_whoever_was_unlocked_by_force_may_write_nothing_once_another_is_in(self, opened: Open) -> None:
        opened().write(snapshot(1))
        stale = opened()
        with stale.lock("apply", 0) as lease:
            stale.read()
            opened().force_unlock(lease.holder.id)
            other = opened()
            with other.lock("apply", 0):
                for write in (lambda: stale.append([intent("b")]), lambda: stale.write(snapshot(2, "stale"))):
                    assert refusal(write) == "lock.lost"
                assert lease.remaining() == 0
                other.read()
                other.write(snapshot(2, "b"))
            assert refusal(lambda: stale.write(snapshot(3, "stale"))) == "lock.lost"
        assert opened().read() == snapshot(2, "b")

    def test_whoever_was_unlocked_by_force_may_write_nothing_even_if_nobody_came(self, opened: Open) -> None:
        opened().write(snapshot(1))
        stale = opened()
        with stale.lock("apply", 0) as lease:
            stale.read()
            opened().force_unlock(lease.holder.id)
            assert refusal(lambda: stale.append([intent("b")])) == "lock.lost"
            assert lease.remaining() == 0
        assert opened().read() == snapshot(1)
        assert plain(opened().tail()) == []

    def test_whoever_was_unlocked_by_force_adds_nothing_after_another_was_in_and_left(self, opened: Open) -> None:
        first = opened()
        with first.lock("apply", 0) as lease:
            opened().force_unlock(lease.holder.id)
            other = opened()
            with other.lock("apply", 0):
                other.write(snapshot(1))
                other.settle()
            assert refusal(lambda: first.append([intent("b", 1)])) == "lock.lost"
            assert refusal(lambda: opened().force_unlock(lease.holder.id)) == "lock.not-held"
        assert plain(opened().tail()) == []

    def test_a_locked_state_is_not_written_by_whoever_has_no_lock(self, opened: Open) -> None:
        with opened().lock("apply", 0):
            assert refusal(lambda: opened().write(snapshot(1))) == "lock.held"


@contextmanager
def freeze(store: Any, ttl: float) -> Iterator[None]:
    """Holds the lease as a process does that is stopped at once: without renewing it, and waking inside."""
    store.medium.acquire(new_holder("apply"), ttl)
    try:
        yield
    finally:
        with suppress(Lost, Refused):
            store.medium.release()


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as caught:
        call()
    assert caught.value.diagnostics[0].detail, "says what to do"
    return code(caught)
