"""Meeting an MCP server: which era of the protocol it speaks, or what it asks for first.

Since 2026-07-28 every request stands alone and `server/discover` tells the versions; before, `initialize` opens a
conversation. A server that wants authorization says neither until it gets a token.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from reconciler.ports import Conversation, Fetch, Fetched
from reconciler.readiness.challenge import Challenge, bearer
from reconciler.readiness.event_stream import find_answer, read_events
from reconciler.readiness.inquiry import Inquiry
from reconciler.readiness.strict_json import read_object

MODERN, LEGACY = "2026-07-28", "2025-11-25"
_LIMIT = 1_048_576
_UNSUPPORTED, _MISSING_CAPABILITY, _HEADER_MISMATCH, _NO_METHOD = -32022, -32021, -32020, -32601
_CLIENT = {"name": "reconciler-probe", "version": "1"}
_META = "io.modelcontextprotocol/"


class Era(StrEnum):
    MODERN = "modern"
    LEGACY = "legacy"
    SSE = "sse"
    """HTTP+SSE of 2024-11-05, deprecated."""


class Meeting(NamedTuple):
    """`request` got `answer`, the one that decides. `era` None: it didn't get as far as speaking MCP."""

    request: Fetch
    answer: Fetched
    era: Era | None = None
    versions: tuple[str, ...] = ()

    @property
    def is_challenged(self) -> bool:
        return self.answer.status == 401

    @property
    def challenge(self) -> Challenge | None:
        return bearer(self.answer.headers.get("www-authenticate")) if self.is_challenged else None


def discover_request(url: str, version: str = MODERN, more: Mapping[str, str] | None = None) -> Fetch:
    meta = {
        f"{_META}protocolVersion": version,
        f"{_META}clientInfo": _CLIENT,
        f"{_META}clientCapabilities": {"extensions": {f"{_META}enterprise-managed-authorization": {}}},
    }
    body = {"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": meta}}
    return _post(url, body, {"mcp-protocol-version": version, "mcp-method": "server/discover", **(more or {})})


def _initialize_request(url: str) -> Fetch:
    params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": _CLIENT}
    return _post(url, {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}, {})


def _post(url: str, body: dict[str, Any], headers: Mapping[str, str]) -> Fetch:
    accept = {"accept": "application/json, text/event-stream"}
    return Fetch("POST", url, {**accept, **headers}, body, "application/json", limit=_LIMIT)


def read_message(answer: Fetched) -> dict[str, Any]:
    """The JSON-RPC message of an answer, whether it came as JSON or as an event stream; {} if there is none."""
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        return find_answer(answer.body) or {}
    try:
        return read_object(answer.body)
    except ValueError:
        return {}


def meet(inquiry: Inquiry, url: str) -> Conversation[Meeting]:
    """Speak as today's clients do, then as those before, and stop at the first answer that means something."""
    met = yield from _meet_modern(inquiry, url)
    if met is not None:
        return met
    request = _initialize_request(url)
    answer: Fetched = yield from inquiry.ask(request)
    result = _member(read_message(answer), "result")
    if answer.status == 200 and isinstance(result.get("protocolVersion"), str):
        yield from _say_goodbye(inquiry, url, answer, result["protocolVersion"])
        return Meeting(request, answer, Era.LEGACY, (result["protocolVersion"],))
    if answer.status in (400, 404, 405):
        return (yield from _meet_stream(inquiry, url, Meeting(request, answer)))
    return Meeting(request, answer)


def _meet_modern(inquiry: Inquiry, url: str) -> Conversation[Meeting | None]:
    """None: an answer of the kind that a server of the older era gives."""
    request = discover_request(url)
    answer: Fetched = yield from inquiry.ask(request)
    message = read_message(answer)
    code = _member(message, "error").get("code")
    offered = _texts(_member(_member(message, "error"), "data").get("supported"))
    if answer.status == 400 and code == _UNSUPPORTED and offered:
        request = discover_request(url, offered[0])
        answer = yield from inquiry.ask(request)
        message = read_message(answer)
        return Meeting(request, answer, Era.MODERN, _versions(message) or tuple(offered))
    if answer.status == 200 and _versions(message):
        return Meeting(request, answer, Era.MODERN, _versions(message))
    is_modern_error = answer.status == 400 and code in (_UNSUPPORTED, _MISSING_CAPABILITY, _HEADER_MISMATCH)
    if is_modern_error or (answer.status == 404 and code == _NO_METHOD):
        return Meeting(request, answer, Era.MODERN, (MODERN,))
    is_final = answer.problem is not None or answer.status in (401, 403, 429) or answer.status >= 500
    return Meeting(request, answer) if is_final else None


def _meet_stream(inquiry: Inquiry, url: str, refused: Meeting) -> Conversation[Meeting]:
    request = Fetch("GET", url, {"accept": "text/event-stream"}, limit=_LIMIT)
    answer: Fetched = yield from inquiry.ask(request)
    is_stream = answer.headers.get("content-type", "").startswith("text/event-stream")
    if answer.status == 200 and is_stream and any(event.name == "endpoint" for event in read_events(answer.body)):
        return Meeting(request, answer, Era.SSE, ("2024-11-05",))
    return Meeting(request, answer) if answer.status == 401 else refused


def _say_goodbye(inquiry: Inquiry, url: str, answer: Fetched, version: str) -> Conversation[None]:
    """A session that was opened is closed again; a server may refuse that (405)."""
    session = answer.headers.get("mcp-session-id")
    if session:
        headers = {"mcp-session-id": session, "mcp-protocol-version": version}
        yield from inquiry.ask(Fetch("DELETE", url, headers), once=True)


def _versions(message: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(_texts(_member(message, "result").get("supportedVersions")))


def _member(message: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = message.get(name)
    return value if isinstance(value, Mapping) else {}


def _texts(value: object) -> list[str]:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []
