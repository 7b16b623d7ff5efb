"""A recording as JSON: what entered the engine and what it asked for then, in the order in which that happened.

Secrets are not kept. What is known to be one, and what an answer or an effect carries under a name of one, is written
as `secret#1`, `secret#2`, by the order in which they first appear, in every form that the redaction of answers knows.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Collection, Generator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from reconciler.apply.undertaking import Undertaking
from reconciler.apply.waiting import Interrupted
from reconciler.model.diagnostic import Diagnostic, Refused, Severity
from reconciler.model.secret import Secret
from reconciler.okta.redaction import Redactor
from reconciler.ports import Answer, Fetched

_STAND_IN = re.compile(r"secret#(\d+)")
_SECRET_NAME = re.compile(r"(.*[_a-z])?(secret|token|password|assertion|authorization|cookie)|secret_?key", re.I)
_NOISE = frozenset({"date", "x-okta-request-id", "content-length", "server"})
"""Headers that say something else every time; the engine decides nothing by them if the answer is a success."""


class Veil:
    """Takes secrets out of what is recorded."""

    def __init__(self, known: Collection[str] = ()) -> None:
        self._redactors: dict[str, Redactor] = {}
        self._names: dict[str, str] = {}
        self._count = 0
        for value in known:
            self._learn(value)

    def over(self, value: Any) -> Any:
        """The same JSON without secrets."""
        self._look(value)
        return self._taken_out(value)

    def _look(self, value: Any) -> None:
        if isinstance(value, Mapping):
            for name, inner in value.items():
                if isinstance(inner, str) and not inner.startswith("{") and _SECRET_NAME.fullmatch(name):
                    self._learn(inner.removeprefix("Bearer "))
                self._look(inner)
        elif isinstance(value, list):
            for inner in value:
                self._look(inner)
        elif isinstance(value, str) and value.startswith("{"):
            self._look(_json_or_none(value))

    def _learn(self, value: str) -> None:
        if known := _STAND_IN.fullmatch(value):
            self._count = max(self._count, int(known[1]))
        elif value not in self._redactors:
            redactor = self._redactors[value] = Redactor()
            redactor.add(Secret(value))

    def _taken_out(self, value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: self._taken_out(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self._taken_out(inner) for inner in value]
        if isinstance(value, str):
            for secret, redactor in self._redactors.items():
                shown = redactor.scrub_text(value)
                value = value if shown == value else shown.replace("***", self._name_of(secret))
        return value

    def _name_of(self, secret: str) -> str:
        if secret not in self._names:
            self._count += 1
            self._names[secret] = f"secret#{self._count}"
        return self._names[secret]


def encode(value: Any) -> Any:
    """An effect, or what came of one, as JSON. What is as it would be anyway is left out."""
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return str(value)
        case Secret():
            return {"Secret": value.reveal()}
        case bytes():
            return {"text": value.decode()} if _is_text(value) else {"bytes": b64encode(value).decode()}
        case Undertaking():
            return [step.id for step in value.plan.steps]
        case Generator():
            return "..."
        case Refused():
            return {"Refused": [_told(diagnostic) for diagnostic in value.diagnostics]}
        case BaseException():
            return {type(value).__name__: []}
        case Mapping():
            return {str(name): encode(inner) for name, inner in value.items()}
        case frozenset() | set():
            return sorted(map(encode, value))
        case tuple() | list():
            return [encode(inner) for inner in value]
    if not is_dataclass(value):
        raise TypeError(f"a recording has no place for a {type(value).__name__}")
    shown = {f.name: getattr(value, f.name) for f in fields(value)}
    said = {f.name: encode(shown[f.name]) for f in fields(value) if shown[f.name] != _default(f)}
    if isinstance(value, Answer) and value.ok:
        said["headers"] = {name: text for name, text in value.headers.items() if name not in _NOISE}
    return {type(value).__name__: said}


def decode(said: Any) -> Any:
    """What came of an effect, as `encode` wrote it down."""
    match said:
        case {"Answer": dict() as given}:
            return Answer(**given)
        case {"Fetched": dict() as given}:
            return Fetched(**{**given, "body": _bytes(given.get("body"))})
        case {"Secret": str(text)}:
            return Secret(text)
    return said


def decode_failure(said: Mapping[str, Any]) -> Exception:
    ((name, told),) = said.items()
    if name == "Refused":
        return Refused([Diagnostic(Severity(d["severity"]), d["code"], d["summary"], d["detail"]) for d in told])
    return Interrupted() if name == "Interrupted" else RuntimeError(name)


def _told(diagnostic: Diagnostic) -> dict[str, str]:
    names = ("severity", "code", "summary", "detail")
    return {name: str(getattr(diagnostic, name)) for name in names}


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _is_text(data: bytes) -> bool:
    try:
        return data.decode().isprintable() or b"\n" in data
    except UnicodeDecodeError:
        return False


def _bytes(said: Any) -> bytes:
    if said is None:
        return b""
    return said["text"].encode() if "text" in said else b64decode(said["bytes"])


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None
