"""However long a write waits for its turn, its intent is young when it leaves, and the lease lasts."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

import pytest

from reconciler.apply.departure import Departure
from reconciler.apply.drive import Entries, Hands, perform
from reconciler.apply.journal import journalled, unsettled
from reconciler.apply.quarantine import MARGIN
from reconciler.apply.recovery import recover
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.okta.auth import ApiToken, Attempt, Auth, Headers, Post, Unanswered
from reconciler.okta.retry import ask
from reconciler.okta.transport import HttpTransport, Limits
from reconciler.ports import Answer, Call, Conversation, Holder, Send, Together
from tests.conformance.live import EPOCH, TimelessLoop
from tests.unit.apply.stage import observed, server, snapshot_of
from tests.unit.apply.test_recovery import intent

PATIENCE = 30.0
ABOUT = {"address": "mcp_server.a", "op": "create"}


@dataclass
class Org:
    """An ASGI app in virtual time: `answers` are its (status, headers); each takes `seconds`. `arrived` is when."""

    answers: Iterator[tuple[int, dict[str, str]]] = field(default_factory=lambda: iter(()))
    seconds: float = 0.0
    arrived: list[float] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.arrived.append(now())
        await asyncio.sleep(self.seconds)
        status, headers = next(self.answers, (200, {}))
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": status, "headers": raw})
        await send({"type": "http.response.body", "body": b"{}"})


@dataclass
class Journal:
    """Remembers entries with the moment that they bear; writing takes the seconds that `slow` gives."""

    slow: Iterator[float] = field(default_factory=lambda: iter(()))
    entries: list[tuple[float, Mapping[str, Any]]] = field(default_factory=list)

    async def __call__(self, entries: Entries) -> None:
        stamp = now()
        await asyncio.sleep(next(self.slow, 0.0))
        self.entries += [(stamp, entry) for entry in entries]

    def kinds(self) -> list[str]:
        return [entry["kind"] for _, entry in self.entries]

    def intents(self) -> list[float]:
        return [stamp for stamp, entry in self.entries if entry["kind"] == "intent"]


class Clock:
    origin = "a test"

    def monotonic(self) -> float:
        return now()

    def wall(self) -> str:
        return ""


@dataclass
class Lease:
    """Ends at a moment."""

    until: float
    fence: int = 1
    holder: Holder = field(default_factory=lambda: Holder("id", "apply", "me", "2026-01-01T00:00:00Z", "1"))

    def remaining(self) -> float:
        return max(self.until - now(), 0.0)


def now() -> float:
    return asyncio.get_running_loop().time()


def token(tell: Callable[[Secret], None]) -> Auth:
    return ApiToken(lambda: Secret("token"), "env:T")


def play(conversation: Conversation[Any], org: Org, journal: Journal, auth: Any = token, **terms: Any) -> Any:
    """`terms`: the `lease`; `about`, what the journal is told."""

    async def work() -> Any:
        transport = HttpTransport("http://sandbox.localhost", auth, app=org, limits=Limits(100, PATIENCE))
        hands = Hands(transport, Clock(), journal, lease=terms.get("lease"), patience=PATIENCE)
        try:
            return await perform(journalled(conversation, terms.get("about", ABOUT)), hands)
        finally:
            await transport.close()

    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        return runner.run(work())


def write(path: str = "/x", lane: str | None = None) -> Conversation[Answer]:
    return ask(Call("POST", path, body={}, lane=lane), "create")


def writes(count: int, lane: str | None = None) -> Conversation[Any]:
    """One, whose answer tells how many more there may be, and then the others at once."""
    yield from write(lane=lane)
    return (yield Together([write(lane=lane) for _ in range(count - 1)]))


def rationed(per_minute: int) -> Iterator[tuple[int, dict[str, str]]]:
    """Answers that leave so many requests a minute."""
    used: Counter[int] = Counter()
    while True:
        minute = int(now() // 60)
        used[minute] += 1
        reset, left = int(EPOCH) + 60 * (minute + 1), per_minute - used[minute]
        told = {"Limit": str(per_minute), "Remaining": str(left), "Reset": str(reset)}
        date = formatdate(EPOCH + now(), usegmt=True)
        yield 200, {**{f"X-Rate-Limit-{name}": value for name, value in told.items()}, "Date": date}


def assert_young(org: Org, journal: Journal) -> None:
    """Every request that arrived has an intent of its own that is not older than the margin."""
    intents = sorted(journal.intents())
    for arrived in org.arrived:
        young = next((stamp for stamp in intents if arrived - MARGIN <= stamp <= arrived), None)
        assert young is not None, f"what arrived at {arrived} has no young intent among {intents}"
        intents.remove(young)


SLOW: dict[str, Callable[[], tuple[Conversation[Any], Org]]] = {
    "a rate limit": lambda: (writes(10), Org(rationed(3))),
    "a lane": lambda: (writes(8, "l"), Org(seconds=4.0)),
}


@pytest.mark.parametrize("wait", SLOW)
def test_a_write_that_waits_for_its_turn_leaves_with_a_young_intent(wait: str) -> None:
    conversation, org = SLOW[wait]()
    journal = Journal()
    play(conversation, org, journal)
    assert max(org.arrived) > 20.0, "they did wait"
    assert_young(org, journal)
    assert journal.kinds().count("intent") == journal.kinds().count("done") == len(org.arrived)


@pytest.mark.parametrize("wait", SLOW)
def test_an_intent_that_is_written_when_it_is_announced_would_be_found_old(
    wait: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Departure.write

    async def at_once(departure: Departure, entry: Mapping[str, Any]) -> None:
        journal = departure._terms.journal
        assert journal is not None
        await later(departure, entry)
        if entry["kind"] == "intent":
            await journal([entry])

            async def leave() -> None:
                return None

            departure._leave = leave

    monkeypatch.setattr(Departure, "write", at_once)
    conversation, org = SLOW[wait]()
    journal = Journal()
    play(conversation, org, journal)
    with pytest.raises(AssertionError, match="has no young intent"):
        assert_young(org, journal)


def test_credentials_that_take_long_are_had_before_the_intent_is_written() -> None:
    class Slow:
        async def headers(self, attempt: Attempt, post: Post) -> Headers | None:
            await asyncio.sleep(20.0)
            return {"authorization": "x"}

    org, journal = Org(), Journal()
    play(write(), org, journal, lambda tell: Slow())
    assert (journal.intents(), org.arrived) == ([20.0], [20.0])


def test_what_is_sent_again_with_other_credentials_has_an_intent_of_its_own() -> None:
    tokens = iter(["old", "new"])
    org, journal = Org(iter([(401, {}), (200, {})])), Journal()
    assert play(write(), org, journal, lambda tell: ApiToken(lambda: Secret(next(tokens)), "env:T")).ok
    assert len(org.arrived) == 2
    assert journal.kinds() == ["intent", "intent", "done"]


def test_a_journal_that_takes_too_long_is_written_again_before_anything_is_sent() -> None:
    org, journal = Org(), Journal(iter([MARGIN + 1, MARGIN + 1, 1.0]))
    assert play(write(), org, journal).ok
    assert journal.kinds() == ["intent", "intent", "intent", "done"]
    assert_young(org, journal)


def test_a_journal_that_always_takes_too_long_stops_the_write() -> None:
    org, journal = Org(), Journal(iter([MARGIN + 1] * 9))
    with pytest.raises(Refused) as refused:
        play(write(), org, journal)
    assert refused.value.diagnostics[0].code == "state.slow"
    assert org.arrived == []
    stamped = [{**entry, "run_id": "r"} for _, entry in journal.entries]
    assert unsettled(stamped) == {}, "that it wasn't sent is known"


@pytest.mark.parametrize(("until", "sent"), [(1000.0, 4), (PATIENCE + 20.0, 3)])
def test_a_lease_that_ends_while_a_write_waits_keeps_it_here(until: float, sent: int) -> None:
    org, journal = Org(rationed(3)), Journal()
    conversation = writes(4)
    if sent == 4:
        play(conversation, org, journal, lease=Lease(until))
    else:
        with pytest.raises(Refused) as refused:
            play(conversation, org, journal, lease=Lease(until))
        assert refused.value.diagnostics[0].code == "lock.lost"
    assert len(org.arrived) == sent


def test_a_write_without_an_intent_is_a_mistake_of_the_program() -> None:
    def bare() -> Conversation[Any]:
        yield Send(Call("POST", "/x"), "create")

    async def work() -> None:
        await perform(bare(), Hands(HttpTransport.to_app(Org()), Clock(), Journal()))

    with pytest.raises(RuntimeError, match="no intent"):
        asyncio.run(work())


def test_what_never_left_for_want_of_credentials_is_not_in_doubt() -> None:
    class Down:
        """No token for a while: nothing is known of the token endpoint."""

        left = 2

        async def headers(self, attempt: Attempt, post: Post) -> Headers | None:
            self.left -= 1
            if self.left >= 0:
                raise Unanswered(Answer(503))
            return {"authorization": "x"}

    org, journal = Org(), Journal()
    meant = intent(server("a"))
    about = {key: meant[key] for key in ("address", "op", "record", "natural_key", "parent_id")}
    assert play(write(), org, journal, lambda tell: Down(), about=about).ok
    assert len(org.arrived) == 1
    assert journal.kinds() == ["refused", "refused", "intent", "done"]
    crashed = [{**entry, "run_id": "r"} for _, entry in journal.entries[:-1]]
    found = recover(snapshot_of(), crashed, [observed(server("a"), "id7")])
    assert [record.id for record in found.snapshot.records.values()] == ["id7"], "the intent that left says what it is"
