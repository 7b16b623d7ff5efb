"""What is read back after an update is not what was written: not visible yet, or changed by somebody else meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from reconciler.model.diagnostic import Refused
from reconciler.model.resource import Observed
from reconciler.ports import Answer, Call, Incomplete, Leave, Target
from tests.conformance.live import Live, changed, okta_server, open_live, server

UPDATED: dict[str, tuple[Callable[[], Target], dict[str, Any]]] = {
    "PATCH": (lambda: server(display_name="One"), {"display_name": "Two"}),
    "PUT": (lambda: okta_server(description="One"), {"description": "Two"}),
}


@dataclass
class Lagging:
    """The wire to a system whose reads show for `seconds` what was there before a write."""

    live: Live
    seconds: float
    before: dict[str, Answer] = field(default_factory=dict)
    written: dict[str, float] = field(default_factory=dict)

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        inner = self.live.transport
        if call.method != "GET":
            self.before[call.path] = await inner.exchange(Call("GET", call.path))
            self.written[call.path] = self.live.elapsed
        elif self.live.elapsed - self.written.get(call.path, -1e9) < self.seconds:
            return self.before[call.path]
        return await inner.exchange(call, leave)

    async def close(self) -> None: ...


@dataclass
class Meddled:
    """The wire to a system in which somebody else changes `fields` of the object around our write to it."""

    live: Live
    is_before: bool
    fields: dict[str, Any]

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        is_ours = call.method in ("PUT", "PATCH")
        if is_ours and self.is_before:
            await self._meddle(call.path)
        answer = await self.live.transport.exchange(call, leave)
        if is_ours and not self.is_before:
            await self._meddle(call.path)
        return answer

    async def _meddle(self, path: str) -> None:
        edit = {"id": path.rpartition("/")[2], "set": self.fields}
        assert (await self.live.transport.exchange(Call("POST", "/sandbox/edit", body=edit))).ok

    async def close(self) -> None: ...


def update(live: Live, method: str, wire: Any) -> Observed:
    make, new = UPDATED[method]
    made = live.create(make())
    wanted = changed(made, **new)
    observed: Observed = live.run(live.provider.update(wanted, frozenset(new)), wire)
    return observed


@pytest.mark.parametrize("method", UPDATED)
def test_what_becomes_visible_in_good_time_is_waited_for(method: str) -> None:
    with open_live() as live:
        observed = update(live, method, Lagging(live, 5.0))
        assert "Two" in observed.attributes.values()


@pytest.mark.parametrize("method", UPDATED)
def test_what_stays_invisible_is_said_to_be_not_visible_yet(method: str) -> None:
    with open_live() as live:
        with pytest.raises(Incomplete, match="not visible yet") as stopped:
            update(live, method, Lagging(live, 1e9))
        (told,) = stopped.value.diagnostics
        assert told.code == "okta.not-visible"
        assert told.is_error
        (name,) = UPDATED[method][1]
        assert name in told.summary
        assert 5 < live.elapsed < 30, "it is looked for until a deadline"


@pytest.mark.parametrize(
    ("method", "fields", "name"),
    [
        ("PATCH", {"displayName": "Theirs"}, "display_name"),
        ("PUT", {"description": "Theirs"}, "description"),
    ],
)
def test_a_change_of_somebody_else_over_ours_is_found_by_reading_it_back(
    method: str, fields: dict[str, Any], name: str
) -> None:
    with open_live() as live:
        with pytest.raises(Refused, match=name) as refused:
            update(live, method, Meddled(live, False, fields))
        (told,) = refused.value.diagnostics
        assert told.code == "okta.field-ignored"
        assert "someone changes it too" in told.detail


@pytest.mark.parametrize("is_before", [False, True])
def test_a_change_of_something_else_is_kept_and_in_what_is_read_back(is_before: bool) -> None:
    """The worker compares that with what the plan was made of."""
    with open_live() as live:
        observed = update(live, "PATCH", Meddled(live, is_before, {"description": "Theirs"}))
        assert (observed.attributes["display_name"], observed.attributes["description"]) == ("Two", "Theirs")
