"""The third driver: the engine once more, from a recording alone, without network, store or clock.

It is given what it was given then, in the same order, and must ask for the same; where it doesn't, Deviation says at
which line, in which step, and what is different.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.apply.bookkeeping import Ask, Undertake
from reconciler.apply.task import StepResult
from reconciler.apply.undertaking import Applied, Undertaking, broken_off, cut_off
from reconciler.plan.step import Step
from reconciler.ports import Journal, Together
from tests.replay.recorder import ENDED, Line, member_of
from tests.replay.tape import Veil, decode, decode_failure, encode

_SHOWN = 6
"""Differences; more of them say less."""
_FOREIGN: Mapping[str, Callable[[Step], StepResult]] = {
    "apply.interrupted": cut_off,
    "apply.unexpected": lambda step: broken_off(step, RuntimeError()),
}
"""Results of steps that their driver made up, because the conversation didn't come to its end."""


class Deviation(AssertionError):
    """The engine does something else than it did when it was recorded."""

    def __init__(self, number: int, line: Line, now: Any) -> None:
        then = line.get("then", {name: told for name, told in line.items() if name != "in"})
        where = f" in {line['in'] or 'the account'}" if "in" in line else ""
        told = [f"line {number}: the engine departs from the recording{where}"]
        told += [f"  recorded: {title(then)}", f"  now:      {title(now)}"]
        differences = list(_differences(then, now, ()))
        told += [f"  {difference}" for difference in differences[:_SHOWN]]
        if len(differences) > _SHOWN:
            told.append(f"  and {len(differences) - _SHOWN} more differences")
        super().__init__("\n".join(told))
        self.place: str | None = line.get("in")


@dataclass(slots=True)
class _Paused:
    """A conversation at the effect that it yielded last; `value` is what it returned once it `is_over`."""

    conversation: Generator[Any, Any, Any]
    effect: Any = None
    value: Any = None
    is_over: bool = False


class Replay:
    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = lines
        self._veil = Veil()
        self._open: dict[str, _Paused] = {}
        self._steps: dict[str, Step] = {}
        self._undertaking: Undertaking | None = None
        self._applied: Applied | None = None
        self._raised: Exception | None = None

    def play(self, account: Generator[Any, Any, Any]) -> Any:
        """The account's result; None if the recording ends before it does, because the run did. Raises Deviation, or
        what the account raises."""
        root = self._open[""] = _Paused(account)
        noticed: Deviation | None = None
        for number, line in enumerate(self._lines, start=1):
            now = self._veil.over(self._go_on(line) if "in" in line else self._drive(line))
            then = line["then"] if "in" in line else line
            if now != then:
                deviation = Deviation(number, line, now)
                if noticed is None and _differ_in_a_digest(then, now):
                    noticed = deviation
                    continue
                raise deviation from self._raised
            if noticed is not None and line.get("in") == noticed.place:
                break
        if noticed is not None:
            raise noticed
        return root.value

    # What the driver did ------------------------------------------------------------------------------------------

    def _drive(self, line: Line) -> Line:
        """The line as it is now."""
        undertaking = self._undertaking
        assert undertaking is not None, "a recording begins with its account"
        match line:
            case {"begin": _}:
                begun = undertaking.begin()
                if begun is None:
                    return {"begin": None}
                step, conversation = begun
                self._steps[step.id], self._open[step.id] = step, _Paused(conversation)
                return {"begin": step.id}
            case {"end": str(name)}:
                return self._end(undertaking, name, line.get("problems", []))
            case {"stop": _}:
                undertaking.stop()
            case {"give up": _}:
                return {"give up": [event.step.id for event in undertaking.give_up_rest()]}
            case {"applied": was_interrupted}:
                self._applied = undertaking.applied(was_interrupted)
        return line

    def _end(self, undertaking: Undertaking, name: str, recorded: Sequence[str]) -> Line:
        paused, step = self._open.pop(name), self._steps[name]
        foreign = next((_FOREIGN[code] for code in recorded if code in _FOREIGN), None)
        if paused.is_over:
            result: StepResult = paused.value
        elif foreign is not None:
            result = foreign(step)
        else:
            return {"end": f"{name}, which now would go on"}
        paused.conversation.close()
        undertaking.end(step, result)
        codes = [diagnostic.code for diagnostic in result.diagnostics]
        return {"end": name, **({"problems": codes} if codes else {})}

    # What the engine does -----------------------------------------------------------------------------------------

    def _go_on(self, line: Line) -> Any:
        """What the conversation of that line asks for now, if it is given what it was given then."""
        name = line["in"]
        paused = self._open.get(name)
        if paused is None or paused.is_over:
            return "nothing: there is no such conversation now"
        given = self._of_theirs(name, paused.effect) if "got" not in line else decode(line["got"])
        self._veil.over(line.get("got"))
        try:
            if "raised" in line:
                effect = paused.conversation.throw(decode_failure(line["raised"]))
            else:
                effect = paused.conversation.send(given)
        except StopIteration as end:
            paused.is_over, paused.value, paused.effect = True, end.value, None
            return ENDED
        except Exception as raised:
            paused.is_over, self._raised = True, raised
            return encode(raised)
        paused.effect = effect
        self._open_up(name, effect)
        return encode(effect)

    def _open_up(self, name: str, effect: Any) -> None:
        match effect:
            case Ask(conversation):
                self._open["asked"] = _Paused(conversation)
            case Together(conversations):
                for place, conversation in enumerate(conversations):
                    self._open[member_of(name, place)] = _Paused(conversation)
            case Undertake(undertaking):
                self._undertaking = undertaking
            case Journal(entry) if self._undertaking is not None:
                self._undertaking.entry(entry, {})

    def _of_theirs(self, name: str, effect: Any) -> Any:
        """What came of an effect that consists of conversations, or of the undertaking."""
        match effect:
            case Ask():
                return self._open["asked"].value
            case Together(conversations):
                return tuple(self._open[member_of(name, place)].value for place in range(len(conversations)))
            case Undertake():
                return self._applied
        return None


