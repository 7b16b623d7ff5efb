"""The published schema accepts what the loader accepts, as far as a schema can know."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from reconciler.config.files import SourceFile
from reconciler.config.findings import Findings
from reconciler.config.schema import configuration_schema
from reconciler.config.source import read_source
from reconciler.kinds import sections
from tests.unit.config.stage import SOUND, problems


@cache
def validator() -> Draft202012Validator:
    schema = configuration_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def complaints(text: str) -> list[str]:
    root = read_source(SourceFile("a.yaml", text.encode()), Findings())
    return [error.message for error in validator().iter_errors(root)]


@pytest.mark.parametrize(
    "text",
    [
        SOUND,
        "version: 1",
        "version: 1\nprovider: {sandbox: }\nstate: {file: }\nmcp_servers:\nmoved:\n",
        SOUND.replace("[todo.read]", "[a, {name: b, consent: REQUIRED}, '${var.s}']") + "variables: {s: {default: c}}",
        SOUND.replace("display_name: Todo", "protect: ${var.p}") + "variables: {p: {type: boolean, default: true}}",
        SOUND.replace("display_name: Todo", "display_name:"),
        "version: 1\ndefaults: {authorization_servers: {type: okta, audiences: [x]}}\nauthorization_servers: {a: {}}\n",
        SOUND + "moved: [{from: mcp_server.a, to: mcp_server.gh}]\nremoved: [{from: mcp_server.x, destroy: true}]\n",
        SOUND + "import: [{to: mcp_server.gh, id: ems1}]\nguards: {max_deletes: 0}\n",
        "version: 1\nprovider: {okta: {org_url: 'https://a.okta.com', auth: {token: {env: T}}}}\n",
        SOUND.replace("{env: GH_SECRET}", "{vault: kv/okta/gh#secret}"),
        SOUND + "secrets: {vault: {address: 'https://v.example.com:8200', namespace: a/b, token: {env: T}}}\n",
        SOUND.replace("{env: GH_SECRET}", "{command: [op, read, 'op://a/b']}"),
    ],
)
def test_what_the_loader_takes_the_schema_takes(text: str) -> None:
    assert problems(text) == ()
    assert complaints(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "version: 2",
        "version: 1\nmcp_server: {}",
        SOUND.replace("display_name", "displayname"),
        SOUND.replace("display_name: Todo", "status: on"),
        SOUND.replace("display_name: Todo", "protect: yes"),
        SOUND.replace("display_name: Todo", "authorization_servers: todo").replace(
            "    authorization_servers: [todo]\n", ""
        ),
        SOUND.replace("type: okta", "type: auth0"),
        SOUND.replace("    type: okta\n", ""),
        SOUND.replace("resource_url: https://todo.example.com/mcp", "description: x"),
        SOUND.replace("{env: GH_SECRET}", "{vault: x}"),
        SOUND.replace("{env: GH_SECRET}", "{command: op}"),
        SOUND.replace("{env: GH_SECRET}", "hunter2"),
        SOUND.replace("scopes: [todo.read]", "scopes: [{nam: x}]"),
        SOUND.replace("scopes: [todo.read]", "issuer: https://a.example.com"),
        SOUND + "moved: [{from: mcp_server.a}]",
        SOUND + "variables: {a: {type: str}}",
        SOUND + "defaults: {mcp_servers: {colour: red}}",
        SOUND + "provider: {okta: {org_url: 'https://a.okta.com'}}",
    ],
)
def test_what_it_refuses_the_loader_refuses(text: str) -> None:
    assert complaints(text)
    assert problems(text)


def described(schema: Any, path: str = "") -> list[str]:
    """The properties below `schema` that have no description."""
    if isinstance(schema, list):
        return [silent for item in schema for silent in described(item, path)]
    if not isinstance(schema, dict):
        return []
    silent = []
    for name, field in schema.get("properties", {}).items():
        resolved = configuration_schema()["$defs"].get(field.get("$ref", "").rpartition("/")[2], field)
        if "description" not in resolved and "const" not in field and path.count(".") < 3:
            silent.append(f"{path}.{name}")
    return silent + [found for key, part in schema.items() if key != "allOf" for found in described(part, path)]


def test_an_editor_can_explain_every_key_of_a_block() -> None:
    schema = configuration_schema()
    for section in sections():
        silent = set(described(schema["properties"][section]["additionalProperties"], section))
        assert silent == set()
