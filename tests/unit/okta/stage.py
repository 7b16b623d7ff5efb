"""Plays conversations with scripted answers and a clock of its own: nothing waits, nothing leaves the process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from reconciler.apply.waiting import Interrupted, Wait
from reconciler.model.address import Address
from reconciler.ports import Answer, Call, Conversation, Now, Read, Remote, Send, Sleep, Target, Together

EPOCH = 1_790_000_000.0

Script = Callable[[Call], Answer] | Sequence[Answer]


@dataclass
class Stage:
    """`script` answers calls: a function, or the answers in their order (one too few is an error). Where the user
    `is_impatient`, no wait comes to its end."""

    script: Script
    now: float = 0.0
    calls: list[Call] = field(default_factory=list)
    purposes: list[str] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    is_impatient: bool = False

    def play(self, conversation: Conversation[Any]) -> Any:
        sent: Any = None
        failure: Exception | None = None
        while True:
            try:
                effect = conversation.send(sent) if failure is None else conversation.throw(failure)
            except StopIteration as end:
                return end.value
            sent = failure = None
            match effect:
                case Read(call):
                    assert call.method == "GET"
                    sent = self._answer(call)
                case Send(call, purpose):
                    assert call.method != "GET"
                    assert purpose, "a write is journalled under its purpose"
                    self.purposes.append(purpose)
                    sent = self._answer(call)
                case Wait() if self.is_impatient:
                    failure = Interrupted()
                case Sleep(seconds):
                    self.slept.append(seconds)
                    self.now += seconds
                case Now():
                    sent = self.now
                case Together(conversations):
                    try:
                        sent = tuple(self.play(member) for member in conversations)
                    except Exception as caught:
                        failure = caught

    @property
    def asked(self) -> list[str]:
        return [f"{call.method} {call.path}" for call in self.calls]

    @property
    def date(self) -> str:
        return formatdate(EPOCH + self.now, usegmt=True)

    def _answer(self, call: Call) -> Answer:
        self.calls.append(call)
        if callable(self.script):
            return self.script(call)
        assert len(self.calls) <= len(self.script), f"nothing is scripted for {call.method} {call.path}"
        return self.script[len(self.calls) - 1]


def ok(body: Any = None, status: int = 200, **headers: str) -> Answer:
    return Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, body)


def okta_error(status: int, code: str, summary: str = "it can't be", *causes: dict[str, str], **headers: str) -> Answer:
    body = {"errorCode": code, "errorSummary": summary, "errorId": "oaeX", "errorCauses": list(causes)}
    return ok(body, status, x_okta_request_id="reqX", **headers)


DUPLICATE = okta_error(409, "E0000195", "conflict", {"reason": "UNIQUE_CONSTRAINT", "location": "resourceUrl"})
LOST = Answer(0, lost="the connection broke")
GONE = okta_error(404, "E0000007", "Not found")


def server_target(remote: str | None = None, **attributes: Any) -> Target:
    given = {"resource_url": "https://mcp.example.com/mcp", "registration": "manual", **attributes}
    return Target(Address("mcp_server.one"), "mcp_server", given, Remote(remote) if remote else None)


def server_item(identity: str = "ems1", **fields: Any) -> dict[str, Any]:
    return {
        "id": identity,
        "orn": f"orn:okta:directory:00o1:resource-servers:mcp:{identity}",
        "resourceUrl": "https://mcp.example.com/mcp",
        "type": "MANUAL",
        "status": "PENDING",
        "metadata": {},
        **fields,
    }
