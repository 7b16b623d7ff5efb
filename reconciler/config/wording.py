"""Values, and a validator's complaints about them, in the user's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.config.findings import Findings, quote, spell_list, suggest
from reconciler.config.located import Map, find_span
from reconciler.config.shapes import Shape, describe_field, field_names, models_at
from reconciler.model.address import Address
from reconciler.model.diagnostic import Span, error

_TYPES = {
    "string_type": "text",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "list_type": "a list",
    "dict_type": "a block of keys",
    "model_type": "a block of keys",
    "model_attributes_type": "a block of keys",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("more than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_OTHER_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}

Path = tuple[str | int, ...]


class Subject(NamedTuple):
    """What was validated: its tree, its shape, what to call it, and where it stands if nothing more exact is known."""

    node: Any
    shape: Shape
    span: Span | None
    address: Address | None = None
    prefix: str = ""
    """What stands before the path of a value that isn't part of a resource: `provider`."""


def describe(value: Any) -> str:
    """`the text "on"`, `the number 12`, `a list`."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text {quote(value)}"
    if isinstance(value, int | float):
        return f"the number {value}"
    return "a list" if isinstance(value, list) else "a block of keys"


def report_invalid(invalid: ValidationError, subject: Subject, findings: Findings) -> None:
    """Report every complaint at the place of the value it is about."""
    located: dict[Path, list[ErrorDetails]] = {}
    for complaint in invalid.errors(include_url=False):
        located.setdefault(_path(complaint, subject), []).append(complaint)
    for path, complaints in located.items():
        if any(other[: len(path)] == path and other != path for other in located) and _all_types(complaints):
            # The other branches of a union, none of which is what the user meant: another complaint goes deeper.
            continue
        complaints.sort(key=lambda complaint: complaint["type"] in _TYPES)
        summary, detail, code = _explain(path, complaints, subject)
        span = _span(path, complaints[0], subject)
        findings.diagnostics.append(error(code, summary, detail, span=span, address=subject.address))


def _all_types(complaints: list[ErrorDetails]) -> bool:
    return all(complaint["type"] in _TYPES for complaint in complaints)


def _path(complaint: ErrorDetails, subject: Subject) -> Path:
    """The path in the user's tree: a validator's location without the names of union branches."""
    location = complaint["loc"]
    if subject.shape.discriminator and not complaint["type"].startswith("union_tag"):
        location = location[1:]
    node = subject.node
    path: Path = ()
    for index, part in enumerate(location):
        if isinstance(node, Mapping) and isinstance(part, str):
            is_last_and_missing = index == len(location) - 1 and complaint["type"] == "missing"
            if part not in node and not is_last_and_missing:
                continue
            node = node.get(part)
        elif isinstance(node, list) and isinstance(part, int):
            node = node[part]
        else:
            continue
        path = (*path, part)
    if complaint["type"].startswith("union_tag") and subject.shape.discriminator:
        path = (*path, subject.shape.discriminator)
    return path


def _span(path: Path, complaint: ErrorDetails, subject: Subject) -> Span | None:
    if complaint["type"] == "extra_forbidden":
        owner: Any = subject.node
        for part in path[:-1]:
            owner = owner[part]
        if isinstance(owner, Map):
            return owner.key_span(str(path[-1])) or subject.span
    return find_span(subject.node, path) or subject.span


def _explain(path: Path, complaints: list[ErrorDetails], subject: Subject) -> tuple[str, str, str]:
    first = complaints[0]
    models = models_at(_root_models(subject), path[:-1])
    shown = spell_path((subject.prefix, *path) if subject.prefix else path) or "This block"
    match first["type"]:
        case "missing" | "union_tag_not_found":
            return f"{shown} is missing", _explain_missing(first["type"], path, models, subject), "config.missing-key"
        case "extra_forbidden":
            return *_explain_unknown(str(path[-1]), shown, models), "config.unknown-key"
        case "union_tag_invalid":
            tags, value = [t for t in subject.shape.models if t], subject.node[path[-1]]
            return *_explain_choice(f"{shown} must be {spell_list(tags, 'or')}", value, tags), "config.wrong-value"
        case "literal_error":
            choices, expected = first["ctx"]["expected"].split("'")[1::2], first["ctx"]["expected"].replace("'", "")
            return *_explain_choice(f"{shown} must be {expected}", first["input"], choices), "config.wrong-value"
        case known if known in _TYPES:
            wanted = spell_list(dict.fromkeys(_TYPES[c["type"]] for c in complaints if c["type"] in _TYPES), "or")
            summary = f"{shown} must be {wanted}, not {describe(first['input'])}"
            return summary, _advise(known, first["input"]), "config.wrong-type"
        case _:
            return *_explain_value(shown, first), "config.wrong-value"


def _root_models(subject: Subject) -> list[type[BaseModel]]:
    shape = subject.shape
    return shape.candidates(subject.node.get(shape.discriminator) if shape.discriminator else None)


def _explain_choice(told: str, value: Any, choices: list[str]) -> tuple[str, str]:
    return f"{told}, not {_brief(value)}", suggest(value, choices) if isinstance(value, str) else ""


def _explain_missing(kind: str, path: Path, models: list[type[BaseModel]], subject: Subject) -> str:
    key = str(path[-1])
    if kind == "missing":
        described = describe_field(models, key)
        return f"Add it: {described[:1].lower()}{described[1:]}" if described else ""
    near = next((written for written in subject.node if suggest(written, [key])), None)
    advice = f" Is {quote(near)} meant to be it?" if near else ""
    return f"It is {spell_list([tag for tag in subject.shape.models if tag], 'or')}.{advice}"


def _explain_unknown(key: str, shown: str, models: list[type[BaseModel]]) -> tuple[str, str]:
    names = sorted({name for model in models for name in field_names(model)})
    summary = f"There is no key {quote(key)} here" if shown == key else f"There is no key {quote(key)} here ({shown})"
    return summary, suggest(key, names, f"The keys are {spell_list(names)}." if names else "")


def _advise(kind: str, value: Any) -> str:
    if kind == "string_type" and isinstance(value, int | float):
        return "Put it in quotes."
    if kind == "bool_type" and isinstance(value, str) and value.lower() in _OTHER_BOOLEANS:
        return f"{value} is text in YAML 1.2; write {_OTHER_BOOLEANS[value.lower()]}."
    if kind == "bool_type" and value in ("true", "false"):
        return "Remove the quotes."
    if kind == "list_type" and isinstance(value, str):
        return f"Write [{value}]." if len(value) < 60 and value.isprintable() else "Put it in brackets."
    return ""


def _explain_value(shown: str, complaint: ErrorDetails) -> tuple[str, str]:
    context = complaint.get("ctx", {})
    kind = complaint["type"]
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"{shown} must be {words} {context[key]:g}, not {complaint['input']}", ""
    is_text = isinstance(complaint["input"], str)
    if kind == "string_too_short" or (kind == "too_short" and is_text):
        return f"{shown} is empty", "Write it, or leave the key out."
    if kind == "string_too_long" or (kind == "too_long" and is_text):
        return f"{shown} is longer than {context['max_length']} characters", ""
    if kind == "too_short":
        return f"{shown} must have at least {_items(context['min_length'])}", ""
    if kind == "too_long":
        return f"{shown} must have at most {_items(context['max_length'])}, not {context['actual_length']}", ""
    if kind == "string_pattern_mismatch":
        summary = f"{shown} has a character that can't stand there: {quote(str(complaint['input']))}"
        return summary, f"It must match {context['pattern']}."
    said = str(context.get("error", complaint["msg"]))
    problem, _, advice = said.partition("; ")
    ending = "" if advice.endswith("?") else "."
    return f"{shown} {problem}", f"{advice[:1].upper()}{advice[1:]}{ending}" if advice else ""


def _items(count: int) -> str:
    return "one item" if count == 1 else f"{count} items"


def _brief(value: Any) -> str:
    return quote(value) if isinstance(value, str) else describe(value)


def spell_path(path: Path) -> str:
    """`access_policy.clients[0]`"""
    words = ""
    for part in path:
        words += f"[{part}]" if isinstance(part, int) else f".{part}" if words else part
    return words
