"""In what order a run writes down what it does, and forgets what is written elsewhere: told once, for every driver.

An *account* is a conversation one level above those with the live system. Its effects are about the store of the
workspace, and two of them about what is done meanwhile:

| effect                | result                                                               |
|-----------------------|----------------------------------------------------------------------|
| Tail()                | the journal's entries since the last snapshot, oldest first          |
| Append(entries)       | None, once they are durable                                          |
| Write(snapshot, ...)  | None, once it is what is recorded                                    |
| Settle()              | None, once the journal is without what the snapshot accounts for     |
| NewId()               | text that names nothing else                                         |
| Ask(conversation, w)  | what comes of the conversation with the live system                  |
| Undertake(u)          | Applied, once nothing of the undertaking is under way any more       |

Between any two of them a run may die: then what was done is in the snapshot, or in the journal, or can be found out.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import uuid4

from reconciler.apply.edit import amend, decode_edit
from reconciler.apply.journal import Entry, edits_of
from reconciler.apply.observing import OBSERVING, observe
from reconciler.apply.quarantine import Moment
from reconciler.apply.recovery import Recovered, find_out, glance, longest_wait
from reconciler.apply.sweep import find_duplicates, not_looked
from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.model.resource import Observed
from reconciler.model.snapshot import Snapshot
from reconciler.plan.document import Plan
from reconciler.ports import Conversation, Provider, Store, T

if TYPE_CHECKING:
    from reconciler.apply.undertaking import Applied, Means, Undertaking


@dataclass(frozen=True, slots=True)
class Tail:
    pass


@dataclass(frozen=True, slots=True)
class Append:
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Write:
    """`plan` is the fingerprint of the plan that led to the snapshot; `partial`: it was not carried out whole."""

    snapshot: Snapshot
    plan: str = ""
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Settle:
    pass


@dataclass(frozen=True, slots=True)
class NewId:
    pass


@dataclass(frozen=True, slots=True)
class Ask:
    """`doing` is what people are told if it takes its time; {live} in it stands for the live system's name."""

    conversation: Conversation[Any]
    doing: str


@dataclass(frozen=True, slots=True)
class Undertake:
    undertaking: Undertaking


Entering: TypeAlias = Tail | Append | Write | Settle | NewId | Ask | Undertake
Account: TypeAlias = Generator[Entering, Any, T]


def keep_account(account: Account[T], answer: Callable[[Any], Any]) -> T:
    """The account's result. What answering an effect raises is raised in the account; what the account raises, here."""
    result: Any = None
    failure: Exception | None = None
    try:
        while True:
            try:
                effect = account.send(result) if failure is None else account.throw(failure)
            except StopIteration as end:
                value: T = end.value
                return value
            result, failure = None, None
            try:
                result = answer(effect)
            except Exception as caught:
                failure = caught
    finally:
        account.close()


def enter(effect: Entering, store: Store) -> Any:
    """Answers those effects that are the store's alone."""
    match effect:
        case Tail():
            return store.tail()
        case Append(entries):
            return store.append(entries)
        case Write(snapshot, plan, partial):
            return store.write(snapshot, plan, partial)
        case Settle():
            return store.settle()
        case NewId():
            return str(uuid4())
        case _:
            raise RuntimeError(f"{type(effect).__name__} is nothing for a store")


def writing(snapshot: Snapshot, plan: str = "", partial: bool = False) -> Account[Snapshot]:
    """The snapshot as it is written, under the next serial; only then is the journal forgotten.

    It gets its lineage when it is first written: until then there is no world to tell from another.
    """
    lineage = snapshot.lineage or (yield NewId())
    newer = replace(snapshot, lineage=lineage, serial=snapshot.serial + 1)
    yield Write(newer, plan, partial)
    yield Settle()
    return newer


def recovering(
    snapshot: Snapshot, provider: Provider, now: Moment, is_ours: bool = True
) -> Account[tuple[Recovered, tuple[Observed, ...] | None]]:
    """What an earlier run did after its last snapshot, if it broke off, and the live system as far as that took a look.

    If the workspace `is_ours`, what may still come is waited for, and all is recorded, under another serial only if
    something has to be: a plan that was made before is good still. What only the user can settle is journalled again
    first: then the entries that tell of it go.
    """
    entries = yield Tail()
    if not entries:
        return Recovered(snapshot), None
    if not is_ours:
        found, observed = yield Ask(glance(snapshot, entries, provider, now), OBSERVING)
        return found, observed
    seconds = longest_wait(entries, now)
    doing = "Finding out what became of an interrupted run" + (f" ({seconds:.0f} s at most)" if seconds >= 1 else "")
    found, observed = yield Ask(find_out(snapshot, entries, provider, now), doing)
    yield Append(found.kept)
    if found.snapshot == snapshot:
        yield Settle()
        return found, observed
    return replace(found, snapshot=(yield from writing(found.snapshot))), observed


def settling(snapshot: Snapshot, entry: Entry) -> Account[Snapshot]:
    """What the user says became of something, by an `entry` whose edits are recorded once it is in the journal."""
    yield Append([entry])
    records = dict(snapshot.records)
    for edit in edits_of(entry):
        amend(records, decode_edit(edit))
    return (yield from writing(replace(snapshot, records=records)))


def applying(plan: Plan, snapshot: Snapshot, means: Means, secret_key: str = "", mark: str = "") -> Account[Applied]:
    """Walks the plan; the snapshot of the result is written, under `mark`, the plan's fingerprint."""
    from reconciler.apply.undertaking import Undertaking

    if plan.fingerprints and not snapshot.secret_key:
        # The key is kept before the first fingerprint: after a crash the journal has some, and no key for them.
        snapshot = yield from writing(replace(snapshot, secret_key=secret_key))
    undertaking = Undertaking(plan, snapshot, means, run_id=(yield NewId()))
    applied: Applied = yield Undertake(undertaking)
    return replace(applied, snapshot=(yield from writing(applied.snapshot, mark, not applied.is_whole)))


def sweeping(applied: Applied, provider: Provider) -> Account[tuple[Diagnostic, ...]]:
    """What is there twice after an apply in which a creation's answer was lost; a look that fails costs nothing that
    the apply came to."""
    if not applied.was_in_doubt:
        return ()
    try:
        observed = yield Ask(observe(applied.snapshot, provider), OBSERVING)
    except Refused as refused:
        return (not_looked(refused),)
    return find_duplicates(applied.snapshot, observed)
