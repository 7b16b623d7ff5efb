"""Stores for runs that are killed: their servers are started once and outlive every run, and each has its own place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

KINDS = ("file", "sqlite", "postgres", "object", "http")
_SHORT = "lease_seconds: 1"


@dataclass(frozen=True)
class Store:
    kind: str
    state: Callable[[str], str]
    """What the block `state` of a configuration says, for a place of that name."""
    lock: Callable[[str], str] = lambda _: ""
    """The id of the lock that a dead run left in that place and that never ends by itself; empty if there is none."""

    @property
    def is_waited_for(self) -> bool:
        """Whether the lease of a dead run has to come to its end."""
        return self.kind in ("sqlite", "postgres", "object")


@contextmanager
def store(kind: str) -> Iterator[Store]:
    match kind:
        case "postgres":
            yield Store(kind, _postgres())
        case "object":
            yield Store(kind, _bucket())
        case "http":
            with _http() as found:
                yield found
        case "sqlite":
            yield Store(kind, lambda _: f"sqlite: {{path: state.db}}, {_SHORT}")
        case _:
            yield Store(kind, lambda _: "file: {path: state}")


def _postgres() -> Callable[[str], str]:
    from tests.conformance.servers import postgres_url

    url, schema = postgres_url()
    os.environ["CHAOS_POSTGRES"] = url
    return lambda name: f"postgres: {{url: {{env: CHAOS_POSTGRES}}, schema_name: {schema}_{name}}}, {_SHORT}"


def _bucket() -> Callable[[str], str]:
    from tests.conformance.servers import bucket_settings

    settings = bucket_settings()
    options = ", ".join(f"{name}: {value!r}" for name, value in settings.options.items())
    # Whatever is given, it is let in.
    secrets = "access_key_id: {env: CHAOS_TOKEN}, secret_access_key: {env: CHAOS_SECRET}"

    def state(name: str) -> str:
        return f"object: {{url: '{settings.url}/{name}', options: {{{options}}}, secrets: {{{secrets}}}}}, {_SHORT}"

    return state


@contextmanager
def _http() -> Iterator[Store]:
    from tests.conformance.terraform_http import StateServer, serving

    server = StateServer()
    with serving(server) as address:
        yield Store(
            "http",
            lambda name: f"http: {{address: '{address}/{name}'}}",
            lambda name: str(server.locks.get(f"/{name}", {}).get("ID", "")),
        )
