"""Laws every kind obeys, whatever it is a kind of."""

from __future__ import annotations

import dataclasses
from collections import deque
from functools import cache
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter

from reconciler.kinds import association, authorization_server, client_registration, kinds, mcp_server, sections
from reconciler.model.diagnostic import Diagnostic, Refused
from reconciler.model.kind import Block, Declarations
from reconciler.model.lifecycle import Lifecycle, Sort, State, Transition
from reconciler.model.resource import NeedSort, Resource

PENDING, INACTIVE, ACTIVE, INVALID, DELETED = State

LIFECYCLES = {
    "mcp_server": mcp_server.LIFECYCLE,
    "association": association.DECLARED,
    "association, discovered": association.DISCOVERED,
    "authorization_server": authorization_server.LIFECYCLE,
    "client_registration": client_registration.LIFECYCLE,
}

DECLARED: dict[str, dict[str, Any]] = {
    "authorization_servers": {
        "todo": {"type": "okta", "audiences": ["https://todo.example.com/mcp"], "scopes": ["todo.read", "todo.write"]},
        "entra": {
            "type": "external",
            "issuer": "https://login.example.com",
            "authorization_endpoint": "https://login.example.com/authorize",
            "token_endpoint": "https://login.example.com/token",
            "registration_endpoint": "https://login.example.com/register",
        },
    },
    "client_registrations": {
        "by-hand": {
            "authorization_server": "entra",
            "mcp_servers": ["mail"],
            "client_id": "abc",
            "client_secret": {"env": "SECRET"},
            "client_secret_version": 2,
            "scopes": ["b", "a"],
        },
        "by-itself": {"authorization_server": "entra", "method": "dynamic", "mcp_servers": ["calendar"]},
        "by-us": {
            "authorization_server": "entra",
            "method": "dynamic",
            "registrar": "tool",
            "credentials_file": "mail.json",
            "mcp_servers": ["calendar"],
        },
    },
    "mcp_servers": {
        "todo": {"resource_url": "https://todo.example.com/mcp", "authorization_servers": ["todo"]},
        "mail": {
            "resource_url": "https://mail.example.com/mcp",
            "display_name": "Mail",
            "authorization_servers": ["entra", "todo"],
            "protect": True,
        },
        "calendar": {
            "resource_url": "https://calendar.example.com/mcp",
            "registration": "discovered",
            "authorization_servers": ["entra"],
        },
    },
}


def declarations(written: dict[str, dict[str, Any]]) -> Declarations:
    return {
        section: {
            name: Block(name, TypeAdapter(kind.spec).validate_python(body), lambda *path: None)
            for name, body in written.get(section, {}).items()
        }
        for section, kind in sections().items()
    }


def derive(written: dict[str, dict[str, Any]]) -> list[Resource | Diagnostic]:
    declared = declarations(written)
    return [found for kind in kinds().values() for found in kind.derive(declared)]


@cache
def resources() -> dict[str, Resource]:
    found = derive(DECLARED)
    assert [one for one in found if isinstance(one, Diagnostic)] == []
    return {one.address: one for one in found if isinstance(one, Resource)}


def rows(lifecycle: Lifecycle) -> set[tuple[State | None, str, State]]:
    return {(t.source, t.event, t.target) for t in lifecycle.transitions}


def steps_to(lifecycle: Lifecycle, source: State | None, target: State) -> int | None:
    """How many commanded or awaited transitions lead there at least, counted independently of `Lifecycle.path`."""
    reached: dict[State | None, int] = {source: 0}
    queue: deque[State | None] = deque(reached)
    while queue:
        at = queue.popleft()
        for transition in lifecycle.transitions:
            if transition.source is at and transition.sort is not Sort.OBSERVED and transition.target not in reached:
                reached[transition.target] = reached[at] + 1
                queue.append(transition.target)
    return reached.get(target)


@pytest.mark.parametrize(
    ("lifecycle", "runtime"), [(mcp_server.LIFECYCLE, "fail_at_runtime"), (association.DECLARED, "fail_configuration")]
)
def test_servers_and_associations_follow_oktas_documented_lifecycle(lifecycle: Lifecycle, runtime: str) -> None:
    assert rows(lifecycle) == {
        (None, "create", PENDING),
        (PENDING, "register", INACTIVE),
        (PENDING, "fail_validation", INVALID),
        (INACTIVE, "fail_validation", INVALID),
        (PENDING, "delete", DELETED),
        (INACTIVE, "activate", ACTIVE),
        (INACTIVE, "delete", DELETED),
        (ACTIVE, "deactivate", INACTIVE),
        (ACTIVE, runtime, INVALID),
        (INVALID, "revalidate", INACTIVE),
        (INVALID, "delete", DELETED),
    }
    commanded = {t.event for t in lifecycle.transitions if t.sort is Sort.COMMANDED}
    assert commanded == {"create", "activate", "deactivate", "revalidate", "delete"}


