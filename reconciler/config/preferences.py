"""The settings blocks of a document to typed settings: exactly one live system, one store, one way to authenticate."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from reconciler.config.expand import fill_tree
from reconciler.config.findings import Findings, spell_list, suggest
from reconciler.config.located import Map, find_span
from reconciler.config.merge import Entry
from reconciler.config.secret_settings import SecretsSettings
from reconciler.config.settings import GuardSettings, ProviderSettings, ReadinessSettings, Settings, StateSettings
from reconciler.config.shapes import shape_of
from reconciler.config.template import Scope
from reconciler.config.wording import Subject, describe, report_invalid, spell_path
from reconciler.model.address import Address
from reconciler.model.diagnostic import Span

_MODELS = {
    "provider": ProviderSettings,
    "state": StateSettings,
    "guards": GuardSettings,
    "readiness": ReadinessSettings,
    "secrets": SecretsSettings,
}
_BLOCKS = {
    "provider": "Write sandbox: or okta: below it, indented.",
    "state": "Write file: {path: state} below it, indented.",
    "guards": "Write the thresholds below it, indented.",
    "readiness": "Write waivers: and what is permitted to the checks below it, indented.",
    "secrets": "Write vault: and where it is below it, indented.",
}
_EXACTLY_ONE = {
    ("provider",): ("sandbox", "okta"),
    ("state",): ("file", "sqlite", "postgres", "object", "http"),
    ("provider", "okta", "auth"): ("token", "private_key_jwt"),
    ("state", "encryption"): ("key", "aws_kms"),
}
_NO_DEFAULT = (("state", "encryption"),)
"""Where other keys alone are not enough."""


def read_settings(entries: Mapping[str, Entry], variables: Mapping[str, Any], findings: Findings) -> Settings:
    """The settings that `entries` (provider, state, ...) make; the default ones where something is wrong, with the
    reasons in `findings`."""
    given: dict[str, Any] = {}
    valid = Settings()
    for key, entry in entries.items():
        node = _open_choices(key, entry.node)
        if node is None:
            continue
        if not isinstance(node, Map):
            summary = f"{key} must be a block of keys, not {describe(node)}"
            findings.error("config.wrong-type", summary, _BLOCKS[key], entry.span)
            continue
        before = len(findings.diagnostics)
        node = fill_tree(node, Scope(variables), None, findings)
        if len(findings.diagnostics) == before and _is_choice(key, node, entry, findings):
            given[key] = _validate(key, node, entry, findings)
    return valid.model_copy(update={key: value for key, value in given.items() if value is not None})


def check_addresses(
    settings: ReadinessSettings, entry: Entry | None, declared: Collection[str], findings: Findings
) -> None:
    """Report what `readiness` lets through of resources that there are none of: it would have no effect. Below one that
    is declared there may be what only the live system knows of."""
    for path, written in _addresses_in(settings):
        address = Address(written)
        if address not in declared and address.parent not in declared:
            detail = suggest(written, declared, "Declare it, or remove what is said of it here.")
            span = _place_of(path, entry) if entry else None
            findings.error("config.unknown-reference", f"{written} is not declared", detail, span)


def _addresses_in(settings: ReadinessSettings) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Each with where it is written."""
    waived = [(("waivers", place, "address"), waiver.address or "") for place, waiver in enumerate(settings.waivers)]
    yield from (each for each in waived if each[1])
    yield from ((("overrides", written), written) for written in settings.overrides)
    yield from ((("anonymous", place), written) for place, written in enumerate(settings.anonymous))


def _place_of(path: tuple[str | int, ...], entry: Entry) -> Span | None:
    """Of a value, or of the key that is an address."""
    block = entry.node.get(path[0])
    return block.key_span(str(path[1])) if isinstance(block, Map) else find_span(entry.node, path)


def _open_choices(key: str, node: Any) -> Any:
    """`sandbox:` with nothing below it is a choice too: `sandbox: {}`."""
    if key in ("guards", "readiness", "secrets") or not isinstance(node, Map) or None not in node.values():
        return node
    opened = Map(node.source)
    opened.marks = node.marks
    opened.plain = node.plain
    opened.update((name, Map(node.source) if value is None else value) for name, value in node.items())
    return opened


def _is_choice(key: str, node: Map, entry: Entry, findings: Findings) -> bool:
    """Whether one of each set of alternatives is chosen; reported if not."""
    chosen_all = True
    for path, names in _EXACTLY_ONE.items():
        block: Any = node
        for part in path[1:]:
            block = block.get(part) if isinstance(block, Map) else None
        if path[0] != key or not isinstance(block, Map):
            continue
        chosen = [name for name in names if name in block]
        if len(chosen) == 1 or (not chosen and len(block) and path not in _NO_DEFAULT):
            continue
        span = (block.key_span(chosen[1]) if chosen else find_span(node, path[1:])) or entry.span
        problem = spell_list(chosen, "and") if chosen else f"neither {spell_list(names, 'nor')}"
        summary = f"{spell_path(path)} has {'both ' if len(chosen) == 2 else ''}{problem}"
        findings.error("config.exactly-one", summary, f"Write exactly one: {spell_list(names, 'or')}.", span)
        chosen_all = False
    return chosen_all


def _validate(key: str, node: Map, entry: Entry, findings: Findings) -> Any:
    shape = shape_of(_MODELS[key])
    try:
        return shape.adapter.validate_python(node)
    except ValidationError as invalid:
        report_invalid(invalid, Subject(node, shape, entry.span, prefix=key), findings)
        return None
