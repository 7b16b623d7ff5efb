"""Records how an account is kept, whoever drives it: what it and its conversations ask for, and what they are given.

A wrapper around the conversations themselves, so that no driver knows of it. Every time one of them goes on, a line
tells which one it is (`in`: the step, `asked` for what is asked of the live system, nothing for the account itself;
members of a Together are counted), what it was given (`got`), and what it asks for then (`then`). Between these lines
stand those that tell what the driver did with the undertaking: `begin`, `end`, `stop`, `applied`.
"""

from __future__ import annotations

from collections.abc import Collection, Generator, Mapping
from dataclasses import replace
from typing import Any

from reconciler.apply.bookkeeping import Ask, Undertake
from reconciler.apply.event import Event, Skipped
from reconciler.apply.task import StepResult
from reconciler.apply.undertaking import Applied, Undertaking
from reconciler.model.diagnostic import Diagnostic
from reconciler.plan.step import Step
from reconciler.ports import Together
from tests.replay.tape import Veil, encode

Line = dict[str, Any]
THEIRS = (Ask, Undertake, Together)
"""Effects of which it need not be told what came of them: it shows in the conversations that they consist of."""
ENDED = "ended"


class Recorder:
    """`lines` grows while what `recorded` gives is performed. `secrets` are values that may be met on the way."""

    def __init__(self, secrets: Collection[str] = ()) -> None:
        self.lines: list[Line] = []
        self._veil = Veil(secrets)

    def recorded(self, conversation: Generator[Any, Any, Any], name: str = "") -> Generator[Any, Any, Any]:
        """The conversation, with every turn of it written down."""
        line: Line = {"in": name}
        given: Any = None
        failure: Exception | None = None
        while True:
            try:
                effect = conversation.send(given) if failure is None else conversation.throw(failure)
            except StopIteration as end:
                self.write({**line, "then": ENDED})
                return end.value
            except Exception as raised:
                self.write({**line, "then": encode(raised)})
                raise
            self.write({**line, "then": encode(effect)})
            line, given, failure = {"in": name}, None, None
            try:
                given = yield self._opened(effect, name)
            except GeneratorExit:
                conversation.close()
                raise
            except Exception as caught:
                failure = caught
                line["raised"] = encode(caught)
            else:
                if not isinstance(effect, THEIRS):
                    line["got"] = encode(given)

    def write(self, line: Line) -> None:
        self.lines.append(self._veil.over(line))

    def _opened(self, effect: Any, name: str) -> Any:
        """The effect, such that what it consists of is recorded as well."""
        match effect:
            case Ask(conversation):
                return replace(effect, conversation=self.recorded(conversation, "asked"))
            case Together(conversations):
                return Together([self.recorded(c, member_of(name, place)) for place, c in enumerate(conversations)])
            case Undertake(undertaking):
                return Undertake(_Watched(undertaking, self))
        return effect


def member_of(name: str, place: int) -> str:
    return f"{name} [{place}]"


class _Watched(Undertaking):
    """The undertaking itself, with a record of what its driver does."""

    def __init__(self, inner: Undertaking, recorder: Recorder) -> None:
        self.plan = inner.plan
        self._inner, self._recorder = inner, recorder

    def begin(self) -> Any:
        begun = self._inner.begin()
        if begun is None:
            return None
        step, conversation = begun
        self._recorder.write({"begin": step.id})
        return step, self._recorder.recorded(conversation, step.id)

    def stop(self) -> None:
        self._recorder.write({"stop": True})
        self._inner.stop()

    def entry(self, told: Mapping[str, Any], moment: Mapping[str, Any]) -> dict[str, Any]:
        return self._inner.entry(told, moment)

    def end(self, step: Step, result: StepResult, elapsed: float = 0.0) -> list[Event]:
        codes = [diagnostic.code for diagnostic in result.diagnostics]
        self._recorder.write({"end": step.id, **({"problems": codes} if codes else {})})
        return self._inner.end(step, result, elapsed)

    def give_up_rest(self) -> list[Skipped]:
        skipped = self._inner.give_up_rest()
        self._recorder.write({"give up": [event.step.id for event in skipped]})
        return skipped

    def note(self, diagnostic: Diagnostic) -> None:
        self._inner.note(diagnostic)

    def applied(self, was_interrupted: bool = False) -> Applied:
        self._recorder.write({"applied": was_interrupted})
        return self._inner.applied(was_interrupted)
