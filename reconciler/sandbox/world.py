"""The foreign hosts that the sandbox plays: MCP servers and authorization servers, read from a YAML file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from reconciler.model.diagnostic import Diagnostic, Refused, Span, error
from reconciler.sandbox.faults import FAULT_SCHEMA
from reconciler.sandbox.troubles import TROUBLES

_TOO_DEEP = "the world file is nested too deeply"
_DEEP = "maximum nesting"
"""What libyaml says of it since 0.2.6, which reads some way ahead of its events."""
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_MAX_CHARACTERS = 2_000_000
_MAX_DEPTH = 32


@dataclass(frozen=True, slots=True)
class ForeignMcpServer:
    """`authorization_servers` None: its metadata doesn't list any. `metadata` False: it publishes none (404)."""

    url: str
    authorization_servers: tuple[str, ...] | None = None
    scopes: tuple[str, ...] = ()
    name: str | None = None
    metadata: bool = True
    published_resource: str | None = None
    down: bool = False
    status: int | None = None
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class ForeignAuthorizationServer:
    """`id_jag`: it says that it takes ID-JAGs (Cross-App Access). `status`: what it answers everything with. `clients`:
    the secrets of the clients it knows, by their ids."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    registration_endpoint: str | None = None
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    scopes: tuple[str, ...] = ()
    id_jag: bool = False
    metadata: bool = True
    published_issuer: str | None = None
    down: bool = False
    status: int | None = None
    trouble: str | None = None
    clients: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class World:
    """Any host that isn't in it is unreachable. `faults` are switched on when the sandbox starts."""

    mcp_servers: tuple[ForeignMcpServer, ...] = ()
    authorization_servers: tuple[ForeignAuthorizationServer, ...] = ()
    faults: tuple[Mapping[str, Any], ...] = field(default=())


_URL = {"type": "string", "format": "uri", "pattern": "^https?://[^/?#\\s]+[^#\\s]*$", "maxLength": 2048}
_WORDS = {"type": "array", "items": {"type": "string", "minLength": 1}, "uniqueItems": True}
_TROUBLES = {
    "metadata": {"type": "boolean", "default": True, "description": "false: it publishes no metadata (404)."},
    "down": {"type": "boolean", "default": False, "description": "Its host can't be reached."},
    "status": {"type": "integer", "minimum": 400, "maximum": 599, "description": "What it answers everything with."},
    "trouble": {
        "enum": list(TROUBLES),
        "description": "; ".join(f"{name}: {meaning}" for name, meaning in TROUBLES.items()),
    },
}


def world_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a world file."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "World of a reconciler sandbox",
        "description": "Foreign hosts that the sandbox plays. A host that is not listed is unreachable.",
        "type": "object",
        "required": ["version"],
        "additionalProperties": False,
        "properties": {
            "version": {"const": 1},
            "mcp_servers": {"type": "array", "items": _mcp_server_schema()},
            "authorization_servers": {"type": "array", "items": _authorization_server_schema()},
            "faults": {"type": "array", "items": FAULT_SCHEMA},
        },
    }


def _mcp_server_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["url"],
        "additionalProperties": False,
        "properties": {
            "url": {**_URL, "description": "Its resource identifier, exactly."},
            "authorization_servers": {
                "type": "array",
                "items": _URL,
                "description": "Issuers its RFC 9728 metadata lists; omit it for metadata without such a list.",
            },
            "scopes": {**_WORDS, "description": "scopes_supported of its metadata."},
            "name": {"type": "string", "description": "resource_name of its metadata."},
            "published_resource": {**_URL, "description": "A wrong `resource` in its metadata."},
            **_TROUBLES,
        },
    }


def _authorization_server_schema() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["issuer"],
        "additionalProperties": False,
        "properties": {
            "issuer": {**_URL, "description": "Its issuer identifier, exactly."},
            "authorization_endpoint": {**_URL, "description": "{issuer}/authorize if omitted."},
            "token_endpoint": {**_URL, "description": "{issuer}/token if omitted."},
            "registration_endpoint": {**_URL, "description": "Where clients register themselves, if anywhere."},
            "grant_types": {**_WORDS, "description": "authorization_code and refresh_token if omitted."},
            "scopes": {**_WORDS, "description": "scopes_supported of its metadata."},
            "id_jag": {"type": "boolean", "default": False, "description": "It takes ID-JAGs (Cross-App Access)."},
            "clients": {
                "type": "object",
                "additionalProperties": {"type": "string", "minLength": 1},
                "description": "The clients it knows: client id -> made-up secret; if omitted, any with a secret.",
            },
            "published_issuer": {**_URL, "description": "A wrong `issuer` in its metadata."},
            **_TROUBLES,
        },
    }


def read_world(text: str, name: str) -> World:
    """The world that the YAML `text` describes; `name` is the file's name as it is shown.

    Raises Refused with every problem found, each with its place.
    """
    source = _Source(text, name)
    root = source.compose()
    document = source.value(root, ())
    source.check(document)
    return World(
        mcp_servers=tuple(_mcp_server(entry) for entry in document.get("mcp_servers", ())),
        authorization_servers=tuple(_authorization_server(e) for e in document.get("authorization_servers", ())),
        faults=tuple(document.get("faults", ())),
    )


