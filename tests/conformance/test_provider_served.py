"""The same provider over real sockets: the sandbox served, connections that break, and 401s."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.apply.clock import SystemClock
from reconciler.apply.drive import Entries, Hands, perform
from reconciler.apply.journal import journalled
from reconciler.config.settings import OktaAuth, OktaSettings
from reconciler.kinds import kinds
from reconciler.model.diagnostic import Refused
from reconciler.okta.provider import OktaProvider
from reconciler.okta.transport import HttpTransport
from reconciler.ports import Call
from reconciler.sandbox.app import SandboxOptions, create_app
from tests.conformance.live import server


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A served sandbox, in a thread of its own."""
    import uvicorn

    app = create_app(SandboxOptions(settle_seconds=0.0, token="served-canary"))
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off", ws="none")
    served = uvicorn.Server(config)
    thread = threading.Thread(target=served.run)
    thread.start()
    while not served.started:
        threading.Event().wait(0.01)
    yield f"http://127.0.0.1:{served.servers[0].sockets[0].getsockname()[1]}"
    served.should_exit = True
    thread.join()
    app.close()


ABOUT = {"address": "a.b", "op": "create"}


async def _forget(entries: Entries) -> None:
    """A journal that nobody reads."""


def run(address: str, monkeypatch: pytest.MonkeyPatch, token: str, *conversations: Any) -> list[Any]:
    monkeypatch.setenv("SERVED_TOKEN", token)

    async def work() -> list[Any]:
        transport = HttpTransport.to_org(OktaSettings(org_url=address, auth=OktaAuth(token={"env": "SERVED_TOKEN"})))
        try:
            hands = Hands(transport, SystemClock(), _forget)
            return [
                await (transport.exchange(one) if isinstance(one, Call) else perform(journalled(one, ABOUT), hands))
                for one in conversations
            ]
        finally:
            await transport.close()

    return asyncio.run(work())


def test_all_is_as_it_is_embedded(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    provider = OktaProvider()
    lost = {"fault": "lost_after", "path": "*", "method": "*", "count": 1}
    faults = Call("POST", "/sandbox/faults", body=lost)
    _, made, _, seen = run(
        address,
        monkeypatch,
        "served-canary",
        faults,
        provider.create(server(1, display_name="One")),
        faults,
        provider.observe(frozenset(kinds())),
    )
    assert made.attributes["display_name"] == "One"
    assert [observed.id for observed in seen] == [made.id]


def test_a_wrong_token_is_told_and_not_shown(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused) as refused:
        run(address, monkeypatch, "wrong-canary", OktaProvider().observe(frozenset({"mcp_server"})))
    (told,) = refused.value.diagnostics
    assert told.code == "auth.E0000011"
    assert "canary" not in repr(told)