@pytest.mark.parametrize(
    ("source", "target", "events"),
    [
        (None, ACTIVE, ["create", "register", "activate"]),
        (None, INACTIVE, ["create", "register"]),
        (ACTIVE, DELETED, ["deactivate", "delete"]),
        (INVALID, ACTIVE, ["revalidate", "activate"]),
        (INVALID, DELETED, ["delete"]),
        (PENDING, DELETED, ["delete"]),
        (ACTIVE, ACTIVE, []),
    ],
)
def test_the_shortest_ways_of_an_mcp_server(source: State | None, target: State, events: list[str]) -> None:
    for lifecycle in (mcp_server.LIFECYCLE, association.DECLARED):
        assert [t.event for t in lifecycle.path(source, target)] == events


@pytest.mark.parametrize("name", LIFECYCLES)
class TestEveryLifecycle:
    def test_an_event_leads_from_a_state_to_one_state_only(self, name: str) -> None:
        pairs = [(t.source, t.event) for t in LIFECYCLES[name].transitions]
        assert len(pairs) == len(set(pairs))

    def test_nothing_comes_back_from_deletion(self, name: str) -> None:
        assert not [t for t in LIFECYCLES[name].transitions if t.source is DELETED]

    def test_whatever_is_there_can_be_brought_to_active_and_unmade(self, name: str) -> None:
        lifecycle = LIFECYCLES[name]
        for state in [None, *(lifecycle.states - {DELETED})]:
            assert steps_to(lifecycle, state, ACTIVE) is not None, state
        for state in lifecycle.states - {DELETED}:
            assert steps_to(lifecycle, state, DELETED) is not None, state

    def test_a_path_is_unbroken_shortest_and_counts_on_nobodys_accident(self, name: str) -> None:
        lifecycle = LIFECYCLES[name]
        for source in [None, *lifecycle.states]:
            for target in lifecycle.states:
                least = steps_to(lifecycle, source, target)
                if least is None:
                    with pytest.raises(Refused, match="There is no way"):
                        lifecycle.path(source, target)
                    continue
                path = lifecycle.path(source, target)
                assert len(path) == least
                assert all(t in lifecycle.transitions and t.sort is not Sort.OBSERVED for t in path)
                assert all(one.target is other.source for one, other in pairwise(path))
                if path:
                    assert (path[0].source, path[-1].target) == (source, target)

    def test_find_knows_the_table_and_nothing_else(self, name: str) -> None:
        lifecycle = LIFECYCLES[name]
        for transition in lifecycle.transitions:
            assert lifecycle.find(transition.source, transition.event) is transition
        assert lifecycle.find(DELETED, "create") is None
        assert lifecycle.find(None, "no such event") is None

    def test_an_active_object_is_never_deleted_nor_an_invalid_one_activated_in_one_go(self, name: str) -> None:
        if name in ("mcp_server", "association", "authorization_server"):
            assert not {(t.source, t.target) for t in LIFECYCLES[name].transitions} & {
                (ACTIVE, DELETED),
                (INVALID, ACTIVE),
            }


def test_what_is_discovered_is_never_commanded() -> None:
    assert {t.sort for t in association.DISCOVERED.transitions} == {Sort.AWAITED, Sort.OBSERVED}


def test_a_lifecycle_that_leads_nowhere_says_so() -> None:
    stuck = Lifecycle("a thing", [Transition(None, "create", PENDING)])
    with pytest.raises(Refused) as refused:
        stuck.path(PENDING, ACTIVE)
    assert refused.value.diagnostics[0].code == "lifecycle.no-path"
    assert "from PENDING to ACTIVE for a thing" in str(refused.value)


