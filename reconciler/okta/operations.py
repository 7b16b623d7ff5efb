"""Answers that only promise: 202 with the Location of an operation, which is followed until it has ended.

okta-api: operations `{id, type, status, resource?, errorDetails?}`; the Location is followed, never built.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from reconciler.apply.waiting import Interrupted, Wait
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, Refused, error
from reconciler.model.resource import Promise
from reconciler.okta.errors import printable, refusal
from reconciler.okta.names import OPERATIONS, dig, text
from reconciler.okta.pages import Item, fetch, own_path
from reconciler.okta.retry import ask
from reconciler.ports import Answer, Call, Conversation

_SUCCEEDED = frozenset({"COMPLETED", "SUCCESS", "DONE"})
_FAILED = frozenset({"FAILED", "ERROR"})
_PATIENCE = 60.0
_MISSES = 4

VISIBILITY = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Seconds between looks for something that must appear, change or vanish, but may not be visible at once."""


class OperationFailed(Refused):
    """The live system itself says that what it had accepted came to nothing."""


class Location(NamedTuple):
    """Where an answer points to: the last two segments of its path."""

    collection: str
    id: str
    path: str


def location_of(answer: Answer) -> Location | None:
    where = answer.headers.get("location")
    if not where:
        return None
    try:
        path = own_path(where)
        segments = urlsplit(path).path.rstrip("/").split("/")
    except ValueError:
        # No URL at all: the answer is as good as one without.
        return None
    return Location(segments[-2], unquote(segments[-1]), path) if len(segments) > 2 else None


def changed_at(answer: Answer) -> str | None:
    """The live system's own time of the change that it answers, if it shows the object."""
    return text(dig(answer.body, "lastUpdated"))


def expect(call: Call, purpose: str, address: Address, *, repeatable: bool | None = None) -> Conversation[Answer]:
    """The answer to a write that must succeed, once any operation it began has ended well."""
    answer = yield from ask(call, purpose, repeatable=repeatable)
    if not answer.ok:
        raise refusal(call, answer, address, purpose)
    yield from follow(answer, purpose, address)
    return answer


def follow(answer: Answer, purpose: str, address: Address) -> Conversation[Item | None]:
    """The ended operation that `answer` began; None if it began none, or one that doesn't end in good time.

    Raises OperationFailed with the live system's reason, and Interrupted if the user doesn't want to wait.
    """
    location = location_of(answer)
    if location is None or location.collection != OPERATIONS:
        return None
    missed = 0
    for pause in (0.0, *_pauses()):
        if pause:
            try:
                yield Wait(pause, "the operation in Okta goes on")
            except Interrupted:
                told = f"Okta has accepted to {purpose} {address}, and is still at it: stopped waiting"
                raise Interrupted(told, f"{purpose} {address}") from None
        operation = yield from fetch(location.path, address)
        if operation is None:
            # Not visible yet, or forgotten already.
            missed += 1
            if missed > _MISSES:
                return None
            continue
        status = operation.get("status")
        if status in _SUCCEEDED:
            return operation
        if status in _FAILED:
            raise OperationFailed([_failure(operation, purpose, address)])
    return None


def inquire(where: str, collection: str) -> Conversation[Promise]:
    """What became of what is made in `collection` (the last segment of its path) and was accepted with the Location
    `where`: that of an operation, or of the object itself. One look. Raises Refused if Okta refuses to be asked."""
    location = location_of(Answer(202, {"location": where}))
    if location is None or location.collection not in (OPERATIONS, collection):
        return Promise()
    if location.collection == collection:
        return Promise(location.id)
    operation = yield from fetch(location.path)
    status = dig(operation, "status")
    if operation is None or status in _SUCCEEDED:
        return Promise(text(dig(operation, "resource", "id")))
    if status in _FAILED:
        return Promise(failure=_reason(operation))
    return Promise(is_open=True)


def _reason(operation: Item) -> str:
    return printable(text(dig(operation, "errorDetails", "message")) or "no reason given")


def _failure(operation: Item, purpose: str, address: Address) -> Diagnostic:
    code = text(dig(operation, "errorDetails", "code"))
    known_by = f"(operation {printable(str(operation.get('id')))}{f', {printable(code)}' if code else ''})"
    told = f"Okta could not {purpose} {address}: {_reason(operation)}"
    return error("okta.operation-failed", told, known_by, address=address)


def _pauses() -> Iterator[float]:
    pause, total = 0.1, 0.0
    while total < _PATIENCE:
        yield pause
        total += pause
        pause = min(2.0, pause * 2)
