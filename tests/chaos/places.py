"""Stores for runs that are killed: their servers are started once and outlive every run, and each has its own place."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

KINDS = ("file", "sqlite", "postgres", "object", "http")
_SHORT = "lease_seconds: 1"


@dataclass(frozen=True)
class Store:
    kind: str
    state: Callable[[str], str]
    """What the block `state` of a configuration says, for a place of that name."""
    kept: Callable[[str], bytes] = lambda _: b""
    """All that a server of it keeps for that place."""
    forget: Callable[[str], None] = lambda _: None

    @property
    def has_leases(self) -> bool:
        """Whether what a dead run locked stays so for thrice the request timeout."""
        return self.kind in ("sqlite", "postgres", "object")

    @property
    def stays_locked(self) -> bool:
        """Whether what a dead run locked stays so until somebody unlocks it."""
        return self.kind == "http"


@contextmanager
def store(kind: str) -> Iterator[Store]:
    match kind:
        case "postgres":
            yield _postgres()
        case "object":
            yield _bucket()
        case "http":
            with _http() as found:
                yield found
        case "sqlite":
            yield Store(kind, lambda _: f"sqlite: {{path: state.db}}, {_SHORT}")
        case _:
            yield Store(kind, lambda _: "file: {path: state}")


def _postgres() -> Store:
    import psycopg
    from psycopg.sql import SQL, Identifier

    from tests.conformance.servers import postgres_url

    url, schema = postgres_url()
    os.environ["CHAOS_POSTGRES"] = url

    def rows(name: str) -> bytes:
        with psycopg.connect(url) as connection:
            tables = connection.execute(
                "select tablename from pg_tables where schemaname = %s", [f"{schema}_{name}"]
            ).fetchall()
            found: list[Any] = []
            for (table,) in tables:
                where = Identifier(f"{schema}_{name}", table)
                found += connection.execute(SQL("select * from {}").format(where)).fetchall()
        return repr(found).encode()

    def drop(name: str) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL("drop schema if exists {} cascade").format(Identifier(f"{schema}_{name}")))

    def state(name: str) -> str:
        return f"postgres: {{url: {{env: CHAOS_POSTGRES}}, schema_name: {schema}_{name}}}, {_SHORT}"

    return Store("postgres", state, rows, drop)


def _bucket() -> Store:
    from moto.s3.models import s3_backends

    from tests.conformance.servers import bucket_settings

    settings = bucket_settings()
    bucket, _, prefix = settings.url.removeprefix("s3://").partition("/")
    options = ", ".join(f"{name}: {value!r}" for name, value in settings.options.items())
    # Whatever is given, it is let in.
    secrets = "access_key_id: {env: CHAOS_TOKEN}, secret_access_key: {env: CHAOS_SECRET}"

    def keys(name: str) -> dict[str, Any]:
        (backend,) = (b["aws"] for b in s3_backends.values() if bucket in b["aws"].buckets)
        there, found = backend.buckets[bucket].keys, {}
        for key in [key for key in list(there) if key.startswith(f"{prefix}/{name}/")]:
            # A run that goes on may remove one meanwhile.
            with suppress(KeyError):
                found[key] = there[key]
        return found

    def state(name: str) -> str:
        return f"object: {{url: '{settings.url}/{name}', options: {{{options}}}, secrets: {{{secrets}}}}}, {_SHORT}"

    def objects(name: str) -> bytes:
        return b"\n".join(key.encode() + b"\n" + found.value for key, found in keys(name).items())

    def remove(name: str) -> None:
        (backend,) = (b["aws"] for b in s3_backends.values() if bucket in b["aws"].buckets)
        for key in keys(name):
            backend.delete_object(bucket, key)

    return Store("object", state, objects, remove)


@contextmanager
def _http() -> Iterator[Store]:
    from tests.conformance.terraform_http import StateServer, serving

    server = StateServer()

    def forget(name: str) -> None:
        for kept in (server.states, server.locks):
            kept.pop(f"/{name}", None)

    with serving(server) as address:
        yield Store(
            "http",
            lambda name: f"http: {{address: '{address}/{name}'}}",
            lambda name: server.states.get(f"/{name}", b"") + repr(server.locks.get(f"/{name}")).encode(),
            forget,
        )