@pytest.mark.parametrize("name", sorted(kinds()))
class TestEveryKind:
    def test_is_found_in_the_file_of_its_name(self, name: str) -> None:
        assert kinds()[name].derive.__module__ == f"reconciler.kinds.{name}"

    def test_derives_resources_of_its_own_addresses(self, name: str) -> None:
        declared = declarations(DECLARED)
        own = list(kinds()[name].derive(declared))
        assert own
        for resource in own:
            assert isinstance(resource, Resource)
            assert resource.kind == name == resource.address.kind
            assert resource.address == resource.address.parse(resource.address)

    def test_needs_and_refers_to_nothing_that_is_not_derived(self, name: str) -> None:
        for resource in resources().values():
            if resource.kind == name:
                assert {need.target for need in resource.needs} <= resources().keys()
                assert set(resource.refs.values()) <= resources().keys()
                assert resource.address not in {need.target for need in resource.needs}

    def test_needs_what_it_refers_to_and_what_it_is_nested_in(self, name: str) -> None:
        for resource in resources().values():
            if resource.kind == name:
                needed = {need.target for need in resource.needs if need.sort is NeedSort.EXISTS}
                parent = resource.address.parent
                assert needed >= {*resource.refs.values(), *([parent] if parent else [])}

    def test_has_a_lifecycle_that_reaches_the_desired_status(self, name: str) -> None:
        for resource in resources().values():
            if resource.kind == name:
                assert kinds()[name].lifecycle(resource.attributes).path(None, resource.status)

    def test_special_attributes_are_attributes(self, name: str) -> None:
        kind = kinds()[name]
        managed = {key for resource in resources().values() if resource.kind == name for key in resource.attributes}
        assert kind.immutable <= managed
        assert kind.write_only <= managed

    def test_every_object_is_recognisable_without_its_id(self, name: str) -> None:
        keys = set()
        for resource in resources().values():
            if resource.kind == name:
                links = {role: f"id of {address}" for role, address in resource.refs.items()}
                key = kinds()[name].key_of(resource.attributes, links)
                assert key is not None
                assert kinds()[name].key_of({}, {}) is None
                keys.add((resource.address.parent, key))
        assert len(keys) == sum(resource.kind == name for resource in resources().values())

    def test_does_not_depend_on_the_order_things_are_written_in(self, name: str) -> None:
        backwards = {section: dict(reversed(blocks.items())) for section, blocks in reversed(DECLARED.items())}
        again = {one.address: one for one in derive(backwards) if isinstance(one, Resource)}
        assert again.keys() == resources().keys()
        for address, resource in resources().items():
            assert sorted(again[address].needs) == sorted(resource.needs)
            assert dataclasses.replace(again[address], needs=()) == dataclasses.replace(resource, needs=())


@pytest.mark.parametrize("section", sorted(sections()))
class TestEverySection:
    def test_refers_only_to_sections_that_exist(self, section: str) -> None:
        kind = sections()[section]
        assert {reference.section for reference in kind.references} <= sections().keys()
        schema = TypeAdapter(kind.spec).json_schema()
        named = {key for body in [schema, *schema.get("$defs", {}).values()] for key in body.get("properties", {})}
        assert {reference.field for reference in kind.references} <= named

    def test_documents_every_key(self, section: str) -> None:
        schema = TypeAdapter(sections()[section].spec).json_schema()
        for title, body in {"": schema, **schema.get("$defs", {})}.items():
            if "oneOf" in body:
                continue
            assert body.get("description"), title
            for key, value in body["properties"].items():
                told = value.get("description") or any(one.get("description") for one in value.get("anyOf", ()))
                assert told or "const" in value, f"{title} {key}"

    def test_refuses_what_it_does_not_know(self, section: str) -> None:
        for body in DECLARED[section].values():
            with pytest.raises(ValueError, match="colour"):
                TypeAdapter(sections()[section].spec).validate_python({**body, "colour": "red"})


def test_an_omitted_attribute_is_not_managed() -> None:
    assert "display_name" not in resources()["mcp_server.todo"].attributes
    assert resources()["mcp_server.mail"].attributes["display_name"] == "Mail"


def test_the_associations_of_a_discovered_server_are_expectations() -> None:
    found = resources()["mcp_server.calendar/authorization_server.entra"]
    assert found.discovered
    assert found.attributes == {"type": "EXTERNAL", "issuer": "https://login.example.com"}
    assert kinds()["association"].lifecycle(found.attributes) is association.DISCOVERED


