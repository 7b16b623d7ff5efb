"""Objects that nobody here made, described as a configuration: what `adopt` writes, and whose addresses they get."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from reconciler.config.configuration import Configuration
from reconciler.config.rewriting import spelled
from reconciler.diff import is_same
from reconciler.drift import name_of
from reconciler.model.address import Address
from reconciler.model.diagnostic import Diagnostic, warning
from reconciler.model.lifecycle import State
from reconciler.model.resource import Observed, Record
from reconciler.model.snapshot import Snapshot

Block = dict[str, Any]
_GRANTS = ["authorization_code", "refresh_token"]
_ENDPOINTS = ("authorization_endpoint", "token_endpoint")
_DETECTED = {"authorization_endpoint": "authorizationEndpoint", "token_endpoint": "tokenEndpoint"}
_NO_POLICY = "Its access policies were there before reconciler was."
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_SECTIONS = ("authorization_servers", "client_registrations", "mcp_servers")


@dataclass(frozen=True, slots=True)
class Proposal:
    """Blocks by section and name, the object that each address stands for, and what had to be left alone (warnings)."""

    blocks: Mapping[str, Mapping[str, Block]]
    objects: Mapping[Address, Observed]
    left: tuple[Diagnostic, ...] = ()


class Undescribable(ValueError):
    """The object can't be written down as it is; says why, in words for a user."""


