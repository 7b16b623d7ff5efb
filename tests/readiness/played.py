"""Performs a probe's conversation with answers that are written down, on a clock of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reconciler.ports import Conversation, Fetch, Fetched, Now, Sleep


class Played:
    """`asked` and `slept` are what the conversation wanted; each request takes `seconds_each`."""

    def __init__(self, answers: Iterable[Fetched]) -> None:
        self.answers = iter(answers)
        self.asked: list[Fetch] = []
        self.slept: list[float] = []
        self.now = 1000.0
        self.seconds_each = 0.0

    def run(self, conversation: Conversation[Any]) -> Any:
        result: object = None
        while True:
            try:
                effect = conversation.send(result)
            except StopIteration as end:
                return end.value
            result = None
            match effect:
                case Now():
                    result = self.now
                case Sleep(seconds):
                    self.slept.append(seconds)
                    self.now += seconds
                case Fetch():
                    self.asked.append(effect)
                    self.now += self.seconds_each
                    result = next(self.answers)
