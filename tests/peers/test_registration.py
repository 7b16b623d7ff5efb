"""Our own registration of clients against oidc-provider (RFC 7591 and 7592) and FastMCP (RFC 7591 alone)."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from reconciler.apply.clock import SystemClock
from reconciler.apply.drive import Hands, perform
from reconciler.keeping import Leftover
from reconciler.okta.dynamic_registration import amend, register, unregister
from reconciler.ports import Conversation, Target, Transport
from reconciler.readiness.fetch import Door
from reconciler.readiness.gate import Verdict
from reconciler.secrets.files import SecretFiles
from reconciler.secrets.reader import SecretReader
from tests.peers.conftest import CALLBACK
from tests.peers.test_peers import CLIENT, EGRESS, resolve_here, run, verdicts, world


def play(directory: Path, conversation: Conversation[Any]) -> Any:
    """Performed as an apply does, but for the live system, which is not asked."""

    async def ask() -> Any:
        door = Door(EGRESS, SecretReader(directory), resolve=resolve_here)
        hands = Hands(cast(Transport, None), SystemClock(), door=door, keeper=SecretFiles(directory))
        try:
            return await perform(conversation, hands)
        finally:
            await door.close()

    return asyncio.run(ask())


def target(endpoint: str, name: str = "App") -> Target:
    own = {"registrar": "tool", "credentials_file": "kept.json", "registration_endpoint": endpoint}
    return Target(CLIENT, "client_registration", {"name": name, "method": "static", **own})


def test_oidc_provider_knows_the_client_that_was_registered(
    python_peers: dict[str, str], oidc: dict[str, str], tmp_path: Path
) -> None:
    wanted = target(f"{oidc['external']}/reg")
    client = play(tmp_path, register(wanted, CALLBACK))
    assert play(tmp_path, register(wanted, CALLBACK)) == client
    secret = SecretReader(tmp_path)(client.secret).reveal()
    resources = world(f"{python_peers['fast_protected']}/mcp", oidc["external"], client=client.id)
    found = verdicts(run(resources, secret=secret)[CLIENT])
    assert found["client.credentials"] is Verdict.PASS
    assert found["client.redirect_uri"] is Verdict.PASS
    play(tmp_path, amend(target(f"{oidc['external']}/reg", "Renamed"), CALLBACK))
    renewed = SecretReader(tmp_path)(client.secret).reveal()
    assert verdicts(run(resources, secret=renewed)[CLIENT])["client.credentials"] is Verdict.PASS
    play(tmp_path, unregister(wanted))
    assert not (tmp_path / "kept.json").exists()
    assert verdicts(run(resources, secret=renewed)[CLIENT])["client.credentials"] is Verdict.FAIL


def test_what_fastmcp_registers_stays_behind_and_is_told(python_peers: dict[str, str], tmp_path: Path) -> None:
    wanted = target(f"{python_peers['fast_with_server']}/register")
    client = play(tmp_path, register(wanted, CALLBACK))
    assert play(tmp_path, amend(wanted, CALLBACK)) == client
    with pytest.raises(Leftover) as left:
        play(tmp_path, unregister(wanted))
    assert client.id in left.value.diagnostics[0].summary
    assert json.loads((tmp_path / "kept.json").read_text("utf-8"))["client_id"] == client.id
