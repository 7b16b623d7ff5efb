"""The order of what a run writes down: at whatever point it ends, what it did is told of somewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.bookkeeping import (
    Account,
    Append,
    Ask,
    NewId,
    Settle,
    Tail,
    Undertake,
    Write,
    applying,
    keep_account,
    recovering,
    settling,
    sweeping,
    writing,
)
from reconciler.apply.edit import Put, encode_edit
from reconciler.apply.quarantine import Moment
from reconciler.apply.recovery import Recovered
from reconciler.apply.undertaking import Applied, Means
from reconciler.model.diagnostic import Refused, error
from reconciler.model.snapshot import Snapshot
from tests.unit.apply.stage import FakeProvider, observed, plan_to_make, recorded, server, snapshot_of

NOW = Moment(0.0, "boot", 0.0)
A = server("a")
INTENT = {"kind": "intent", "address": str(A.address), "op": "create", "run_id": "r", "attempt": 1}


class Book:
    """Answers an account, and remembers what it asked for. `fails` is the sort of effect that is refused."""

    def __init__(self, fails: type | None = None, **answers: Any) -> None:
        self.asked: list[Any] = []
        self.fails, self.answers = fails, answers

    def __call__(self, effect: Any) -> Any:
        self.asked.append(effect)
        if type(effect) is self.fails:
            raise Refused([error("state.unwritable", "The disk is full")])
        found = self.answers.get(type(effect).__name__, "id" if isinstance(effect, NewId) else None)
        return found(effect) if callable(found) else found

    @property
    def sorts(self) -> list[type]:
        return [type(effect) for effect in self.asked]

    @property
    def written(self) -> list[Snapshot]:
        return [effect.snapshot for effect in self.asked if isinstance(effect, Write)]


def keep(account: Account[Any], book: Book) -> Any:
    return keep_account(account, book)


def test_the_journal_is_forgotten_after_the_snapshot_is_written() -> None:
    book = Book()
    newer = keep(writing(snapshot_of(recorded(A)), "a-plan", True), book)
    assert book.asked == [Write(newer, "a-plan", True), Settle()]
    assert newer == replace(snapshot_of(recorded(A)), serial=4)


def test_a_lineage_is_given_once() -> None:
    book = Book()
    first = keep(writing(Snapshot("")), book)
    assert book.sorts == [NewId, Write, Settle]
    assert (first.lineage, first.serial) == ("id", 1)
    assert keep(writing(first), Book()).lineage == "id"


def test_what_can_not_be_written_is_not_forgotten() -> None:
    book = Book(fails=Write)
    with pytest.raises(Refused):
        keep(writing(snapshot_of()), book)
    assert Settle not in book.sorts


def test_where_no_run_broke_off_nothing_is_asked_or_written() -> None:
    book = Book(Tail=[])
    found, seen = keep(recovering(snapshot_of(recorded(A)), FakeProvider(), NOW), book)
    assert (found, seen) == (Recovered(snapshot_of(recorded(A))), None)
    assert book.sorts == [Tail]


UNCLEAR = Recovered(snapshot_of(recorded(A)), unclear={A.address: (INTENT,)})


def test_what_only_the_user_can_settle_is_journalled_again_before_it_can_be_forgotten() -> None:
    book = Book(Tail=[INTENT], Ask=lambda effect: (UNCLEAR, (observed(A),)))
    found, seen = keep(recovering(snapshot_of(), FakeProvider(), NOW), book)
    assert book.sorts == [Tail, Ask, Append, Write, Settle]
    assert book.asked[2] == Append((INTENT,))
    assert (found.snapshot, found.unclear, seen) == (book.written[0], UNCLEAR.unclear, (observed(A),))


def test_where_nothing_is_to_be_recorded_the_serial_stays() -> None:
    book = Book(Tail=[INTENT], Ask=lambda effect: (replace(UNCLEAR, snapshot=snapshot_of()), ()))
    found, _ = keep(recovering(snapshot_of(), FakeProvider(), NOW), book)
    assert book.asked[2:] == [Append((INTENT,)), Settle()]
    assert found.snapshot == snapshot_of()


def test_what_is_found_out_without_the_lock_is_not_written() -> None:
    book = Book(Tail=[INTENT], Ask=lambda effect: (UNCLEAR, ()))
    found, _ = keep(recovering(snapshot_of(), FakeProvider(), NOW, is_ours=False), book)
    assert book.sorts == [Tail, Ask]
    assert found == UNCLEAR


def test_what_the_user_says_is_in_the_journal_before_it_is_recorded() -> None:
    book = Book()
    entry = {**INTENT, "kind": "adopted", "edits": [encode_edit(Put(recorded(A)))]}
    newer = keep(settling(snapshot_of(), entry), book)
    assert book.sorts == [Append, Write, Settle]
    assert list(newer.records) == [A.address]


def undertaken(was_in_doubt: bool = False) -> Callable[[Undertake], Applied]:
    return lambda effect: replace(effect.undertaking.applied(), was_in_doubt=was_in_doubt)


def test_an_apply_writes_what_it_came_to_whatever_that_is() -> None:
    book = Book(Undertake=undertaken())
    applied = keep(applying(plan_to_make(A), snapshot_of(), Means(FakeProvider()), "key", "mark"), book)
    assert book.sorts == [NewId, Undertake, Write, Settle]
    assert (book.asked[2].plan, applied.snapshot) == ("mark", book.written[0])


@pytest.mark.parametrize("key", ["", "known"])
def test_the_key_of_the_fingerprints_is_written_before_the_first_of_them(key: str) -> None:
    book = Book(Undertake=undertaken())
    plan = replace(plan_to_make(A), fingerprints={"env:X": "f"})
    applied = keep(applying(plan, replace(snapshot_of(), secret_key=key), Means(FakeProvider()), "fresh"), book)
    assert book.sorts == [*([] if key else [Write, Settle]), NewId, Undertake, Write, Settle]
    assert {snapshot.secret_key for snapshot in book.written} == {key or "fresh"}
    assert applied.snapshot.serial == book.written[-1].serial == 3 + len(book.written)


@pytest.mark.parametrize("was_in_doubt", [True, False])
def test_twins_are_looked_for_where_an_answer_was_lost(was_in_doubt: bool) -> None:
    twins = (observed(A, "id0"), observed(A, "id1"))
    book = Book(Ask=lambda effect: twins)
    applied = Applied(snapshot_of(recorded(A)), {}, was_in_doubt=was_in_doubt)
    told = keep(sweeping(applied, FakeProvider()), book)
    assert [d.code for d in told] == (["recovery.duplicate"] if was_in_doubt else [])
    assert book.sorts == ([Ask] if was_in_doubt else [])


def test_an_apply_is_not_lost_because_twins_could_not_be_looked_for() -> None:
    applied = Applied(snapshot_of(recorded(A)), {}, was_in_doubt=True)
    told = keep(sweeping(applied, FakeProvider()), Book(fails=Ask))
    assert [(d.code, d.is_error) for d in told] == [("recovery.not-swept", False)]
