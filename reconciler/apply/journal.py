"""The journal: what was about to be sent, before it is sent, so that a crash never leaves a write unaccounted for.

An entry is a JSON line of a hash chain: `seq` counts from 0, `prev` is the `sha` of the line before, `sha` covers all
else. Each line says in which `format` it is and what `tool` wrote it: a run is resumed by whatever version comes next,
and one that is too old for what is there must know that. Kinds: `intent` (durable before the send), then `done`,
`refused` or `lost` by the answer; `done` and `adopted` entries that carry `edits` say what a step changed of what we
remember; `abandoned` that an intent came to nothing of ours, as the user says or what is there proves. No entry holds
a body, only its digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, NamedTuple

from reconciler import __version__
from reconciler.model.address import Address
from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Answer, Conversation, Journal, Send, T, Together

Entry = Mapping[str, Any]
FORMAT = 1
"""Of a line. It becomes another when an older program would take a line for something that it isn't."""
START = "0" * 64
"""`prev` of the first line."""
_MEANT = ("record", "natural_key", "parent_id")
"""What a creation is recognised by after a crash; said with the first of its sends."""
_OF_THE_LINE = ("format", "tool")
"""What a line says of itself, and not of what was done."""
_TOOL = f"reconciler {__version__}"
_SILENT = (400, 409)
"""Okta may answer so to a request that it carried out; only what it says of its reason makes that a refusal."""


class Link(NamedTuple):
    """Where the chain ends: the next line's `seq`, and its `prev`."""

    seq: int = 0
    prev: str = START