def test_a_registration_exists_once_for_each_server_it_is_for() -> None:
    shared = {**DECLARED, "client_registrations": {"all": {"authorization_server": "entra", "method": "dynamic"}}}
    found = [one.address for one in derive(shared) if isinstance(one, Resource) and one.kind == "client_registration"]
    assert found == ["mcp_server.mail/client_registration.all", "mcp_server.calendar/client_registration.all"]


def test_a_server_is_ready_only_after_its_associations_and_its_clients() -> None:
    ready = {need.target for need in resources()["mcp_server.mail"].needs if need.sort is NeedSort.READY}
    assert ready == {
        "mcp_server.mail/authorization_server.entra",
        "mcp_server.mail/authorization_server.todo",
        "mcp_server.mail/client_registration.by-hand",
    }


EXTERNAL = DECLARED["authorization_servers"]["entra"]
SERVER = {"resource_url": "https://a.example.com/mcp"}
MISUSES: dict[str, dict[str, dict[str, Any]]] = {
    "config.no-authorization-server": {"mcp_servers": {"a": SERVER}},
    "config.not-connectable": {
        "authorization_servers": {"entra": EXTERNAL},
        "mcp_servers": {"a": {**SERVER, "authorization_servers": ["entra"]}},
    },
    "config.discovered-okta": {
        "authorization_servers": {"todo": DECLARED["authorization_servers"]["todo"]},
        "mcp_servers": {"a": {**SERVER, "registration": "discovered", "authorization_servers": ["todo"]}},
    },
    "config.registration-of-okta": {
        "authorization_servers": {"todo": DECLARED["authorization_servers"]["todo"]},
        "client_registrations": {"c": {"authorization_server": "todo", "method": "dynamic"}},
    },
    "config.no-registration-endpoint": {
        "authorization_servers": {"entra": {k: v for k, v in EXTERNAL.items() if k != "registration_endpoint"}},
        "client_registrations": {"c": {"authorization_server": "entra", "method": "dynamic"}},
    },
    "config.missing-key": {
        "authorization_servers": {"entra": EXTERNAL},
        "client_registrations": {"c": {"authorization_server": "entra", "client_id": "abc"}},
    },
    "config.dynamic-credentials": {
        "authorization_servers": {"entra": EXTERNAL},
        "client_registrations": {"c": {"authorization_server": "entra", "method": "dynamic", "client_id": "abc"}},
    },
    "config.not-attached": {
        "authorization_servers": {"entra": EXTERNAL, "todo": DECLARED["authorization_servers"]["todo"]},
        "client_registrations": {"c": {"authorization_server": "entra", "method": "dynamic", "mcp_servers": ["a"]}},
        "mcp_servers": {"a": {**SERVER, "authorization_servers": ["todo"]}},
    },
}


@pytest.mark.parametrize("code", MISUSES)
def test_what_can_not_work_is_refused_before_it_is_planned(code: str) -> None:
    found = [one for one in derive(MISUSES[code]) if isinstance(one, Diagnostic)]
    assert [one.code for one in found] == [code]
    assert found[0].is_error
    assert found[0].address
    assert found[0].detail.endswith(".")


def test_inactive_on_purpose_needs_no_client() -> None:
    idle = {
        "authorization_servers": {"entra": EXTERNAL},
        "mcp_servers": {"a": {**SERVER, "authorization_servers": ["entra"], "status": "inactive"}},
    }
    assert all(isinstance(one, Resource) for one in derive(idle))


def test_the_access_policy_follows_the_servers_own_scopes() -> None:
    assert resources()["authorization_server.todo"].attributes["access_policy"] == {
        "clients": ["ALL_CLIENTS"],
        "grant_types": [authorization_server.JWT_BEARER],
        "scopes": ["todo.read", "todo.write"],
        "access_token_lifetime_minutes": 60,
    }
    scopes: list[Any] = ["b", authorization_server.ScopeSpec(name="a", description="first")]
    assert authorization_server.scope_attributes(scopes) == {"a": {"description": "first"}, "b": {}}


def test_serves_only_the_servers_that_use_the_authorization_server() -> None:
    spec = client_registration.ClientRegistrationSpec(authorization_server="entra", method="dynamic")
    using = SimpleNamespace(name="a", spec=SimpleNamespace(authorization_servers=["entra"]))
    other = SimpleNamespace(name="b", spec=SimpleNamespace(authorization_servers=["todo"]))
    assert spec.serves(using)  # type: ignore[arg-type]
    assert not spec.serves(other)  # type: ignore[arg-type]
