"""A provider talking to the sandbox over its real transport, in a loop whose clock moves instead of waiting."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reconciler.apply.drive import Entries, Hands, perform
from reconciler.apply.journal import Entry, journalled
from reconciler.kinds import kinds
from reconciler.model.address import Address
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.okta.provider import OktaProvider
from reconciler.okta.transport import HttpTransport
from reconciler.ports import Answer, Call, Conversation, Leave, Remote, Target, Transport
from reconciler.sandbox.app import Sandbox, SandboxOptions, create_app

EPOCH = 1_790_000_000.0


class _Selector(selectors.DefaultSelector):
    """Where a loop would wait for a timer, the time has come."""

    moved = 0.0

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout:
            self.moved += timeout
        return ready


class TimelessLoop(asyncio.SelectorEventLoop):
    """Sleeping takes no time. For work within this process: nothing can be awaited from outside it."""

    def __init__(self) -> None:
        self.selector = _Selector()
        super().__init__(self.selector)

    def time(self) -> float:
        return self.selector.moved


@dataclass
class Counting:
    """Passes calls on and remembers them."""

    inner: Transport
    calls: list[Call]

    async def exchange(self, call: Call, leave: Leave | None = None) -> Answer:
        self.calls.append(call)
        return await self.inner.exchange(call, leave)

    async def close(self) -> None:
        await self.inner.close()


class Live:
    """One sandbox, one provider, one event loop, one clock."""

    def __init__(self, runner: asyncio.Runner, **options: Any) -> None:
        loop = runner.get_loop()
        assert isinstance(loop, TimelessLoop)
        self._loop = loop
        self.app: Sandbox = create_app(SandboxOptions(clock=lambda: EPOCH + self.elapsed, seed="laws", **options))
        self.transport = Counting(HttpTransport.to_app(self.app), [])
        self.provider = OktaProvider()
        self.journal: list[Entry] = []
        self._runner = runner

    origin = "a test"

    def monotonic(self) -> float:
        return self.elapsed

    def wall(self) -> str:
        return "2026-09-21T00:00:00Z"

    @property
    def elapsed(self) -> float:
        return self._loop.time()

    def run(self, conversation: Conversation[Any], transport: Transport | None = None) -> Any:
        hands = Hands(transport or self.transport, self, self._journal)
        return self._runner.run(perform(journalled(conversation, {"address": "a.b", "op": "create"}), hands))

    async def _journal(self, entries: Entries) -> None:
        self.journal += entries

    def raw(self, method: str, path: str, body: Any = None) -> Answer:
        return self._runner.run(self.transport.inner.exchange(Call(method, path, body=body)))

    def fault(self, fault: str, path: str, method: str = "*", **details: Any) -> None:
        described = {"fault": fault, "path": path, "method": method, **details}
        assert self.raw("POST", "/sandbox/faults", described).status == 201

    def counts(self) -> dict[str, int]:
        found: dict[str, int] = self.raw("GET", "/sandbox/objects").body["counts"]
        return found

    def edit(self, identity: str, **fields: Any) -> None:
        assert self.raw("POST", "/sandbox/edit", {"id": identity, "set": fields}).ok

    def pass_time(self, seconds: float) -> None:
        self._loop.selector.moved += seconds

    # ------------------------------------------------------------------------------------------------------------

    def create(self, target: Target) -> Target:
        """The target with the remote name it got; what asynchronous registration takes has passed."""
        observed = self.run(self.provider.create(target))
        self.pass_time(5)
        return Target(
            target.address, target.kind, target.attributes, remote_of(observed), target.refs, target.discovered
        )

    def look(self, target: Target) -> Observed | None:
        found: Observed | None = self.run(self.provider.look(target))
        return found

    def seen(self, target: Target) -> Observed:
        found = self.look(target)
        assert found is not None
        return found

    def observe(self, *names: str) -> list[Observed]:
        return list(self.run(self.provider.observe(frozenset(names or kinds()))))

    def transition(self, target: Target, event: str, leads_to: State) -> Observed:
        self.run(self.provider.transition(target, event))
        self.pass_time(5)
        seen = self.seen(target)
        assert seen.status is leads_to, seen
        return seen


@contextmanager
def open_live(**options: Any) -> Iterator[Live]:
    with asyncio.Runner(loop_factory=TimelessLoop) as runner:
        live = Live(runner, **options)
        try:
            yield live
        finally:
            runner.run(live.transport.close())
            live.app.close()


def remote_of(observed: Observed) -> Remote:
    return Remote(observed.id, observed.handle)


def server(number: int = 1, **attributes: Any) -> Target:
    given = {"resource_url": f"https://mcp{number}.example.com/mcp", "registration": "manual", **attributes}
    return Target(Address(f"mcp_server.s{number}"), "mcp_server", given)


def okta_server(**attributes: Any) -> Target:
    given = {
        "name": "Todo",
        "audiences": ["https://todo.example.com/mcp"],
        "scopes": {"todo.read": {}, "todo.write": {"display_name": "Write", "consent": "REQUIRED"}},
        "access_policy": {
            "clients": ["ALL_CLIENTS"],
            "grant_types": ["urn:ietf:params:oauth:grant-type:jwt-bearer"],
            "scopes": ["todo.read", "todo.write"],
            "access_token_lifetime_minutes": 60,
        },
        **attributes,
    }
    return Target(Address("authorization_server.todo"), "authorization_server", given)


def external(parent: Target, name: str = "entra", **attributes: Any) -> Target:
    given = {
        "type": "EXTERNAL",
        "issuer": f"https://{name}.example.com",
        "authorization_endpoint": f"https://{name}.example.com/authorize",
        "token_endpoint": f"https://{name}.example.com/token",
        "grant_types": ["authorization_code", "refresh_token"],
        **attributes,
    }
    return Target(
        parent.address.child("authorization_server", name), "association", given, refs={"mcp_server": of(parent)}
    )


def attached(parent: Target, source: Target) -> Target:
    refs = {"mcp_server": of(parent), "authorization_server": of(source)}
    return Target(parent.address.child("authorization_server", "todo"), "association", {"type": "OKTA"}, refs=refs)


def client(parent: Target, row: Target, **attributes: Any) -> Target:
    given = {
        "name": "app",
        "method": "static",
        "client_id": "abc",
        "client_secret": {"env": "APP_SECRET"},
        **attributes,
    }
    refs = {"mcp_server": of(parent), "association": of(row)}
    return Target(parent.address.child("client_registration", "app"), "client_registration", given, refs=refs)


def of(target: Target) -> Remote:
    assert target.remote is not None
    return target.remote


def changed(target: Target, **attributes: Any) -> Target:
    return Target(
        target.address, target.kind, {**target.attributes, **attributes}, target.remote, target.refs, target.discovered
    )


def without(target: Target, name: str) -> Target:
    kept = {key: value for key, value in target.attributes.items() if key != name}
    return Target(target.address, target.kind, kept, target.remote, target.refs, target.discovered)
