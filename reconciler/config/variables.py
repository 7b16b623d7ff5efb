"""The variables of a configuration: how they are declared, and the values they have in one run.

Precedence is Terraform's: the default, then the environment, then var-files in their order, then `-var`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from reconciler.config.expand import to_plain
from reconciler.config.files import SourceFile
from reconciler.config.findings import Findings, quote, spell_list, suggest
from reconciler.config.located import Map, Source
from reconciler.config.scalars import resolve_plain
from reconciler.config.source import parse, read_source
from reconciler.config.wording import describe
from reconciler.model.address import NAME
from reconciler.model.diagnostic import Span, warning

_KEYS = ("type", "default", "description")
_FITS: dict[str, Callable[[Any], bool]] = {
    "string": lambda value: isinstance(value, str),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "map": lambda value: isinstance(value, Mapping),
}
_ARTICLES = {"string": "text", "number": "a number", "boolean": "true or false", "list": "a list", "map": "a map"}
TYPES = tuple(_FITS)


@dataclass(frozen=True)
class Inputs:
    """What a run says about variables. `variables` is `-var`, `files` are the var-files in their order, and
    `environment` holds what stands in RECONCILER_VAR_x, under x."""

    variables: Mapping[str, str] = field(default_factory=dict)
    files: tuple[SourceFile, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)


class Declaration(NamedTuple):
    """A declared variable; `type` is one of TYPES."""

    name: str
    type: str
    span: Span | None
    default: Any = None
    has_default: bool = False


def read_declarations(blocks: Iterable[tuple[Map, str]], findings: Findings) -> dict[str, Declaration]:
    """The declarations by name; each block is given as the mapping that holds it and its name there."""
    found: dict[str, Declaration] = {}
    for owner, name in blocks:
        node = owner[name] if owner[name] is not None else Map(owner.source)
        span = owner.key_span(name)
        if not re.fullmatch(NAME, name):
            detail = "A name starts with a letter or underscore and goes on with letters, digits, _ and -."
            findings.error("config.name", f"{quote(name)} can't be the name of a variable", detail, span)
        elif not isinstance(node, Map):
            detail = f"Write {name}: {{default: ...}}."
            findings.error("config.wrong-type", f"variables.{name} must be a block of keys", detail, span)
        else:
            found[name] = _declaration(name, node, span, findings)
    return found


def _declaration(name: str, node: Map, span: Span | None, findings: Findings) -> Declaration:
    for key in node:
        if key == "sensitive":
            summary = "A variable can't be sensitive: the value of every variable may be shown"
            detail = "Refer to the secret where it is needed, with {env: NAME} or {file: PATH}."
            findings.error("config.sensitive-variable", summary, detail, node.key_span(key))
        elif key not in _KEYS:
            detail = suggest(key, _KEYS, f"The keys are {spell_list(_KEYS)}.")
            findings.error("config.unknown-key", f"There is no key {quote(key)} here", detail, node.key_span(key))
    if not isinstance(node.get("description", ""), str | None):
        summary = f"description must be text, not {describe(node['description'])}"
        findings.error("config.wrong-type", summary, "", node.value_span("description"))
    default = to_plain(node.get("default"))
    kind = node.get("type") or next((t for t, fits in _FITS.items() if fits(default)), "string")
    if not isinstance(kind, str) or kind not in _FITS:
        written = quote(kind) if isinstance(kind, str) else describe(kind)
        summary = f"type must be {spell_list(TYPES, 'or')}, not {written}"
        detail = suggest(kind, TYPES) if isinstance(kind, str) else ""
        findings.error("config.wrong-value", summary, detail, node.value_span("type"))
        kind = "string"
    elif default is not None and not _FITS[kind](default):
        summary = f"The default must be {_ARTICLES[kind]}, not {describe(default)}"
        findings.error("config.wrong-type", summary, "", node.value_span("default"))
    if "default" in node and _has_template(default):
        summary = "A default can't refer to other variables"
        findings.error("config.template", summary, "Write the value itself.", node.value_span("default"))
    return Declaration(name, kind, span, default, "default" in node)


def _has_template(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(map(_has_template, value.values()))
    return any(map(_has_template, value)) if isinstance(value, list) else isinstance(value, str) and "${" in value


def settle_values(declared: Mapping[str, Declaration], inputs: Inputs, findings: Findings) -> dict[str, Any]:
    """The value of every declared variable, as plain JSON values; what is wrong or missing goes to `findings`."""
    values = {name: d.default for name, d in declared.items() if d.has_default}
    for name in sorted(inputs.environment.keys() & declared.keys()):
        shown = f"RECONCILER_VAR_{name}"
        values[name] = _read_text(declared[name], inputs.environment[name], shown, findings)
    roots = [root for file in inputs.files if (root := read_source(file, findings)) is not None]
    findings.settle()
    for root in roots:
        values |= _read_root(root, declared, findings)
    for name, text in inputs.variables.items():
        if name in declared:
            values[name] = _read_text(declared[name], text, f"-var {name}", findings)
        else:
            detail = suggest(name, declared, "Declare it under variables, or leave it out.")
            findings.error("config.unknown-variable", f"-var names {quote(name)}, which is not declared", detail, None)
    for name, declaration in declared.items():
        if name not in values:
            detail = f"Give it with -var {name}=..., in a file with -var-file, or as RECONCILER_VAR_{name}."
            findings.error("config.missing-variable", f"The variable {name} has no value", detail, declaration.span)
    return values


def _read_root(root: Map, declared: Mapping[str, Declaration], findings: Findings) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name in root:
        span = root.key_span(name)
        if name not in declared:
            detail = suggest(name, declared, "Declare it under variables, or leave it out.")
            summary = f"The variable {quote(name)} is not declared"
            findings.diagnostics.append(warning("config.unknown-variable", summary, detail, span=span))
            continue
        value, kind = to_plain(root[name]), declared[name].type
        if value is not None and not _FITS[kind](value):
            summary = f"The variable {name} must be {_ARTICLES[kind]}, not {describe(value)}"
            findings.error("config.wrong-type", summary, "", root.value_span(name))
        values[name] = value
    return values


def _read_text(declaration: Declaration, text: str, shown: str, findings: Findings) -> Any:
    """The value that a text from outside the configuration means for a variable of that type."""
    kind = declaration.type
    if kind == "string":
        return text
    source = Source(shown, text)
    value: Any = None
    if kind in ("list", "map"):
        findings.sources[shown] = source
        before = len(findings.diagnostics)
        value = to_plain(parse(source, findings))
        if len(findings.diagnostics) > before:
            return None
    else:
        try:
            value = resolve_plain(text)
        except ValueError:
            value = text
    if not _FITS[kind](value):
        summary = f"The variable {declaration.name} must be {_ARTICLES[kind]}, not {describe(value)} ({shown})"
        findings.error("config.wrong-type", summary, "", declaration.span)
    return value