@dataclass(slots=True)
class Adoption:
    """Describes one object after the other, with all that belongs to it."""

    observed: tuple[Observed, ...]
    snapshot: Snapshot
    configuration: Configuration
    names: Mapping[str, str] = field(default_factory=dict)
    """The block's name that the user has chosen, by remote id."""
    blocks: dict[str, dict[str, Block]] = field(default_factory=lambda: {section: {} for section in _SECTIONS})
    objects: dict[Address, Observed] = field(default_factory=dict)

    def propose(self, ids: Iterable[str]) -> Proposal:
        """A description of those objects; ids of rows come with their MCP server."""
        wanted, left = set(ids), []
        for seen in sorted(self.observed, key=lambda seen: (_ORDER.get(seen.kind, 9), name_of(seen), seen.id)):
            if seen.id not in wanted or seen.kind not in _ORDER or self._is_ours(seen):
                continue
            kept = {section: dict(blocks) for section, blocks in self.blocks.items()}, dict(self.objects)
            try:
                self._describe(seen)
            except Undescribable as reason:
                self.blocks, self.objects = kept
                left.append(left_alone(seen, str(reason)))
        return Proposal(self.blocks, self.objects, tuple(left))

    def _describe(self, seen: Observed) -> None:
        match seen.kind:
            case "authorization_server":
                self._custom(seen)
            case "mcp_server":
                self._server(seen)
            case "client_registration":
                server = self._address_of("mcp_server", seen.parent_id or "")
                if server is not None:
                    self._client(seen, server)

    def _custom(self, seen: Observed) -> str:
        block: Block = {"type": "okta", **_given(seen, "description", "audiences"), **_status(seen)}
        scopes = seen.attributes.get("scopes", {})
        if scopes:
            block["scopes"] = [_scope(name, shown) for name, shown in scopes.items()]
        block |= _policy(seen.attributes.get("access_policy"), sorted(scopes))
        shown = str(seen.attributes.get("name", ""))
        name = self._name("authorization_servers", seen, shown)
        return self._add("authorization_servers", name, _named(block, name, shown), seen)

    def _server(self, seen: Observed) -> None:
        shown = seen.attributes.get("display_name") or urlsplit(str(seen.attributes["resource_url"])).hostname
        name = self._name("mcp_servers", seen, str(shown or "server"))
        discovered = seen.attributes.get("registration") == "discovered"
        block: Block = {
            **_given(seen, "resource_url"),
            **({"registration": "discovered"} if discovered else {}),
            **_given(seen, "display_name", "description"),
            **_status(seen),
        }
        address = Address(f"mcp_server.{name}")
        self._add("mcp_servers", name, block, seen)
        rows = [row for row in self.observed if row.kind == "association" and row.parent_id == seen.id]
        clients = [one for one in self.observed if one.kind == "client_registration" and one.parent_id == seen.id]
        served = {client.links.get("association") for client in clients}
        used = []
        for row in rows:
            if discovered and row.id not in served:
                continue
            used.append(self._row(row, discovered))
            self.objects[address.child("authorization_server", used[-1])] = row
        if used:
            block["authorization_servers"] = used
        for client in clients:
            self._client(client, address)

    def _row(self, row: Observed, discovered: bool) -> str:
        """The name of the authorization server that the row attaches."""
        status = State.ACTIVE if discovered else row.status
        if row.attributes.get("type") == "OKTA":
            source = next((s for s in self.observed if s.kind == "authorization_server" and s.id == row.id), None)
            if source is None or source.status is not status:
                raise Undescribable(f"its row of {row.id} is {row.status}, and the authorization server isn't")
            address = self._address_of("authorization_server", row.id)
            return address.name if address else self._custom(source)
        shown = row.attributes if not discovered else {**row.attributes, **_detected(row)}
        attributes = {name: shown.get(name) for name in ("issuer", *_ENDPOINTS)}
        if None in attributes.values():
            raise Undescribable(f"its authorization server {name_of(row)} doesn't show its endpoints")
        if (endpoint := shown.get("registration_endpoint")) is not None:
            attributes["registration_endpoint"] = endpoint
        grants = shown.get("grant_types", _GRANTS)
        block: Block = {"type": "external", **attributes, **_status(row)}
        if sorted(grants) != _GRANTS:
            block["grant_types"] = grants
        return self._definition(block, row, discovered)

    def _definition(self, block: Block, row: Observed, discovered: bool) -> str:
        """One definition for all rows that are alike, be it one that is in the configuration already."""
        for address, resource in self.configuration.resources.items():
            if resource.kind == "association" and not resource.discovered and not discovered:
                same = is_same(dict(resource.attributes), dict(row.attributes)) and resource.status is row.status
                if same and address.key is None:
                    return address.name
        for name, other in self.blocks["authorization_servers"].items():
            if is_same(other, block):
                return name
        host = urlsplit(str(block["issuer"])).hostname or "external"
        labels = host.split(".")
        name = self._name("authorization_servers", row, labels[-2] if len(labels) > 1 else host)
        self.blocks["authorization_servers"][name] = block
        return name

    def _client(self, seen: Observed, server: Address) -> None:
        row = seen.links.get("association")
        places = {a: o.id for a, o in self.objects.items() if a.kind == "association"}
        places |= {a: r.id for a, r in self.snapshot.records.items() if r.kind == "association"}
        place = next((a for a, identity in places.items() if a.parent == server and identity == row), None)
        if place is None or place.key is not None or server.key is not None:
            raise Undescribable("its authorization server has no block of its own")
        shown = str(seen.attributes.get("name", "client"))
        name = self._name("client_registrations", seen, shown)
        block: Block = {"authorization_server": place.name, "mcp_servers": [server.name]}
        if seen.attributes.get("method") == "dynamic":
            block["method"] = "dynamic"
        else:
            variable = re.sub(r"[^A-Za-z0-9]+", "_", f"{name}_client_secret").upper()
            block |= {**_given(seen, "client_id"), "client_secret": {"env": variable}}
        block |= _given(seen, "scopes")
        self.blocks["client_registrations"][name] = _named(block, name, shown)
        self.objects[server.child("client_registration", name)] = seen

    def _add(self, section: str, name: str, block: Block, seen: Observed) -> str:
        self.blocks[section][name] = block
        self.objects[Address.of(seen.kind, name)] = seen
        return name

    def _name(self, section: str, seen: Observed, shown: str) -> str:
        chosen = self.names.get(seen.id)
        word = chosen or re.sub(r"[^A-Za-z0-9_]+", "-", shown).strip("-").lower() or seen.kind
        word = word if re.match(r"[A-Za-z_]", word) else f"_{word}"
        taken = set(self.blocks[section]) | set(_names_in(section, self.configuration))
        numbers = (f"{word}-{number}" for number in range(2, 100_000))
        return word if word not in taken else next(name for name in numbers if name not in taken)

    def _address_of(self, kind: str, identity: str) -> Address | None:
        held: Mapping[Address, Observed | Record] = {**self.snapshot.records, **self.objects}
        return next((a for a, one in held.items() if one.kind == kind and one.id == identity), None)

    def _is_ours(self, seen: Observed) -> bool:
        parents = {r.id: a for a, r in self.snapshot.records.items() if r.kind == "mcp_server"}
        above = parents.get(seen.parent_id or "")
        recorded = any(
            r.kind == seen.kind and r.id == seen.id and (a.parent is None or a.parent == above)
            for a, r in self.snapshot.records.items()
        )
        return recorded or any(other is seen for other in self.objects.values())


