"""The asyncio driver: effects and their results, failures, bounded togetherness, group commit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from reconciler.apply.drive import GroupCommit, Hands, perform
from reconciler.model.diagnostic import Refused, error
from reconciler.ports import Answer, Call, Conversation, Fetch, Fetched, Journal, Now, Read, Send, Sleep, Together
from tests.unit.apply.stage import Machine, World, stage


def run(conversation: Conversation[Any], hands: Hands | None = None, width: int = 10) -> Any:
    return asyncio.run(perform(conversation, hands or stage().hands, width))


def asked(path: str) -> Conversation[int]:
    answer: Answer = yield Read(Call("GET", path))
    return answer.status


def test_every_effect_is_answered_with_its_result() -> None:
    scene = stage()

    class Door:
        async def fetch(self, request: Fetch) -> Fetched:
            return Fetched(204, detail=request.url)

        async def close(self) -> None:
            return None

    def talk() -> Conversation[list[Any]]:
        results: list[Any] = [(yield Now())]
        results.append((yield Sleep(2.5, "why")))
        results.append((yield Now()))
        results.append((yield Read(Call("GET", "/none"))).status)
        results.append((yield Journal({"kind": "intent"})))
        results.append((yield Send(Call("PATCH", "/none"), "update")).status)
        results.append((yield Journal({"kind": "done"})))
        results.append((yield Fetch("GET", "https://x")).detail)
        results.append((yield Together([])))
        return results

    hands = replace(scene.hands, door=Door())
    assert run(talk(), hands) == [1000.0, None, 1002.5, 404, None, 404, None, "https://x", ()]


def test_nothing_is_written_without_a_journal_and_nothing_fetched_without_a_door() -> None:
    hands = Hands(World(Machine()), Machine())

    def write() -> Conversation[None]:
        yield Journal({"kind": "intent"})

    def fetch() -> Conversation[None]:
        yield Fetch("GET", "https://x")

    for talk in (write, fetch):
        with pytest.raises(RuntimeError):
            run(talk(), hands)


def test_a_failure_arrives_where_the_effect_was_yielded() -> None:
    scene = stage(fault=lambda call: Refused([error("auth.denied", "no")]))

    def talk() -> Conversation[str]:
        try:
            yield Read(Call("GET", "/"))
        except Refused as refused:
            yield Sleep(1)
            return refused.diagnostics[0].code
        return "reached nobody"

    assert run(talk(), scene.hands) == "auth.denied"
    with pytest.raises(Refused):
        run(asked("/"), scene.hands)


def counter(n: int) -> Conversation[int]:
    total = 0
    for _ in range(n):
        yield Sleep(0)
        total += 1
    return total


def test_long_and_deep_conversations_need_no_stack() -> None:
    assert run(counter(20_000)) == 20_000


def test_members_of_a_together_are_bounded_ordered_and_all_finish() -> None:
    finished: list[int] = []

    def member(n: int) -> Conversation[int]:
        answer: Answer = yield Read(Call("GET", "/none"))
        yield Sleep(1)
        finished.append(n)
        if n in (3, 5):
            raise Refused([error("a.b", f"no {n}")])
        return n + answer.status

    def talk(numbers: Sequence[int]) -> Conversation[Any]:
        return (yield Together([member(n) for n in numbers]))

    scene = stage()
    assert run(talk([0, 1, 2]), scene.hands, width=2) == (404, 405, 406)
    assert scene.world.most_in_flight == 2
    assert run(talk([7]), scene.hands) == (411,)
    finished.clear()
    with pytest.raises(Refused) as caught:
        run(talk(range(8)), scene.hands, width=3)
    assert [d.summary for d in caught.value.diagnostics] == ["no 3", "no 5"]
    assert sorted(finished) == list(range(8))


def test_an_error_in_the_program_outweighs_refusals() -> None:
    def member(failure: Exception) -> Conversation[None]:
        yield Sleep(0)
        raise failure

    def talk() -> Conversation[Any]:
        return (yield Together([member(Refused([error("a.b", "no")])), member(KeyError("bug"))]))

    with pytest.raises(KeyError):
        run(talk())


def test_cancelling_closes_the_conversation() -> None:
    closed: list[str] = []

    def talk() -> Conversation[None]:
        try:
            yield Together([forever(), forever()])
        finally:
            closed.append("outer")

    def forever() -> Conversation[None]:
        try:
            yield Sleep(3600)
        finally:
            closed.append("inner")

    async def go() -> None:
        hands = replace(stage().hands, sleep=lambda effect: asyncio.sleep(effect.seconds))
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(perform(talk(), hands), 0.02)

    asyncio.run(go())
    assert closed == ["inner", "inner", "outer"]


# ------------------------------------------------------------------------------------------------------ group commit

INTENT, DONE = {"kind": "intent"}, {"kind": "done"}


def committed(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


def test_intents_of_the_same_moment_share_one_write() -> None:
    writes: list[list[Mapping[str, Any]]] = []

    async def go() -> None:
        commit = GroupCommit(lambda entries: writes.append(list(entries)))
        await asyncio.gather(*(commit([{**INTENT, "n": n}]) for n in range(50)))

    committed(go())
    assert [entry["n"] for write in writes for entry in write] == list(range(50))
    assert len(writes) == 1


def test_an_intent_is_durable_on_return_and_an_outcome_is_not_waited_for() -> None:
    written: list[Mapping[str, Any]] = []

    async def go() -> None:
        commit = GroupCommit(written.extend)
        await commit([DONE])
        assert written == []
        await commit([INTENT])
        assert written == [DONE, INTENT]
        await commit([DONE])
        await commit([])
        assert written == [DONE, INTENT, DONE]
        await commit([DONE])
        await asyncio.sleep(0.05)
        assert len(written) == 4, "it is written soon even if nothing follows"

    committed(go())


def test_after_a_failed_write_everything_is_refused_with_its_reason() -> None:
    calls = []

    def append(entries: Sequence[Mapping[str, Any]]) -> None:
        calls.append(entries)
        raise Refused([error("state.unwritable", "The disk is full")])

    async def go() -> None:
        commit = GroupCommit(append)
        results = await asyncio.gather(commit([INTENT]), commit([INTENT]), return_exceptions=True)
        assert all(isinstance(result, Refused) for result in results)
        for entries in ([INTENT], [DONE], []):
            with pytest.raises(Refused, match="full"):
                await commit(entries)

    committed(go())
    assert len(calls) == 1


def test_a_cancelled_waiter_does_not_disturb_the_others() -> None:
    written: list[Mapping[str, Any]] = []

    async def go() -> None:
        commit = GroupCommit(written.extend)
        impatient = asyncio.create_task(commit([{**INTENT, "n": 1}]))
        patient = asyncio.create_task(commit([{**INTENT, "n": 2}]))
        await asyncio.sleep(0)
        impatient.cancel()
        await patient
        assert impatient.cancelled() or impatient.cancelling()

    committed(go())
    assert [entry["n"] for entry in written] == [1, 2]
