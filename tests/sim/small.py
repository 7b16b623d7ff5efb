"""A provider for MCP servers only, for many short histories: the real ladder for creations, and no more than it needs.

The histories that need every kind are played with the real provider.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from reconciler.model.diagnostic import Refused, error
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed
from reconciler.okta.creation import Creation, make
from reconciler.okta.pages import Listing
from reconciler.okta.retry import ask
from reconciler.ports import Answer, Call, Conversation, Incomplete, Read, Remote, Target

SERVERS = "/resource-servers/api/v1/mcp-servers"
_LIST = Call("GET", SERVERS)
_STATES = {str(state): state for state in State}


class SmallProvider:
    """ports.Provider."""

    def __init__(self, quarantine: float) -> None:
        self.quarantine = quarantine

    def observe(self, kinds: frozenset[str]) -> Conversation[tuple[Observed, ...]]:
        return tuple([_show(item) for item in (yield from self._items())])

    def look(self, target: Target) -> Conversation[Observed | None]:
        if target.remote is None:
            found = (yield from self._find(target)).items
            return _show(found[0]) if found else None
        call = Call("GET", f"{SERVERS}/{target.remote.id}")
        answer: Answer = yield Read(call)
        if not answer.ok and answer.status != 404:
            answer = yield from ask(call)
        if answer.status == 404:
            return None
        if not answer.ok:
            raise _refused(answer)
        return _show(answer.body)

    def create(self, target: Target) -> Conversation[Observed]:
        attributes = target.attributes
        body = {
            "resourceUrl": attributes["resource_url"],
            "type": "MANUAL",
            "displayName": attributes.get("display_name"),
        }
        creation = Creation(
            Call("POST", SERVERS, body=body),
            "create",
            target.address,
            lambda: self._find(target),
            lambda item: True,
            self.quarantine,
        )
        made = yield from make(creation)
        return (yield from self._proven(replace(target, remote=Remote(made)), "display_name"))

    def update(self, target: Target, changed: frozenset[str]) -> Conversation[Observed]:
        assert target.remote is not None
        body = {"displayName": target.attributes.get("display_name")}
        answer = yield from ask(Call("PATCH", f"{SERVERS}/{target.remote.id}", body=body), "update")
        if not answer.ok:
            raise _refused(answer)
        return (yield from self._proven(target, "display_name"))

    def transition(self, target: Target, event: str) -> Conversation[None]:
        raise AssertionError("short histories activate nothing")
        yield

    def delete(self, target: Target) -> Conversation[None]:
        assert target.remote is not None
        answer = yield from ask(Call("DELETE", f"{SERVERS}/{target.remote.id}"), "delete")
        if not answer.ok and answer.status != 404:
            raise _refused(answer)

    def _proven(self, target: Target, name: str) -> Conversation[Observed]:
        seen = yield from self.look(target)
        if seen is None:
            raise _refused(Answer(404))
        if seen.attributes.get(name) != target.attributes.get(name):
            raise Incomplete([error("sim.ignored", f"{name} was not applied")], seen)
        return seen

    def _items(self) -> Conversation[list[dict[str, Any]]]:
        answer: Answer = yield Read(_LIST)
        if not answer.ok:
            answer = yield from ask(_LIST)
        if not answer.ok:
            raise _refused(answer)
        items: list[dict[str, Any]] = answer.body
        return items

    def _find(self, target: Target) -> Conversation[Listing]:
        url = target.attributes["resource_url"]
        return Listing(tuple(item for item in (yield from self._items()) if item["resourceUrl"] == url), None)


def _show(item: dict[str, Any]) -> Observed:
    attributes = {"resource_url": item["resourceUrl"], "registration": "manual"}
    if (name := item["metadata"].get("displayName")) is not None:
        attributes["display_name"] = name
    return Observed("mcp_server", item["id"], attributes, _STATES[item["status"]], None, item["orn"])


def _refused(answer: Answer) -> Refused:
    return Refused([error("sim.refused", f"it says {answer.status or 'nothing'}")])
