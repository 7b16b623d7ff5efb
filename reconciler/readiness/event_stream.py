"""Server-sent events, as far as an MCP server's answer to one request needs them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from reconciler.readiness.strict_json import read_object


class Event(NamedTuple):
    name: str
    data: str


def read_events(stream: bytes) -> Iterator[Event]:
    """The complete events of `stream` that carry data (WHATWG HTML, section 9.2.6). One that carries none, such as
    the priming event a server opens a resumable stream with, is not an event."""
    text = stream.decode("utf-8", "replace").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    for block in text.split("\n\n")[:-1]:
        name, data = "message", list[str]()
        for line in block.split("\n"):
            key, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if key == "event":
                name = value
            elif key == "data":
                data.append(value)
        if any(data):
            yield Event(name, "\n".join(data))


def find_answer(stream: bytes) -> dict[str, Any] | None:
    """The first JSON-RPC response (not a notification or request) in the stream."""
    for event in read_events(stream):
        try:
            message = read_object(event.data.encode())
        except ValueError:
            continue
        if "result" in message or "error" in message:
            return message
    return None


def is_answered(stream: bytes) -> bool:
    """Whether nothing that follows in the stream matters to whoever made one request."""
    return find_answer(stream) is not None or any(event.name == "endpoint" for event in read_events(stream))
