"""Making an object exactly once and finding out its id, whatever the answer to the POST.

Answers seen of the resource-servers API: a body, a Location to the object, a Location to an operation, nothing at all,
and an empty 400 for an object that was made. Some never arrive. Then the list is read, and what has the natural key
and was made after we asked is ours; what was there before is somebody else's and never touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from reconciler.apply.quarantine import QUARANTINE
from reconciler.apply.waiting import Interrupted, Wait
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.okta.errors import error_code, is_duplicate, printable, refusal
from reconciler.okta.names import dig, text
from reconciler.okta.operations import VISIBILITY, follow, location_of
from reconciler.okta.pages import Item, Listing
from reconciler.okta.retry import ask
from reconciler.ports import Answer, Call, Conversation, Foreign, Now

_ATTEMPTS = 3
_SLACK = 2.0
"""Seconds: the Date header counts whole ones."""


@dataclass(frozen=True, slots=True)
class Creation:
    """`find` lists the objects with the natural key; `is_as_wanted` tells whether one may be what we asked for.

    `quarantine` is the time in seconds after which a request of which nothing was heard can't take effect any more."""

    call: Call
    purpose: str
    address: Address
    find: Callable[[], Conversation[Listing]]
    is_as_wanted: Callable[[Item], bool]
    quarantine: float = QUARANTINE


def make(creation: Creation) -> Conversation[str]:
    """The id of the object, made once. Refused if one like it is already there (`okta.already-exists`)."""
    asked_at: float = yield Now()
    in_doubt = False
    for attempt in range(1, _ATTEMPTS + 1):
        answer = yield from ask(creation.call, creation.purpose)
        if answer.ok:
            return (yield from _identify(creation, answer))
        if is_duplicate(answer):
            listing = yield from creation.find()
            return (yield from _recognise(creation, listing, asked_at if in_doubt else None))
        if not answer.sent or not _may_have_happened(answer):
            break
        in_doubt = True
        is_answered = answer.status in range(400, 500) and answer.status != 408
        goes_on = attempt < _ATTEMPTS and not is_answered
        listing = yield from _search(creation, creation.quarantine if goes_on else 0.0)
        if listing.items:
            return (yield from _recognise(creation, listing, asked_at))
        if is_answered:
            break
    raise refusal(creation.call, answer, creation.address, creation.purpose)


def _may_have_happened(answer: Answer) -> bool:
    """An error in Okta's own form is a refusal; a broken answer, or a 400 that says nothing, leaves it open."""
    return answer.status in (0, 408) or answer.status >= 500 or (answer.status in (400, 409) and not error_code(answer))


def _identify(creation: Creation, answer: Answer) -> Conversation[str]:
    """The id by the body, the Location of the object, that of its operation, or else by its natural key."""
    if shown := text(dig(answer.body, "id")):
        return shown
    location = location_of(answer)
    if location is not None and location.collection == creation.call.path.rpartition("/")[2]:
        return location.id
    operation = yield from follow(answer, creation.purpose, creation.address)
    if shown := text(dig(operation, "resource", "id")):
        return shown
    listing = yield from _search(creation)
    candidates = sorted(listing.items, key=_created, reverse=True)
    if not candidates:
        raise Refused([_never_appeared(creation)])
    return str(candidates[0]["id"])


def _search(creation: Creation, at_least: float = 0.0) -> Conversation[Listing]:
    """Those with the natural key, as soon as there are any; an empty listing if none appears in good time, which is
    not before `at_least` seconds: what a lost request was to make may come late, and would come twice."""
    waited = 0.0
    pauses = iter(VISIBILITY)
    while True:
        listing = yield from creation.find()
        pause = next(pauses, min(VISIBILITY[-1], at_least - waited))
        if listing.items or pause <= 0:
            return listing
        try:
            yield Wait(pause, "looking for what was created")
        except Interrupted:
            told = f"Whether {creation.address} was created is not known yet: stopped looking"
            raise Interrupted(told, f"create {creation.address}") from None
        waited += pause


def _recognise(creation: Creation, listing: Listing, asked_at: float | None) -> Conversation[str]:
    """The id of the one among them that we made; `asked_at` is None if we can't have."""
    now: float = yield Now()
    if asked_at is not None:
        ours = [
            item
            for item in sorted(listing.items, key=_created, reverse=True)
            if creation.is_as_wanted(item) and _is_since(item, listing.read_at, now - asked_at)
        ]
        if ours:
            return str(ours[0]["id"])
    there = [_already_there(creation, listing.items)]
    if asked_at is not None and not any(_is_since(i, listing.read_at, now - asked_at) for i in listing.items):
        raise Foreign(there)
    raise Refused(there)


def _is_since(item: Item, read_at: float | None, seconds: float) -> bool:
    """Whether it was created at most `seconds` before the list was read, both by the server's clock."""
    created = _created(item)
    return read_at is None or not created or created >= read_at - seconds - _SLACK


def _created(item: Item) -> float:
    """Seconds since the epoch; 0 if it doesn't say."""
    try:
        moment = datetime.fromisoformat(str(item.get("created")))
    except ValueError:
        return 0.0
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _already_there(creation: Creation, items: Iterable[Item]) -> Diagnostic:
    ids = [printable(str(item.get("id"))) for item in items]
    hint = (
        f"Adopt it with import: [{{to: {creation.address}, id: {ids[0]}}}]" if ids else "Adopt it with an import block"
    )
    return error(
        "okta.already-exists",
        f"{creation.address} is already in Okta{f' as {ids[0]}' if ids else ''}, and was not made from here",
        f"{hint}, or delete it in Okta first.",
        address=creation.address,
    )


def _never_appeared(creation: Creation) -> Diagnostic:
    return error(
        "okta.never-appeared",
        f"Okta accepted {creation.address}, but it has not appeared",
        "Plan again in a while: if it has appeared by then, the plan says how to adopt it.",
        address=creation.address,
    )
