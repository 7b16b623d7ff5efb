"""The journal's promise (an intent before every write) and its form (a chain in which a change is noticed)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler import __version__
from reconciler.apply.journal import FORMAT, START, Link, journalled, read_lines, unsettled, write_lines
from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Answer, Call, Conversation, Journal, Read, Send, Sleep, Together
from tests.unit.apply.stage import SECRET

ABOUT = {
    "address": "mcp_server.a",
    "op": "create",
    "natural_key": ["https://a"],
    "parent_id": None,
    "record": {"id": ""},
}


def talk(shape: Any) -> Conversation[Any]:
    """A conversation of the given shape: a string is an effect, a list one after the other, a tuple all together."""
    if isinstance(shape, tuple):
        return (yield Together([talk(part) for part in shape]))
    if isinstance(shape, list):
        results = []
        for part in shape:
            results.append((yield from talk(part)))
        return results
    if shape == "sleep":
        yield Sleep(1)
        return None
    call = Call("POST", f"/{shape}", body={"name": shape, "client_secret": {"env": "X"}, "note": SECRET})
    answer: Answer = yield Read(call) if shape == "read" else Send(call, shape)
    return answer.status


def play(conversation: Conversation[Any], log: list[Any], answers: Any) -> Any:
    """Performs it, members of a Together one after the other; `log` has what was yielded."""
    result: Any = None
    failure: Exception | None = None
    while True:
        try:
            effect = conversation.send(result) if failure is None else conversation.throw(failure)
        except StopIteration as end:
            return end.value
        result, failure = None, None
        if isinstance(effect, Together):
            result = tuple(play(c, log, answers) for c in effect.conversations)
            continue
        log.append(effect)
        if isinstance(effect, Read | Send):
            result = next(answers)
            if isinstance(result, Exception):
                failure = result


shapes = st.recursive(
    st.sampled_from(["read", "sleep", "create", "scope"]),
    lambda inner: st.lists(inner, max_size=4) | st.lists(inner, max_size=3).map(tuple),
    max_leaves=12,
)
statuses = st.sampled_from([200, 201, 204, 400, 403, 409, 429, 500, 503, 0])


@given(shapes, st.lists(statuses, min_size=12, max_size=12))
@settings(max_examples=150, deadline=None)
def test_every_send_stands_between_its_intent_and_its_outcome(shape: Any, codes: list[int]) -> None:
    plain_log: list[Any] = []
    log: list[Any] = []
    expected = play(talk(shape), plain_log, iter([Answer(code) for code in codes]))
    outcomes: list[str] = []
    assert play(journalled(talk(shape), ABOUT, outcomes), log, iter([Answer(code) for code in codes])) == expected
    assert [effect for effect in log if not isinstance(effect, Journal)] == plain_log
    sends = [place for place, effect in enumerate(log) if isinstance(effect, Send)]
    told = []
    for number, place in enumerate(sends, start=1):
        before, after = log[place - 1].entry, log[place + 1].entry
        assert (before["kind"], before["attempt"], after["attempt"]) == ("intent", number, number)
        assert before["purpose"] == after["purpose"] == log[place].purpose
        is_first = before["purpose"] == log[sends[0]].purpose
        assert ("record" in before) == is_first, "what is meant is said with the first of the sends"
        told.append((after["kind"], after["status"]))
    assert sum(isinstance(effect, Journal) for effect in log) == 2 * len(sends)
    assert [kind for kind, _ in told] == outcomes
    for kind, status in told:
        assert kind == ("done" if 200 <= status < 300 else "refused" if status in (403, 429) else "lost")
    assert SECRET not in repr([effect.entry for effect in log if isinstance(effect, Journal)])


def test_a_resend_has_a_new_intent() -> None:
    log: list[Any] = []
    play(journalled(talk(["create", "create"]), ABOUT), log, iter([Answer(0), Answer(201)]))
    kinds = [(e.entry["kind"], e.entry["attempt"]) for e in log if isinstance(e, Journal)]
    assert kinds == [("intent", 1), ("lost", 1), ("intent", 2), ("done", 2)]


def test_what_the_transport_refuses_was_not_sent() -> None:
    log: list[Any] = []
    outcomes: list[str] = []
    with pytest.raises(Refused):
        play(journalled(talk("create"), ABOUT, outcomes), log, iter([Refused([error("auth.x", "no")])]))
    assert [e.entry["kind"] for e in log if isinstance(e, Journal)] == ["intent", "refused"]
    assert outcomes == ["refused"]


# -------------------------------------------------------------------------------------------------------------- lines


def entry(**more: Any) -> dict[str, Any]:
    return {"kind": "intent", "address": "mcp_server.a", "op": "create", "run_id": "r", "attempt": 1, **more}


texts = st.text(max_size=8)
entries = st.lists(st.builds(lambda note, n: entry(note=note, serial=n), texts, st.integers(0, 9)), max_size=5)


def plain(found: list[Any]) -> list[dict[str, Any]]:
    return [{k: v for k, v in each.items() if k not in ("seq", "prev", "sha")} for each in found]


@given(entries, entries)
@settings(max_examples=80, deadline=None)
def test_what_is_written_is_read_in_one_go_or_two(first: list[Any], second: list[Any]) -> None:
    one, link = write_lines(first, Link())
    two, end = write_lines(second, link)
    found, read_end, size = read_lines(one + two, "j")
    assert plain(found) == first + second
    assert (read_end, size) == (end, len(one + two))
    assert [each["seq"] for each in found] == list(range(len(found)))
    assert [each["prev"] for each in found] == ([START] + [each["sha"] for each in found])[: len(found)]


@given(entries, st.data())
@settings(max_examples=120, deadline=None)
def test_a_torn_end_is_dropped(written: list[Any], data: st.DataObject) -> None:
    whole, _ = write_lines(written, Link())
    cut = data.draw(st.integers(0, len(whole)))
    found, _, size = read_lines(whole[:cut], "j")
    assert plain(found) == written[: whole[:cut].count(b"\n")]
    assert size <= cut


@given(entries.filter(bool), st.data())
@settings(max_examples=200, deadline=None)
def test_a_changed_byte_never_goes_unnoticed(written: list[Any], data: st.DataObject) -> None:
    whole, _ = write_lines(written, Link())
    at = data.draw(st.just(len(whole) - 1) | st.integers(0, len(whole) - 1))
    new = data.draw(st.integers(0, 255).filter(lambda byte: byte != whole[at]))
    with pytest.raises(Refused) as caught:
        read_lines(whole[:at] + bytes([new]) + whole[at + 1 :], "j")
    (told,) = caught.value.diagnostics
    assert told.code == "state.journal"
    number = whole[:at].count(b"\n") + 1
    assert f"Line {number} " in told.summary


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2], [1, 2], [0, 0, 1]])
def test_lines_moved_missing_or_repeated_are_noticed(order: list[int]) -> None:
    whole, _ = write_lines([entry(n=n) for n in range(3)], Link())
    lines = whole.splitlines(keepends=True)
    with pytest.raises(Refused):
        read_lines(b"".join(lines[n] for n in order), "j")


def test_every_line_says_its_format_and_what_wrote_it() -> None:
    whole, _ = write_lines([entry(n=n) for n in range(3)], Link())
    told = [json.loads(line) for line in whole.splitlines()]
    assert {(line["format"], line["tool"]) for line in told} == {(FORMAT, f"reconciler {__version__}")}


def of_a_newer_program(monkeypatch: pytest.MonkeyPatch, entries: list[Any], link: Link) -> bytes:
    with monkeypatch.context() as later:
        later.setattr("reconciler.apply.journal.FORMAT", FORMAT + 1)
        later.setattr("reconciler.apply.journal._TOOL", "reconciler 9.1.0")
        return write_lines(entries, link)[0]


@pytest.mark.parametrize("line", [entry(), {"what": "nobody here knows"}])
def test_a_line_of_a_newer_format_is_refused_naming_its_version(monkeypatch: pytest.MonkeyPatch, line: Any) -> None:
    whole, link = write_lines([entry()], Link())
    with pytest.raises(Refused) as refused:
        read_lines(whole + of_a_newer_program(monkeypatch, [line], link), "j")
    (told,) = refused.value.diagnostics
    assert told.code == "state.newer"
    assert "Line 2 of the journal of j was written by reconciler 9.1.0, in format 2" in told.summary
    assert "knows formats up to 1" in told.summary


# ------------------------------------------------------------------------------------------------------------ in doubt


def told(*kinds: str, op: str = "create", status: int = 403) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for kind in kinds:
        attempt = sum(e["kind"] == "intent" for e in made) + (kind == "intent")
        more = {"edits": [{"drop": "mcp_server.a"}]} if kind == "recorded" else {"attempt": attempt, "status": status}
        made.append({**entry(op=op), "kind": "done" if kind == "recorded" else kind, **more})
    return made


@pytest.mark.parametrize(
    ("kinds", "is_open"),
    [
        (["intent"], True),
        (["intent", "done"], True),
        (["intent", "lost"], True),
        (["intent", "refused"], False),
        (["intent", "lost", "intent", "refused"], True),
        (["intent", "refused", "intent"], True),
        (["intent", "done", "recorded"], False),
        (["intent", "lost", "intent", "done", "recorded"], False),
        (["recorded", "intent"], True),
        (["recorded"], False),
    ],
)
@pytest.mark.parametrize("op", ["create", "delete", "update", "transition"])
def test_a_write_is_in_doubt_until_it_is_refused_or_recorded(kinds: list[str], is_open: bool, op: str) -> None:
    assert bool(unsettled(told(*kinds, op=op))) is is_open


SAID = {"errorCode": "E0000001"}


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer(400), "lost"),
        (Answer(409), "lost"),
        (Answer(408, body=SAID), "lost"),
        (Answer(400, body=SAID), "refused"),
        (Answer(409, body=SAID), "refused"),
        (Answer(404), "refused"),
    ],
)
def test_a_refusal_is_one_that_can_not_have_been_carried_out(answer: Answer, kind: str) -> None:
    """A duplicate is refused with a 400 and a reason: were that left open, somebody else's object would be taken for
    ours after the next crash."""
    log: list[Any] = []
    play(journalled(talk("create"), ABOUT), log, iter([answer]))
    told = [{"run_id": "r", **e.entry} for e in log if isinstance(e, Journal)]
    assert [entry["kind"] for entry in told] == ["intent", kind]
    assert bool(unsettled(told)) is (kind == "lost")
