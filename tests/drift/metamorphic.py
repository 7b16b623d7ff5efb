"""Every out-of-band edit is drift, and nothing else is: `python -m tests.drift.metamorphic`.

Injections change every managed attribute and walk every transition of every object, delete it, or add one. The
metamorphic edits change what means nothing: order, case, slashes, what the live system decides alone, and time.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.drift import DriftClass, Finding
from reconciler.model.address import Address
from tests.drift.stage import Applied, Org

Item = Mapping[str, Any]
Edit = Callable[[Org], None]

_ATTRIBUTES: dict[str, dict[str, tuple[str, Any]]] = {
    "mcp_server": {
        "displayName": ("display_name", "Renamed"),
        "description": ("description", "Described anew"),
        "resourceUrl": ("resource_url", "https://elsewhere.example.com/mcp"),
    },
    "association": {
        "issuer": ("issuer", "https://other.example.com"),
        "authorizationEndpoint": ("authorization_endpoint", "https://evil.example.com/authorize"),
        "tokenEndpoint": ("token_endpoint", "https://evil.example.com/token"),
        "authorizationEndpoint ": ("authorization_endpoint", "https://hub.example.com/OAuth/authorize"),
        "registrationEndpoint": ("registration_endpoint", "https://evil.example.com/register"),
        "grantTypesSupported": ("grant_types", ["authorization_code"]),
    },
    "client_auth_settings": {
        "name": ("name", "renamed"),
        "clientId": ("client_id", "somebody-else"),
        "scopes": ("scopes", ["read", "write", "admin"]),
        "registrationType": ("method", None),
    },
    "authorization_server": {
        "name": ("name", "Renamed"),
        "description": ("description", "Described anew"),
        "audiences": ("audiences", ["https://evil.example.com"]),
    },
    "scope": {
        "displayName": ("scopes", "Renamed"),
        "description": ("scopes", "Described anew"),
        "consent": ("scopes", "FLEXIBLE"),
        "name": ("scopes", "todo.admin"),
    },
}
"""Field of the API -> the attribute it is here, and another value for it. A space behind the field tells a second value
for it apart."""
_KINDS = {"client_auth_settings": "client_registration"}
_POLICY = {"conditions": {"clients": {"include": ["0oaevil"]}}}
_RULES = (
    {"conditions": {"grantTypes": {"include": ["authorization_code"]}}},
    {"conditions": {"scopes": {"include": ["*"]}}},
    {"actions": {"token": {"accessTokenLifetimeMinutes": 600}}},
    {"status": "INACTIVE"},
)
_STATES = {
    "mcp_server": ("ACTIVE", "INACTIVE", "INVALID", "PENDING"),
    "association": ("ACTIVE", "INACTIVE", "INVALID", "PENDING"),
    "authorization_server": ("ACTIVE", "INACTIVE"),
}


class Injection(NamedTuple):
    """`address` and `attribute` say what has to be found, and of which class."""

    name: str
    edit: Edit
    address: Address | None
    expected: DriftClass
    attribute: str = ""

    def is_found(self, findings: tuple[Finding, ...]) -> bool:
        return any(
            finding.sort is self.expected
            and self.address in (finding.address, finding.parent)
            and (not self.attribute or self.attribute in {d.path[0] for d in finding.differences})
            for finding in findings
            if finding.is_drift
        )

    def strays(self, findings: tuple[Finding, ...]) -> list[Finding]:
        """Drift found where nothing was done; what is nested in a deleted object goes with it."""
        at = str(self.address)
        near = [f for f in findings if f.address and (f.address == at or str(f.address).startswith(f"{at}/"))]
        return [f for f in findings if f.is_drift and f not in near and f.parent != self.address]


def injections(applied: Applied, org: Org) -> Iterator[Injection]:
    objects = org.objects()
    servers = {item["id"]: item for item in objects["mcp_server"]}
    policies = {item["id"]: item["parent"] for item in objects["policy"]}
    for kind, items in objects.items():
        for item in items:
            if kind == "association" and servers[item["parent"]]["type"] == "DISCOVERABLE":
                continue
            owner = item["parent"] if kind in ("scope", "policy") else policies.get(item.get("parent", ""))
            named = {"id": owner} if owner else item
            real = "authorization_server" if owner else _KINDS.get(kind, kind)
            address = applied.address_of(real, named)
            if address is not None:
                yield from _of(kind, item, address, applied)
    yield from _additions(applied, objects)


def _of(kind: str, item: Item, address: Address, applied: Applied) -> Iterator[Injection]:
    recorded = applied.snapshot.records[address].attributes
    for field, (attribute, value) in _ATTRIBUTES.get(kind, {}).items():
        scope = recorded.get("scopes", {}).get(item.get("name"), {}) if kind == "scope" else {}
        managed = field in ("name",) or _snake(field) in scope if kind == "scope" else attribute in recorded
        if not managed:
            continue
        new = ("DCR" if item[field] == "STATIC" else "STATIC") if field == "registrationType" else value
        yield Injection(
            f"{address} {field}", _setter(item, {field.strip(): new}), address, DriftClass.ATTRIBUTE, attribute
        )
    for change in (_POLICY, {"status": "INACTIVE"}) if kind == "policy" else _RULES if kind == "rule" else ():
        name = f"{address} {kind} {next(iter(change))}"
        yield Injection(name, _setter(item, change), address, DriftClass.ATTRIBUTE, "access_policy")
    for state in _STATES.get(kind, ()):
        if state != item["status"]:
            yield Injection(f"{address} {state}", _setter(item, {"status": state}), address, DriftClass.LIFECYCLE)
    inner = {"scope": "scopes", "policy": "access_policy", "rule": "access_policy"}.get(kind, "")
    gone = DriftClass.ATTRIBUTE if inner else DriftClass.MISSING
    yield Injection(f"{address} {kind} deleted", lambda org: org.delete(item), address, gone, inner)


def _additions(applied: Applied, objects: Mapping[str, list[dict[str, Any]]]) -> Iterator[Injection]:
    hub = next(item for item in objects["mcp_server"] if item.get("displayName") == "Hub")
    row = next(item for item in objects["association"] if item["parent"] == hub["id"])
    server = next(item for item in objects["authorization_server"] if item["name"] == "Todo MCP")
    place = Address("mcp_server.hub")
    rows = f"/resource-servers/api/v1/mcp-servers/{hub['id']}/authorization-servers"
    stranger = {
        "type": "EXTERNAL",
        "issuer": "https://stranger.example.com",
        "authorizationEndpoint": "https://stranger.example.com/a",
        "tokenEndpoint": "https://stranger.example.com/t",
        "grantTypesSupported": ["authorization_code"],
    }
    client = {
        "name": "stranger",
        "registrationType": "STATIC",
        "clientId": "stranger",
        "clientSecret": "made up",
        "authorizationServer": {"id": row["id"], "orn": row["orn"]},
    }

    def register(org: Org) -> None:
        shown = org.call("GET", f"/resource-servers/api/v1/mcp-servers/{hub['id']}").body
        body = {**client, "resource": {"orn": shown["orn"]}}
        org.call("POST", "/resource-servers/api/v1/client-auth-settings", body)

    scopes = f"/api/v1/authorizationServers/{server['id']}/scopes"
    yield Injection("a row added", lambda org: _post(org, rows, stranger), place, DriftClass.UNMANAGED)
    yield Injection("a client added", register, place, DriftClass.UNMANAGED)
    added = Address("authorization_server.todo")
    yield Injection(
        "a scope added", lambda org: _post(org, scopes, {"name": "todo.all"}), added, DriftClass.ATTRIBUTE, "scopes"
    )


def metamorphic(org: Org) -> Iterator[tuple[str, Edit]]:
    """Edits that mean nothing."""
    objects = org.objects()
    servers = {item["id"]: item for item in objects["mcp_server"]}
    for kind, items in objects.items():
        for item in items:
            for name, fields in _meaningless(kind, item):
                yield f"{kind} {name}", _setter(item, fields)
            if kind == "association" and servers[item["parent"]]["type"] == "DISCOVERABLE":
                yield "discovered row INVALID", _setter(item, {"status": "INVALID"})
                yield "discovered row gone", lambda org, item=item: org.delete(item)  # type: ignore[misc]


def _meaningless(kind: str, item: Item) -> Iterator[tuple[str, dict[str, Any]]]:
    yield "time", {"created": "2001-01-01T00:00:00.000Z"}
    for field, value in item.items():
        if isinstance(value, list) and len(value) > 1:
            yield f"order of {field}", {field: value[::-1]}
        if isinstance(value, str) and value.startswith("https://"):
            scheme, _, rest = value.partition("://")
            host, slash, path = rest.partition("/")
            yield f"case of {field}", {field: f"{scheme}://{host.upper()}{slash}{path}"}
            yield f"slash of {field}", {field: value[:-1] if value.endswith("/") else f"{value}/"}
    conditions = item.get("conditions", {})
    for name, condition in conditions.items():
        included = condition.get("include", ())
        if len(included) > 1:
            yield f"order of {name}", {"conditions": {name: {"include": included[::-1]}}}
    if kind == "mcp_server":
        yield "detected", {"detectedMetadata": {"resourceName": "Anew"}, "authorizationServerCount": 7}
        if "description" not in item:
            yield "default", {"description": "Filled in by the live system"}
    if kind == "association":
        yield "detected", {"detectedMetadata": {"issuer": "anew"}}
    if kind == "scope" and "description" not in item:
        yield "default", {"description": "Filled in by the live system", "metadataPublish": "ALL_CLIENTS"}
    if kind in ("policy", "rule"):
        yield "priority", {"priority": 4, "description": "Moved up"}


def _setter(item: Item, fields: dict[str, Any]) -> Edit:
    whole = {name: _merged(item.get(name), value) for name, value in fields.items()}
    return lambda org: org.edit(item, **whole)


def _merged(old: Any, new: Any) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: _merged(old.get(name), value) for name, value in new.items()}}
    return new


def _post(org: Org, path: str, body: dict[str, Any]) -> None:
    org.call("POST", path, body)


def _snake(field: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in field)


class Score(NamedTuple):
    injected: int
    detected: int
    quiet: int
    alarms: int
    complaints: tuple[str, ...]


def sweep(directory: Path, one_in: int = 1, mixtures: int = 40, seed: int = 1) -> Score:
    """`one_in`: try only every such injection and edit; `mixtures` of several meaningless edits at once."""
    applied, chance = Applied(directory), random.Random(seed)
    with applied.fresh() as org:
        assert [f for f in applied.findings(org) if f.is_drift] == []
        wanted = list(injections(applied, org))[::one_in]
        edits = list(metamorphic(org))
    complaints: list[str] = []
    detected = alarms = 0
    for injection in wanted:
        with applied.fresh() as org:
            injection.edit(org)
            found = applied.findings(org)
        detected += injection.is_found(found)
        complaints += [] if injection.is_found(found) else [f"missed: {injection.name}: {found}"]
        strays = injection.strays(found)
        alarms += len(strays)
        complaints += [f"strayed: {injection.name}: {stray}" for stray in strays]
    quiet = [[edit] for edit in edits[::one_in]]
    quiet += [chance.sample(edits, min(len(edits), 6)) for _ in range(mixtures // one_in)]
    for mixture in quiet:
        with applied.fresh() as org:
            for _, edit in mixture:
                try:
                    edit(org)
                except AssertionError:
                    continue  # what an earlier edit of the mixture took away
            found = tuple(f for f in applied.findings(org) if f.is_drift)
        alarms += bool(found)
        complaints += [f"alarm: {[name for name, _ in mixture]}: {found}"] if found else []
    return Score(len(wanted), detected, len(quiet), alarms, tuple(complaints))


def main() -> int:
    with tempfile.TemporaryDirectory() as directory:
        score = sweep(Path(directory))
    print(*score.complaints, sep="\n", end="\n" if score.complaints else "")
    print(f"injected {score.injected}, detected {score.detected}")
    print(f"meaningless {score.quiet}, false alarms {score.alarms}")
    return 0 if score.injected == score.detected and not score.alarms else 1


if __name__ == "__main__":
    sys.exit(main())
