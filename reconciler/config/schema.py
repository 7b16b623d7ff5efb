"""The JSON Schema of a configuration file, made from the kinds and the settings, for editors and for CI.

Looser than the loader where a schema can't know: `${...}` may stand for any value, a null leaves a key out, and no
key of a section is required in a file that has defaults for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from reconciler.config.instructions import SPECS
from reconciler.config.merge import INSTRUCTIONS, SETTINGS
from reconciler.config.settings import Settings
from reconciler.config.shapes import shape_of
from reconciler.config.variables import TYPES
from reconciler.kinds import sections
from reconciler.model.address import NAME
from reconciler.model.kind import Kind

ID = "https://reconciler.dev/schemas/config.schema.json"
_TEMPLATE = {"$ref": "#/$defs/template"}
_SCALARS = ("string", "integer", "number", "boolean")


def configuration_schema() -> dict[str, Any]:
    """JSON Schema, draft 2020-12, of one file of a configuration."""
    definitions: dict[str, Any] = {
        "template": {
            "type": "string",
            "pattern": r"\$\{",
            "description": "Text with a ${var.NAME}, ${each.key} or ${each.value.NAME} in it.",
        }
    }
    properties: dict[str, Any] = {
        "version": {"const": 1, "description": "The version of this format; needed once in a directory."},
        "variables": _named(_variable(), "Values that differ between runs: ${var.NAME}."),
        "defaults": _defaults(definitions),
    }
    settings = _definition(Settings, definitions)["properties"]
    properties |= {name: settings[name] for name in SETTINGS}
    for section, kind in sections().items():
        shape = shape_of(kind.spec)
        blocks = [_block(_definition(model, definitions)) for model in shape.models.values()]
        block = blocks[0] if len(blocks) == 1 else {"anyOf": blocks}
        properties[section] = _named(block, f"Blocks of the kind {kind.name}, by name.")
    for key in INSTRUCTIONS:
        item = _definition(SPECS[key], definitions)
        properties[key] = {"type": ["array", "null"], "items": item, "description": item.get("description", "")}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "reconciler configuration",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "allOf": [_requirement(section, kind) for section, kind in sections().items()],
        "$defs": definitions,
    }


def _definition(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    """The schema of a model; the models within it are added to `definitions`."""
    schema = model.model_json_schema(ref_template="#/$defs/{model}")
    for name, nested in schema.pop("$defs", {}).items():
        definitions[name] = _open(nested)
    return _open(schema)


def _open(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a model with templates and nulls permitted in its fields."""
    opened = {key: value for key, value in schema.items() if key not in ("title", "properties")}
    required = schema.get("required", ())
    opened["properties"] = {
        name: _open_field(field, nullable=name not in required) for name, field in schema.get("properties", {}).items()
    }
    return opened


def _open_field(field: Mapping[str, Any], *, nullable: bool) -> dict[str, Any]:
    about = {key: field[key] for key in ("description", "default") if key in field and field[key] is not None}
    inner = {key: value for key, value in field.items() if key not in ("title", "description", "default")}
    choices = [dict(choice) for choice in inner.pop("anyOf", [])] or [inner]
    choices = [choice for choice in choices if choice.get("type") != "null"]
    if len(choices) == 1 and "description" in choices[0]:
        about.setdefault("description", choices[0].pop("description"))
    if "const" in inner:
        return {**inner, **about}
    opened = [_open_value(choice) for choice in choices]
    if {"type": "string"} not in opened:
        opened.append(_TEMPLATE)
    if nullable:
        opened.append({"type": "null"})
    return {"anyOf": opened, **about} if len(opened) > 1 else {**opened[0], **about}


def _open_value(schema: Mapping[str, Any]) -> dict[str, Any]:
    opened = {key: value for key, value in schema.items() if key != "title"}
    if opened.get("type") == "object":
        # pydantic counts the entries of a dict by the keywords for text.
        for said, meant in (("minLength", "minProperties"), ("maxLength", "maxProperties")):
            if said in opened:
                opened[meant] = opened.pop(said)
    if opened.get("type") == "array":
        opened["items"] = _open_item(opened.get("items", {}))
    return opened


def _open_item(item: Mapping[str, Any]) -> dict[str, Any]:
    choices = item.get("anyOf", [item])
    opened = [_open_value(choice) for choice in choices]
    return {"anyOf": [*opened, _TEMPLATE]} if {"type": "string"} not in opened else dict(opened[0])


def _block(model: dict[str, Any]) -> dict[str, Any]:
    """A block of a section, without what it requires: that depends on the defaults."""
    block = {key: value for key, value in model.items() if key != "required"}
    for_each = {
        "description": 'Make one resource for each entry, called NAME["key"]; ${each.key} and ${each.value} tell them '
        "apart.",
        "anyOf": [{"type": "object"}, {"type": "array", "items": {"type": "string"}}, _TEMPLATE],
    }
    return {**block, "properties": {"for_each": for_each, **block["properties"]}}


def _requirement(section: str, kind: Kind) -> dict[str, Any]:
    """What blocks of the section must say where the file has no defaults for it."""
    shape = shape_of(kind.spec)
    required = {tag: model.model_json_schema().get("required", []) for tag, model in shape.models.items()}
    if shape.discriminator is None:
        block: dict[str, Any] = {"required": required[None]}
    else:
        tag = shape.discriminator
        cases = [
            {"if": {"properties": {tag: {"const": value}}}, "then": {"required": names}}
            for value, names in required.items()
        ]
        block = {"required": [tag], "allOf": cases}
    has_defaults = {"required": ["defaults"], "properties": {"defaults": {"type": "object", "required": [section]}}}
    return {"if": has_defaults, "else": {"properties": {section: {"additionalProperties": block}}}}


def _named(block: dict[str, Any], description: str) -> dict[str, Any]:
    return {
        "type": ["object", "null"],
        "description": description,
        "propertyNames": {"pattern": f"^{NAME}$"},
        "additionalProperties": block,
    }


def _defaults(definitions: dict[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for section, kind in sections().items():
        fields: dict[str, Any] = {}
        for model in shape_of(kind.spec).models.values():
            for name, field in _definition(model, definitions)["properties"].items():
                fields.setdefault(name, []).append(field)
        properties[section] = {
            "type": ["object", "null"],
            "properties": {name: _either(choices) for name, choices in fields.items()},
            "additionalProperties": False,
        }
    return {
        "type": ["object", "null"],
        "description": "What blocks of a section say where they don't say it themselves.",
        "properties": properties,
        "additionalProperties": False,
    }


def _either(choices: list[dict[str, Any]]) -> dict[str, Any]:
    distinct = [choice for i, choice in enumerate(choices) if choice not in choices[:i]]
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _variable() -> dict[str, Any]:
    return {
        "type": ["object", "null"],
        "properties": {
            "type": {"enum": [*TYPES, None], "description": "What values it takes; that of the default if omitted."},
            "default": {"description": "Its value if none is given."},
            "description": {"type": ["string", "null"], "description": "What it is for."},
        },
        "additionalProperties": False,
    }
