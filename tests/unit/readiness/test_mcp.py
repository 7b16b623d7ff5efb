"""Meeting MCP servers of every era, by answers that were recorded from real ones or that the standard prescribes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from reconciler.ports import Fetched
from reconciler.readiness.egress import Egress
from reconciler.readiness.inquiry import Inquiry, Memory
from reconciler.readiness.mcp import Era, Meeting, meet
from tests.readiness.played import Played

URL = "https://mcp.example.com/mcp"


def says(status: int, message: object, **headers: str) -> Fetched:
    return Fetched(status, headers, json.dumps(message).encode())


def fault(status: int, code: int, **data: Any) -> Fetched:
    return says(status, {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "x", "data": data}})


def discovered(*versions: str) -> Fetched:
    return says(200, {"jsonrpc": "2.0", "id": 1, "result": {"supportedVersions": list(versions)}})


def event_stream(message: object, **headers: str) -> Fetched:
    body = b"id: 1\ndata:\n\nevent: message\ndata: " + json.dumps(message).encode() + b"\n\n"
    return Fetched(200, {"content-type": "text/event-stream", **headers}, body)


INITIALIZED = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-11-25"}}
ENDPOINT = Fetched(200, {"content-type": "text/event-stream"}, b"event: endpoint\ndata: /m\n\n")
ASKS = Fetched(401, {"www-authenticate": 'Bearer resource_metadata="https://x/y"'})


def met_with(*answers: Fetched) -> tuple[Meeting, Played]:
    played = Played(answers)
    met: Meeting = played.run(meet(Inquiry(Memory(), Egress()), URL))
    return met, played


@pytest.mark.parametrize(
    ("answers", "era", "versions"),
    [
        ([discovered("2026-07-28")], Era.MODERN, ("2026-07-28",)),
        ([fault(400, -32022, supported=["2027-01-01"]), discovered("2027-01-01")], Era.MODERN, ("2027-01-01",)),
        ([fault(400, -32022, supported=["2027-01-01"]), ASKS], Era.MODERN, ("2027-01-01",)),
        ([fault(400, -32021)], Era.MODERN, ("2026-07-28",)),
        ([fault(400, -32020)], Era.MODERN, ("2026-07-28",)),
        ([fault(404, -32601)], Era.MODERN, ("2026-07-28",)),
        ([fault(400, -32000), event_stream(INITIALIZED)], Era.LEGACY, ("2025-11-25",)),
        ([fault(400, -32600), says(200, INITIALIZED)], Era.LEGACY, ("2025-11-25",)),
        ([fault(200, -32601), says(200, INITIALIZED)], Era.LEGACY, ("2025-11-25",)),
        ([Fetched(404), Fetched(404), ENDPOINT], Era.SSE, ("2024-11-05",)),
        ([Fetched(405), Fetched(405), Fetched(405)], None, ()),
        ([Fetched(200, {}, b"<html>"), Fetched(200, {}, b"<html>")], None, ()),
        ([ASKS], None, ()),
        ([Fetched(403)], None, ()),
        ([Fetched(0, problem="timeout")], None, ()),
        ([Fetched(400), ASKS], None, ()),
    ],
)
def test_each_kind_of_server_is_recognised(answers: list[Fetched], era: Era | None, versions: tuple[str, ...]) -> None:
    met, played = met_with(*answers)
    assert (met.era, met.versions) == (era, versions)
    assert len(played.asked) == len(answers)


def test_the_first_request_is_todays_and_announces_cross_app_access() -> None:
    _, played = met_with(ASKS)
    request = played.asked[0]
    assert request.headers["mcp-protocol-version"] == "2026-07-28"
    assert request.headers["mcp-method"] == request.body["method"] == "server/discover"
    capabilities = request.body["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    assert "io.modelcontextprotocol/enterprise-managed-authorization" in capabilities["extensions"]


def test_another_version_is_asked_for_by_the_name_the_server_gave() -> None:
    _, played = met_with(fault(400, -32022, supported=["2027-01-01"]), discovered("2027-01-01"))
    assert played.asked[1].headers["mcp-protocol-version"] == "2027-01-01"


def test_a_session_that_was_opened_is_closed() -> None:
    opened = says(200, INITIALIZED, **{"mcp-session-id": "s-1"})
    _, played = met_with(Fetched(400), opened, Fetched(405))
    goodbye = played.asked[2]
    assert (goodbye.method, goodbye.headers["mcp-session-id"]) == ("DELETE", "s-1")


def test_the_challenge_is_read_wherever_it_comes_from() -> None:
    for answers in ([ASKS], [Fetched(400), ASKS], [Fetched(405), Fetched(405), ASKS]):
        met, _ = met_with(*answers)
        assert met.is_challenged
        assert met.challenge is not None
        assert met.challenge.parameters["resource_metadata"] == "https://x/y"


def test_a_403_is_no_challenge() -> None:
    met, _ = met_with(Fetched(403, {"www-authenticate": "Bearer"}))
    assert (met.is_challenged, met.challenge) == (False, None)