_ORDER = {"authorization_server": 0, "mcp_server": 1, "client_registration": 2}


def left_alone(seen: Observed, reason: str) -> Diagnostic:
    return warning(
        "adopt.left-alone",
        f"{seen.kind} {seen.id} ({name_of(seen)}) is left alone: {reason}",
        f"If a block describes it already, add to the configuration: import: [{{to: ADDRESS, id: {seen.id}}}]. "
        "Otherwise change it in the live system, or describe it by hand with such an import block.",
    )


def proposal_text(blocks: Mapping[str, Mapping[str, Block]]) -> str:
    """The blocks as YAML, one attribute a line."""
    lines: list[str] = []
    for section in _SECTIONS:
        for index, (name, block) in enumerate(sorted(blocks.get(section, {}).items())):
            lines += [*([f"\n{section}:"] if not index else [""]), f"  {name}:"]
            for key, value in block.items():
                note = "  # put the secret there" if key == "client_secret" else ""
                lines += _attribute(key, value, note)
    return "\n".join(lines).lstrip("\n") + "\n"


def _attribute(key: str, value: Any, note: str) -> Iterator[str]:
    written = spelled(value)
    if isinstance(value, list) and len(written) > 90:
        yield f"    {key}:"
        yield from (f"      - {spelled(entry)}" for entry in value)
    else:
        yield f"    {key}: {written}{note}"


def _given(seen: Observed, *names: str) -> Block:
    return {name: seen.attributes[name] for name in names if name in seen.attributes}


def _status(seen: Observed) -> Block:
    if seen.status not in (State.ACTIVE, State.INACTIVE):
        raise Undescribable(f"nobody can want it, or {name_of(seen)}, to be {seen.status}")
    return {"status": "inactive"} if seen.status is State.INACTIVE else {}


def _named(block: Block, name: str, shown: str) -> Block:
    return block if name == shown else {**_first(block), "name": shown, **block}


def _first(block: Block) -> Block:
    """The key that says what the rest means stands in front."""
    return {key: block[key] for key in ("type", "authorization_server") if key in block}


def _scope(name: str, shown: Mapping[str, Any]) -> Any:
    told = {key: value for key, value in shown.items() if (key, value) != ("consent", "IMPLICIT")}
    return {"name": name, **told} if told else name


def _policy(shown: Mapping[str, Any] | None, scopes: list[str]) -> Block:
    if shown is None or not shown.get("clients") or not shown.get("grant_types") or not shown.get("scopes"):
        return {"ignore_changes": {"access_policy": _NO_POLICY}}
    usual = {
        "clients": ["ALL_CLIENTS"],
        "grant_types": [_JWT_BEARER],
        "scopes": scopes,
        "access_token_lifetime_minutes": 60,
    }
    told = {key: value for key, value in shown.items() if not is_same(value, usual[key])}
    return {"access_policy": told} if told else {}


def _detected(row: Observed) -> Block:
    detected = row.computed.get("detected")
    if not isinstance(detected, Mapping):
        return {}
    return {name: detected[shown] for name, shown in _DETECTED.items() if detected.get(shown)}


def _names_in(section: str, configuration: Configuration) -> Iterator[str]:
    for address in configuration.resources:
        last = address.segments[-1]
        if f"{last.word}s" == section:
            yield last.name
