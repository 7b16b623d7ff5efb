"""The rules that can be switched off, one at a time, to see that a history notices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from reconciler.apply import bookkeeping, departure, recovery, sweep
from reconciler.apply.bookkeeping import Append, NewId, Settle, Write
from reconciler.apply.departure import Departure
from reconciler.apply.event import Outcome
from reconciler.apply.undertaking import Undertaking
from reconciler.apply.walker import Walk
from reconciler.okta.family import Family
from reconciler.stores.journal_log import JournalLog
from reconciler.stores.sql import SqlMedium

RULES = {
    "intent": "an intent is journalled before every send",
    "durable": "the intent is durable before the send",
    "door": "an intent is written when all has been waited for but the request",
    "margin": "an intent that took long to write down is written again before the send",
    "rejournal": "a new intent before every further send",
    "quarantine": "after a crash, what isn't there is not made again before it can't come any more",
    "patience": "within a run, a lost creation is not sent again before it can't come any more",
    "adopt": "what an interrupted creation made is looked for",
    "keep": "an intent of which nobody knows what came outlives the snapshot",
    "kept": "what only the user can settle is journalled again",
    "kept-first": "and that before the entries that tell of it are forgotten",
    "half": "what a failed step did is recorded all the same",
    "serial": "an entry says after which snapshot it was written",
    "order": "the journal is forgotten after the snapshot is written",
    "fence": "the store refuses a run that lost its lease",
    "lease": "no send when the lease is lost or nearly",
    "expiry": "a lease is taken over only after it expired",
    "read-back": "what was written is read back",
    "sweep": "objects that are there twice are told of",
}


def switch_off(off: frozenset[str]) -> Callable[[], None]:
    """Replace what makes a rule of the engine itself; the way back."""
    swaps: list[tuple[Any, str, Any]] = [swap for rule in sorted(off) for swap in _SWAPS.get(rule, ())]
    kept = [(owner, name, getattr(owner, name)) for owner, name, _ in swaps]
    for owner, name, other in swaps:
        setattr(owner, name, other)

    def restore() -> None:
        for owner, name, before in kept:
            setattr(owner, name, before)

    return restore


def _forgotten_first(snapshot: Any, plan: str = "", partial: bool = False) -> Any:
    """The journal is forgotten before the snapshot is written."""
    yield Settle()
    lineage = snapshot.lineage or (yield NewId())
    newer = replace(snapshot, lineage=lineage, serial=snapshot.serial + 1)
    yield Write(newer, plan)
    return newer


def _kept_last(*given: Any) -> Any:
    """What only the user can settle is journalled again after it was forgotten."""
    account, late, answer = _recovering(*given), [], None
    while True:
        try:
            effect = account.send(answer)
        except StopIteration as end:
            yield from late
            return end.value
        answer = None
        if isinstance(effect, Append):
            late.append(effect)
        else:
            answer = yield effect


def _forgetful(self: Walk, step: Any, outcome: Outcome, edits: Any = ()) -> None:
    _finish(self, step, outcome, edits if outcome is Outcome.DONE else ())


def _undated(self: Undertaking, told: Any, moment: Any) -> Any:
    return {**_entry(self, told, moment), "serial": 0}


async def _unannounced(self: Departure, intent: Any, journal: Any) -> None:
    """Sends without a word."""


async def _announced_once(self: Departure, intent: Any, journal: Any) -> None:
    if intent["attempt"] == 1:
        await _account_for(self, intent, journal)


async def _announced_at_any_time(self: Departure, intent: Any, journal: Any) -> None:
    await journal([intent])
    _require_time(self._terms.lease, self._terms.patience)


async def _announced_early(self: Departure, entry: Any) -> None:
    """The intent is written at once, and the wait for the turn comes after it."""
    await self._terms.journal([entry])  # type: ignore[misc]
    self._leave = _leave


async def _leave() -> None:
    pass


def _unproven(family: Family, target: Any, wanted: Any, since: Any = None) -> Any:
    """Takes the live system's word for it."""
    seen = yield from family.look(target)
    assert seen is not None
    return replace(seen, attributes={**seen.attributes, **wanted})


def _forget_all(log: JournalLog) -> None:
    if log.read():
        log._medium.restart(b"")
    log._link, log._recovered, log._own = None, 0, None


def _over(medium: SqlMedium) -> Any:
    """Every lease has expired."""
    return (*_lease(medium)[:2], 0.0)


_lease = SqlMedium._lease
_account_for, _require_time = Departure._account_for, departure._require_time
_recovering, _finish, _entry = bookkeeping.recovering, Walk.finish, Undertaking.entry
_SWAPS: dict[str, tuple[tuple[Any, str, Any], ...]] = {
    "intent": ((Departure, "_account_for", _unannounced),),
    "rejournal": ((Departure, "_account_for", _announced_once),),
    "door": ((Departure, "write", _announced_early),),
    "margin": ((Departure, "_account_for", _announced_at_any_time),),
    "lease": ((departure, "_require_time", lambda *given: None),),
    "quarantine": ((recovery, "seconds_left", lambda entry, now: 0.0),),
    "adopt": ((recovery, "_is_it", lambda *given: False),),
    "read-back": ((Family, "prove", _unproven),),
    "order": ((bookkeeping, "writing", _forgotten_first),),
    "kept": ((recovery.Recovered, "kept", ()),),
    "kept-first": ((bookkeeping, "recovering", _kept_last),),
    "half": ((Walk, "finish", _forgetful),),
    "serial": ((Undertaking, "entry", _undated),),
    "keep": ((JournalLog, "settle", _forget_all),),
    "fence": ((SqlMedium, "_require_lease", lambda medium: None),),
    "expiry": ((SqlMedium, "_lease", _over),),
    "sweep": ((sweep, "_warnings", lambda *given: iter(())),),
}