def canonical(value: Any) -> str:
    """JSON in the one form that digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode("utf-8", "surrogatepass")).hexdigest()


def journalled(conversation: Conversation[T], about: Entry, outcomes: list[str] | None = None) -> Conversation[T]:
    """`conversation`, with an intent before every write and its outcome after it, each holding what `about` says.

    The kinds of the outcomes are added to `outcomes` as they come.
    """
    return _journalled(conversation, _Account(about, count(1), [] if outcomes is None else outcomes, []))


class _Account(NamedTuple):
    about: Entry
    numbers: Iterator[int]
    outcomes: list[str]
    purposes: list[str]
    """Of the sends so far."""


def _journalled(conversation: Conversation[T], account: _Account) -> Conversation[T]:
    result: Any = None
    failure: Exception | None = None
    while True:
        try:
            effect = conversation.send(result) if failure is None else conversation.throw(failure)
        except StopIteration as end:
            value: T = end.value
            return value
        result, failure = None, None
        try:
            match effect:
                case Send():
                    result = yield from _sent(effect, account)
                case Together(conversations):
                    result = yield Together([_journalled(c, account) for c in conversations])
                case _:
                    result = yield effect
        except Exception as caught:
            failure = caught


def _sent(send: Send, account: _Account) -> Conversation[Answer]:
    call, attempt = send.call, next(account.numbers)
    about = {key: value for key, value in account.about.items() if key not in _MEANT}
    about |= {"purpose": send.purpose, "attempt": attempt}
    account.purposes.append(send.purpose)
    # Told again when the same is sent again: an intent is only written if its send comes to leave.
    is_first = send.purpose == account.purposes[0]
    meant = {key: value for key, value in account.about.items() if key in _MEANT and is_first}
    body_digest = digest([call.method, call.path, dict(call.query), call.body])
    yield Journal({"kind": "intent", **about, **meant, "body_digest": body_digest})
    try:
        answer: Answer = yield send
    except Refused:
        # The transport refuses before anything has left this machine.
        account.outcomes.append("refused")
        yield Journal({"kind": "refused", **about, "status": 0})
        raise
    outcome = _outcome(answer)
    account.outcomes.append(outcome)
    yield Journal({"kind": outcome, **about, "status": answer.status if answer.sent else 0, **_told(send, answer)})
    return answer


def _told(send: Send, answer: Answer) -> dict[str, str]:
    """What the answer to a creation calls the object, or where it says that its making can be followed."""
    if not answer.ok or send.purpose != "create":
        return {}
    shown = answer.body.get("id") if isinstance(answer.body, Mapping) else None
    told = {"id": shown, "location": answer.headers.get("location")}
    return {key: value for key, value in told.items() if isinstance(value, str)}


def _outcome(answer: Answer) -> str:
    if answer.ok:
        return "done"
    if not answer.sent:
        return "refused"
    is_open = answer.status == 408 or (answer.status in _SILENT and not isinstance(answer.body, Mapping))
    return "refused" if 400 <= answer.status < 500 and not is_open else "lost"


def edits_of(entry: Entry) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = entry.get("edits", ())
    return found


def unsettled(entries: Iterable[Entry]) -> dict[Address, list[Entry]]:
    """By address, the intents (with their outcomes) of which nobody knows what came of them."""
    found: dict[Address, list[Entry]] = {}
    for entry in entries:
        if edits_of(entry) or entry["kind"] == "abandoned":
            found.pop(Address(entry["address"]), None)
        else:
            found.setdefault(Address(entry["address"]), []).append(entry)
    return {address: told for address, told in found.items() if _is_open(told)}


def _is_open(told: Iterable[Entry]) -> bool:
    open_attempts: set[tuple[str, int]] = set()
    for entry in told:
        attempt = (entry["run_id"], entry["attempt"])
        if entry["kind"] == "intent":
            open_attempts.add(attempt)
        elif entry["kind"] == "refused":
            open_attempts.discard(attempt)
    return bool(open_attempts)


def unheard(told: Iterable[Entry]) -> list[Entry]:
    """The intents of one resource of which nothing was heard but that the connection broke: they may still come."""
    found: dict[tuple[str, int], Entry] = {}
    for entry in told:
        attempt = (entry["run_id"], entry["attempt"])
        if entry["kind"] == "intent":
            found[attempt] = entry
        elif entry["kind"] != "lost":
            found.pop(attempt, None)
    return list(found.values())


def write_lines(entries: Iterable[Entry], link: Link) -> tuple[bytes, Link]:
    """The entries as the lines that continue the chain at `link`, and where the chain ends then."""
    lines = []
    for entry in entries:
        text = canonical({**entry, "format": FORMAT, "tool": _TOOL, "seq": link.seq, "prev": link.prev})
        sha = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
        lines.append(f'{text[:-1]},"sha":"{sha}"}}\n')
        link = Link(link.seq + 1, sha)
    return "".join(lines).encode("utf-8", "surrogatepass"), link


def read_lines(data: bytes, name: str) -> tuple[list[Entry], Link, int]:
    """The entries, where their chain ends, and how many bytes of `data` they are.

    A last line without its end was being written when the machine stopped: nothing was sent for it, and it is not
    counted; one that has another byte in the place of its end was written whole. It and any other line that isn't what
    was written raise Refused (`state.journal`) with their number; one in a format that is not known here, Refused
    (`state.newer`).
    """
    entries: list[Entry] = []
    link = Link()
    whole = data[: data.rfind(b"\n") + 1]
    for number, line in enumerate(whole.split(b"\n")[:-1], start=1):
        entry = _read_line(line, link)
        if entry is None:
            raise _changed(number, name)
        _require_known(entry, number, name)
        entries.append({key: value for key, value in entry.items() if key not in _OF_THE_LINE})
        link = Link(link.seq + 1, entry["sha"])
    if _read_line(data[len(whole) : -1], link) is not None:
        raise _changed(len(entries) + 1, name)
    return entries, link, len(whole)


def _changed(number: int, name: str) -> Refused:
    told = f"Line {number} of the journal of {name} isn't what was written there"
    way = (
        "Nothing was changed. It may hold the only trace of objects that were just made: put it back as it was, if "
        "that can be had. Otherwise `reconciler state repair` keeps what comes before, and what was made and isn't "
        "recorded then shows in the next plan as already existing."
    )
    return Refused([error("state.journal", told, way)])


def _require_known(entry: Entry, number: int, name: str) -> None:
    if entry["format"] > FORMAT:
        told = (
            f"Line {number} of the journal of {name} was written by {entry.get('tool') or 'a newer version'}, in "
            f"format {entry['format']}; this is {_TOOL}, which knows formats up to {FORMAT}"
        )
        way = "Resume with that version, or a newer one. Nothing was changed."
        raise Refused([error("state.newer", told, way)])


def _read_line(line: bytes, link: Link) -> Entry | None:
    body, mark, rest = line.rpartition(b',"sha":"')
    sha = rest[:64].decode("ascii", "replace")
    if not mark or rest[64:] != b'"}' or hashlib.sha256(body + b"}").hexdigest() != sha:
        return None
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    known = isinstance(entry, dict) and isinstance(entry.get("format"), int)
    known = known and (entry["format"] > FORMAT or {"kind", "address", "op"} <= entry.keys())
    return entry if known and (entry.get("seq"), entry.get("prev")) == tuple(link) else None
