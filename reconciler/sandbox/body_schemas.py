"""The JSON Schemas of request bodies, by the names the handlers know them by."""

from __future__ import annotations

from typing import Any

from reconciler.sandbox.faults import FAULT_SCHEMA

_URL = {"type": "string", "pattern": "^https?://[^/?#\\s]+[^#\\s]*$", "maxLength": 2048}
_TEXT = {"type": "string", "minLength": 1, "maxLength": 1024}
_ORN = {"type": "string", "pattern": "^orn:", "maxLength": 512}
_SCOPES = {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 256}}
_GRANTS = {"type": "array", "items": {"type": "string"}}
_NAMES = {"type": "array", "items": {"type": "string", "minLength": 1}}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


def _closed(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _open(properties: dict[str, Any], required: tuple[str, ...] = ()) -> dict[str, Any]:
    """Classic APIs: what a GET showed may be sent back whole, and read-only fields are passed over."""
    return {"type": "object", "properties": properties, "required": list(required)}


_PROTOCOL: dict[str, dict[str, Any]] = {
    "authorizationEndpoint": {"type": "string", "maxLength": 2048},
    "tokenEndpoint": {"type": "string", "maxLength": 2048},
    "registrationEndpoint": {"type": "string", "maxLength": 2048},
    "grantTypesSupported": _GRANTS,
}
_INCLUDE = _open({"include": _NAMES})

SCHEMAS: dict[str, dict[str, Any]] = {
    "mcp_server.create": _closed(
        {
            "resourceUrl": _URL,
            "displayName": _TEXT,
            "description": _TEXT,
            "type": {"type": "string", "enum": ["MANUAL", "DISCOVERABLE"]},
        },
        ("resourceUrl",),
    ),
    "mcp_server.patch": _closed({"displayName": _or_null(_TEXT), "description": _or_null(_TEXT)}),
    "association.create": _open({"type": {"type": "string", "enum": ["OKTA", "EXTERNAL"]}}, ("type",)),
    "association.create.OKTA": _closed({"type": {}, "orn": _ORN}, ("orn",)),
    "association.create.EXTERNAL": _closed({"type": {}, "issuer": _URL, **_PROTOCOL}, ("issuer",)),
    "association.patch": _closed({name: _or_null(schema) for name, schema in _PROTOCOL.items()}),
    "client_auth_settings.create": _closed(
        {
            "name": _TEXT,
            "registrationType": {"type": "string", "enum": ["STATIC", "DCR"]},
            "clientId": _TEXT,
            "clientSecret": _TEXT,
            "scopes": _SCOPES,
            "resource": _closed({"orn": _ORN}, ("orn",)),
            "authorizationServer": _closed({"id": _TEXT, "orn": _ORN}),
        },
        ("name", "registrationType", "resource", "authorizationServer"),
    ),
    "client_auth_settings.patch": _closed(
        {"name": _TEXT, "scopes": _or_null(_SCOPES), "clientSecret": _TEXT},
    ),
    "authorization_server": _open(
        {
            "name": {"type": "string", "minLength": 1, "maxLength": 1024},
            "description": {"type": ["string", "null"]},
            "audiences": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 1},
            "issuerMode": {"type": "string", "enum": ["ORG_URL", "CUSTOM_URL", "DYNAMIC"]},
        },
        ("name", "audiences"),
    ),
    "scope": _open(
        {
            "name": {"type": "string", "pattern": "^[\\x21\\x23-\\x5B\\x5D-\\x7E]+$", "maxLength": 256},
            "displayName": {"type": ["string", "null"]},
            "description": {"type": ["string", "null"]},
            "consent": {"type": "string", "enum": ["IMPLICIT", "REQUIRED", "FLEXIBLE"]},
            "default": {"type": "boolean"},
            "optional": {"type": "boolean"},
            "metadataPublish": {"type": "string", "enum": ["NO_CLIENTS", "ALL_CLIENTS"]},
        },
        ("name",),
    ),
    "policy": _open(
        {
            "type": {"type": "string", "enum": ["OAUTH_AUTHORIZATION_POLICY"]},
            "name": {"type": "string", "minLength": 1, "maxLength": 100},
            "description": {"type": "string", "minLength": 1, "maxLength": 255},
            "priority": {"type": "integer", "minimum": 1},
            "status": {"type": "string", "enum": ["ACTIVE", "INACTIVE"]},
            "conditions": _open({"clients": {**_INCLUDE, "required": ["include"]}}, ("clients",)),
        },
        ("type", "name", "conditions"),
    ),
    "rule": _open(
        {
            "type": {"type": "string", "enum": ["RESOURCE_ACCESS"]},
            "name": {"type": "string", "minLength": 1, "maxLength": 100},
            "priority": {"type": "integer", "minimum": 1},
            "status": {"type": "string", "enum": ["ACTIVE", "INACTIVE"]},
            "conditions": _open(
                {
                    "people": {"type": "object"},
                    "grantTypes": {**_INCLUDE, "required": ["include"]},
                    "scopes": {**_INCLUDE, "required": ["include"]},
                },
                ("grantTypes", "scopes"),
            ),
            "actions": _open(
                {
                    "token": _open(
                        {
                            "accessTokenLifetimeMinutes": {"type": "integer", "minimum": 5, "maximum": 1440},
                            "refreshTokenLifetimeMinutes": {"type": "integer", "minimum": 0},
                            "refreshTokenWindowMinutes": {"type": "integer", "minimum": 10, "maximum": 2628000},
                        }
                    )
                }
            ),
        },
        ("type", "name", "conditions"),
    ),
    "fault": FAULT_SCHEMA,
    "edit": _closed(
        {"id": _TEXT, "parent": {"type": "string"}, "set": {"type": "object"}, "delete": {"type": "boolean"}},
        ("id",),
    ),
}
