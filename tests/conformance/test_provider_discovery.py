"""What the live system finds out by itself is seen as it is: discovered rows, and reasons why something is INVALID."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.kinds import kinds
from reconciler.kinds.association import DISCOVERED
from reconciler.model.lifecycle import State
from reconciler.ports import Target
from reconciler.sandbox.world import read_world
from tests.conformance.live import Live, external, of, open_live, server

WORLD = """
version: 1
mcp_servers:
  - {url: "https://mcp1.example.com/mcp", authorization_servers: ["https://entra.example.com"], name: One}
  - {url: "https://mcp2.example.com/mcp"}
  - {url: "https://mcp3.example.com/mcp"}
authorization_servers:
  - {issuer: "https://entra.example.com"}
  - {issuer: "https://broken.example.com", down: true}
"""


@pytest.fixture
def live() -> Iterator[Live]:
    with open_live(world=read_world(WORLD, "world.yaml")) as opened:
        yield opened


def expectation(parent: Target) -> Target:
    attributes = {"type": "EXTERNAL", "issuer": "https://entra.example.com"}
    address = parent.address.child("authorization_server", "entra")
    return Target(address, "association", attributes, refs={"mcp_server": of(parent)}, discovered=True)


def test_a_discovered_row_is_found_by_its_issuer_and_shows_nothing_it_was_not_told(live: Live) -> None:
    parent = live.create(server(registration="discovered"))
    row = live.seen(expectation(parent))
    assert row.attributes == {"type": "EXTERNAL", "issuer": "https://entra.example.com"}
    assert kinds()["association"].lifecycle(row.attributes) is DISCOVERED
    assert row.status is State.ACTIVE
    assert live.observe("association") == [row]
    seen = live.seen(parent)
    assert seen.attributes["registration"] == "discovered"
    assert seen.computed["detected"]["resourceName"] == "One"


def test_a_discovery_that_fails_says_why(live: Live) -> None:
    parent = live.create(server(2, registration="discovered"))
    seen = live.seen(parent)
    assert seen.status is State.INVALID
    assert seen.reason == "No authorization servers found"


def test_a_connection_that_fails_says_why(live: Live) -> None:
    row = live.create(external(live.create(server(3)), "broken"))
    live.run(live.provider.transition(row, "activate"))
    seen = live.seen(row)
    assert seen.status is State.INVALID
    assert seen.reason