def title(said: Any) -> str:
    """An effect in a few words."""
    match said:
        case {"Read": {"call": {"Call": call}}}:
            return f"Read {call['method']} {call['path']}"
        case {"Send": {"call": {"Call": call}, "purpose": purpose}}:
            return f"Send {call['method']} {call['path']} ({purpose})"
        case {"Journal": {"entry": entry}}:
            return " ".join(["Journal", *(str(entry[k]) for k in ("kind", "op", "address", "purpose") if k in entry)])
        case {"Fetch": asked}:
            return f"Fetch {asked['method']} {asked['url']}"
        case {"Write": {"snapshot": {"Snapshot": snapshot}}}:
            return f"Write serial {snapshot.get('serial', 0)}, {len(snapshot.get('records', ()))} records"
        case {"Refused": told}:
            return f"Refused {', '.join(each['code'] for each in told)}"
        case {**rest} if len(rest) == 1:
            ((name, inner),) = rest.items()
            return f"{name} {_short(inner)}" if inner else str(name)
    return _short(said)


def _differ_in_a_digest(then: Any, now: Any) -> bool:
    """Then what is sent next differs, and tells more."""
    match then, now:
        case {"Journal": {"entry": one}}, {"Journal": {"entry": other}}:
            return {**one, "body_digest": ""} == {**other, "body_digest": ""}
    return False


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."


def _differences(then: Any, now: Any, path: tuple[str, ...]) -> Iterator[str]:
    if then == now:
        return
    if isinstance(then, Mapping) and isinstance(now, Mapping) and (path or then.keys() == now.keys()):
        for name in dict.fromkeys((*then, *now)):
            yield from _differences(then.get(name, _NOTHING), now.get(name, _NOTHING), (*path, str(name)))
    elif isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        for place, (one, other) in enumerate(zip(then, now, strict=True)):
            yield from _differences(one, other, (*path, str(place)))
    elif path:
        yield f"{'.'.join(path)}: {_said(then)}, now {_said(now)}"


_NOTHING = object()


def _said(value: Any) -> str:
    return "nothing" if value is _NOTHING else _short(repr(value))