def _mcp_server(entry: dict[str, Any]) -> ForeignMcpServer:
    listed = entry.get("authorization_servers")
    return ForeignMcpServer(
        **{
            **entry,
            "authorization_servers": None if listed is None else tuple(listed),
            "scopes": tuple(entry.get("scopes", ())),
        }
    )


def _authorization_server(entry: dict[str, Any]) -> ForeignAuthorizationServer:
    issuer = entry["issuer"].rstrip("/")
    return ForeignAuthorizationServer(
        **{
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            **entry,
            "grant_types": tuple(entry.get("grant_types", ("authorization_code", "refresh_token"))),
            "scopes": tuple(entry.get("scopes", ())),
        }
    )


class _Source:
    """The file's text, its problems, and where each of its values stands."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._lines = text.splitlines()
        self._places: dict[tuple[str | int, ...], yaml.Node] = {}
        self._problems: list[Diagnostic] = []

    def compose(self) -> yaml.Node:
        if len(self._text) > _MAX_CHARACTERS:
            self._refuse(f"the world file is longer than {_MAX_CHARACTERS} characters")
        try:
            self._check_events()
            node: yaml.Node | None = yaml.compose(self._text, Loader=_Loader)
        except yaml.MarkedYAMLError as broken:
            if broken.problem and _DEEP in broken.problem:
                self._refuse(_TOO_DEEP, broken.problem_mark)
            self._refuse(f"the world file is not YAML: {broken.problem or broken.context}", broken.problem_mark)
        except yaml.YAMLError as broken:
            self._refuse(f"the world file is not YAML: {broken}")
        return node or self._refuse("the world file is empty")

    def _check_events(self) -> None:
        """Before anything recursive sees them: events come one by one, however deep they are nested."""
        depth = 0
        for event in yaml.parse(self._text, Loader=_Loader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > _MAX_DEPTH:
                self._refuse(_TOO_DEEP, event.start_mark)
            if isinstance(event, yaml.AliasEvent):
                self._refuse("a world file has no aliases", event.start_mark)

    def value(self, node: yaml.Node, path: tuple[str | int, ...]) -> Any:
        self._places[path] = node
        if isinstance(node, yaml.SequenceNode):
            return [self.value(child, (*path, index)) for index, child in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            found: dict[str, Any] = {}
            for key_node, child in node.value:
                key = str(key_node.value)
                if key in found:
                    self._add(f'"{key}" is given twice', key_node.start_mark)
                found[key] = self.value(child, (*path, key))
            return found
        return _scalar(node)

    def check(self, document: Any) -> None:
        """Raise Refused if the schema, or anything found before, has something to say."""
        from jsonschema import Draft202012Validator

        for problem in Draft202012Validator(world_schema()).iter_errors(document):
            path = tuple(problem.absolute_path)
            self._add(f"{_show(path)}: {_explain(problem)}", self._places[path].start_mark)
        if not self._problems:
            for path in _repeated(document):
                self._add(f"{_show(path)} is in the world twice", self._places[path].start_mark)
        if self._problems:
            raise Refused(sorted(self._problems, key=lambda d: (d.span.line, d.span.column) if d.span else (0, 0)))

    def _add(self, summary: str, mark: Any = None) -> None:
        span = snippet = None
        if mark is not None:
            span = Span(self._name, mark.line + 1, mark.column + 1, mark.line + 1, mark.column + 2)
            snippet = self._lines[mark.line] if mark.line < len(self._lines) else ""
        detail = "`reconciler schema world` prints what a world file may say."
        self._problems.append(error("config.world", summary, detail, span=span, snippet=snippet))

    def _refuse(self, summary: str, mark: Any = None) -> NoReturn:
        self._add(summary, mark)
        raise Refused(self._problems)


def _scalar(node: yaml.Node) -> Any:
    """YAML 1.2 core schema: only true/false, null and plain numbers are anything but strings."""
    text = node.value
    if not isinstance(node, yaml.ScalarNode) or node.style:
        return text
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "~", "null"):
        return None
    for number in (int, float):
        try:
            if not text.lstrip("+-")[:1].isalpha() and "_" not in text:
                return number(text)
        except ValueError:
            continue
    return text


def _explain(problem: Any) -> str:
    if problem.validator == "pattern":
        return "is not a URL; one looks like https://mcp.example.com/mcp"
    return str(problem.message)[:300]


def _show(path: Sequence[str | int]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".") or "the file"


def _repeated(document: Mapping[str, Any]) -> Iterator[tuple[str | int, ...]]:
    for section, field_name in (("mcp_servers", "url"), ("authorization_servers", "issuer")):
        seen: set[str] = set()
        for index, entry in enumerate(document.get(section, ())):
            if entry[field_name] in seen:
                yield (section, index, field_name)
            seen.add(entry[field_name])
