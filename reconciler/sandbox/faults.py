"""Faults that can be switched on for a route: what a real network and a real API do to their clients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

FAULTS = {
    "latency": "the answer takes `seconds` longer",
    "rate_limit": "429 with a reset `seconds` away; nothing is done",
    "concurrency": "429 with X-Rate-Limit-Limit: 0, the limit of requests in flight; nothing is done",
    "reconciling": "423 E0000239; nothing is done",
    "error_before": "`status` (500 if omitted); nothing is done",
    "error_after": "`status` (500 if omitted), although it is done",
    "lost_before": "the connection breaks; nothing is done",
    "lost_after": "the connection breaks, although it is done",
    "created_but_400": "400 with an empty body, although it is done",
    "empty_body": "the answer has no body",
    "ignore_field": "`field` of the request is silently ignored",
    "strip_slash": "`field` (resourceUrl if omitted) loses its trailing slash",
    "stale_list": "lists show what was there `seconds` (5 if omitted) ago",
    "fail_operation": "the operation that is started fails, with `message`",
    "stuck_pending": "what is made stays PENDING until it is changed",
}

FAULT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["fault", "path"],
    "additionalProperties": False,
    "description": "A fault of one route; it applies to the `count` next requests (always, if omitted).",
    "properties": {
        "fault": {
            "enum": list(FAULTS),
            "description": "; ".join(f"{name}: {meaning}" for name, meaning in FAULTS.items()),
        },
        "method": {"type": "string", "default": "*", "description": "The HTTP method; * for any."},
        "path": {"type": "string", "description": "The path; * stands for any characters."},
        "count": {"type": "integer", "minimum": 1, "description": "How many requests; always, if omitted."},
        "skip": {"type": "integer", "minimum": 0, "default": 0, "description": "How many requests to let pass first."},
        "seconds": {"type": "number", "minimum": 0, "maximum": 3600},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "field": {"type": "string"},
        "message": {"type": "string"},
    },
}


@dataclass(slots=True)
class Fault:
    """One fault that is switched on; `remaining` None: for good."""

    id: str
    fault: str
    path: str
    method: str
    remaining: int | None
    skip: int
    details: Mapping[str, Any]

    def matches(self, method: str, path: str) -> bool:
        return self.method in ("*", method) and fnmatchcase(path, self.path)

    def shown(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "fault": self.fault,
            "method": self.method,
            "path": self.path,
            "remaining": self.remaining,
            "skip": self.skip,
            **self.details,
        }


class Faults:
    """The faults that are switched on; each request takes those meant for it."""

    def __init__(self) -> None:
        self._made = 0
        self._faults: list[Fault] = []

    def add(self, described: Mapping[str, Any]) -> Fault:
        """Switch on a fault described as FAULT_SCHEMA says (already validated)."""
        self._made += 1
        details = {key: described[key] for key in ("seconds", "status", "field", "message") if key in described}
        fault = Fault(
            id=f"fault-{self._made}",
            fault=described["fault"],
            path=described["path"],
            method=described.get("method", "*").upper(),
            remaining=described.get("count"),
            skip=described.get("skip", 0),
            details=details,
        )
        self._faults.append(fault)
        return fault

    def clear(self, identity: str | None = None) -> None:
        """Switch off the fault of that id, or all of them."""
        self._faults = [fault for fault in self._faults if identity is not None and fault.id != identity]

    def shown(self) -> list[dict[str, Any]]:
        return [fault.shown() for fault in self._faults]

    def take(self, method: str, path: str) -> dict[str, Mapping[str, Any]]:
        """The faults of this request, by name, each with its details; counts them down."""
        if not self._faults:
            return {}
        taken: dict[str, Mapping[str, Any]] = {}
        for fault in self._faults:
            if not fault.matches(method, path):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            taken[fault.fault] = fault.details
            if fault.remaining is not None:
                fault.remaining -= 1
        self._faults = [fault for fault in self._faults if fault.remaining != 0]
        return taken
