"""The building blocks of a kind's YAML specification: strict models, URLs, shown text, references to secrets."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from reconciler.model.lifecycle import State
from reconciler.model.secret import REFERENCE_SOURCES, is_reference


class Spec(BaseModel):
    """A block of the configuration: unknown keys refused, nothing converted, nothing changed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _check_text(value: str) -> str:
    if value.isprintable():
        return value
    hidden = next((c for c in value if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")), None)
    if hidden is not None:
        raise ValueError(f"has the invisible character U+{ord(hidden):04X}, which can make a text read as another")
    return value


Text = Annotated[str, AfterValidator(_check_text), Field(min_length=1, max_length=1024)]
"""Text that will be shown to people: no control, bidirectional or otherwise invisible characters."""

_NO_ATTRIBUTES = {"status", "protect", "ignore_changes", "type"} | {
    f"{kind}{s}" for kind in ("authorization_server", "mcp_server") for s in ("", "s")
}
"""Fields that say what to do with the resource, or what it belongs to, rather than what it is like."""


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


class SharedSpec(Spec):
    """A block of which others may change a part, once it is there, without that being drift."""

    ignore_changes: Annotated[
        dict[str, Text],
        Field(description="Attributes that others may change once it is there, each with the reason why."),
    ] = {}

    @field_validator("ignore_changes")
    @classmethod
    def _names_attributes(cls, value: dict[str, str]) -> dict[str, str]:
        known = cls.model_fields.keys() - _NO_ATTRIBUTES
        if unknown := sorted(value.keys() - known):
            raise ValueError(f"names {unknown[0]}, which can't be left to others; those that can are {_listed(known)}")
        return value


class ResourceSpec(SharedSpec):
    """What every block that becomes a resource may say."""

    status: Annotated[
        Literal["active", "inactive"], Field(description="The lifecycle state to bring it to and keep it in.")
    ] = "active"
    protect: Annotated[
        bool,
        Field(
            description="Refuse to delete or replace it, even when its block is removed, until this is set to false."
        ),
    ] = False

    @property
    def state(self) -> State:
        return State.ACTIVE if self.status == "active" else State.INACTIVE


def is_loopback(host: str | None) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False


def _check_url(value: str) -> str:
    _check_text(value)
    try:
        parts = urlsplit(value)
        port_ok = parts.port is None or parts.port > 0
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or not port_ok or " " in value:
        raise ValueError("is not a URL; one looks like https://mcp.example.com/mcp")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ValueError("must start with https:// (http:// is for this machine's loopback only)")
    if parts.username or parts.password:
        raise ValueError("carries a user name or password; credentials don't belong in a URL")
    if "#" in value:
        raise ValueError("carries a #fragment, which an OAuth identifier must not (RFC 8707 section 2)")
    return value


_FORMS = {
    "keyring": (re.compile(r".+/[^/]+"), "SERVICE/USER"),
    "vault": (re.compile(r"[^/#]+/[^#]+#[^#]+"), "MOUNT/PATH#FIELD"),
}


def _check_secret(value: Any) -> Any:
    if isinstance(value, str):
        raise ValueError("must be a reference such as {env: NAME}: a secret is never written in the configuration")
    if isinstance(value, dict) and list(value) == ["command"] and not is_reference(value):
        raise ValueError("must name its program and arguments as a list, such as {command: [op, read, NAME]}")
    if not is_reference(value):
        told = f"must be a reference with one of the keys {', '.join(REFERENCE_SOURCES)}, such as {{env: NAME}}"
        key = str(next(iter(value)))[:200].lower() if isinstance(value, dict) and len(value) == 1 else ""
        near = get_close_matches(key, REFERENCE_SOURCES, n=1) if key not in REFERENCE_SOURCES else []
        raise ValueError(f"{told}; did you mean {near[0]}?" if near else told)
    ((source, name),) = value.items()
    form, shown = _FORMS.get(source, (None, ""))
    if form is not None and not form.fullmatch(name):
        raise ValueError(f"must look like {{{source}: {shown}}}")
    return {source: [str(word) for word in name]} if source == "command" else value


_TOLD = {
    "env": "A variable of the environment.",
    "file": "A file, relative to the configuration; one newline at its end doesn't count. PATH#FIELD: a field of JSON.",
    "keyring": "An entry of the user's keyring, SERVICE/USER.",
    "vault": "A field of a HashiCorp Vault's key/value engine (version 2), MOUNT/PATH#FIELD.",
    "command": "A program and its arguments; started without a shell, if the environment permits it.",
}


def _reference_schema() -> dict[str, Any]:
    named: dict[str, Any] = {source: {"type": "string", "description": told} for source, told in _TOLD.items()}
    for source, (form, _) in _FORMS.items():
        named[source]["pattern"] = f"^{form.pattern}$"
    named["command"] |= {"type": "array", "items": {"type": "string"}, "minItems": 1}
    return {
        "type": "object",
        "description": "Where the secret is read from when it is needed, such as {env: NAME}; never the secret itself.",
        "properties": named,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


Url = Annotated[str, AfterValidator(_check_url), Field(max_length=2048, json_schema_extra={"format": "uri"})]
"""An https URL kept exactly as written (a trailing slash counts); http only on loopback."""

SecretReference = Annotated[
    dict[str, Any],
    BeforeValidator(_check_secret),
    WithJsonSchema(_reference_schema()),
]

Scope = Annotated[str, Field(pattern=r"^[\x21\x23-\x5B\x5D-\x7E]+$", max_length=256)]
"""RFC 6749 section 3.3, scope-token."""


def given(spec: BaseModel, *names: str) -> dict[str, Any]:
    """Those of the fields `names` that were written in the configuration: an omitted attribute is not managed."""
    return {name: getattr(spec, name) for name in names if name in spec.model_fields_set}
