"""Servers that stores are tested against, each started once: PostgreSQL, S3 as moto plays it, Azure as Azurite does."""

from __future__ import annotations

import atexit
import hmac
import logging
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.config.settings import ObjectStoreSettings
from tests import npm
from tests.conformance.terraform_http import StateServer, serving

_SCHEMAS = count(1)
_ACCOUNT = "devstoreaccount1"
_ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The emulator's own, which everybody knows."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def postgres_url() -> tuple[str, str]:
    """The URL of a real PostgreSQL, and a schema nobody used yet."""
    return _postgres(), f"s{os.getpid()}_{next(_SCHEMAS)}"


@cache
def _postgres() -> str:
    programs = _postgres_programs()
    if programs is None:
        if "CI" in os.environ:
            pytest.fail("PostgreSQL's programs are not installed: apt-get install postgresql")
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not installed: its store is NOT tested")
    home = Path(tempfile.mkdtemp(prefix="reconciler-postgres-", dir="/tmp"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    # It refuses to run as root.
    user = "nobody" if os.getuid() == 0 else None
    if user is not None:
        account = pwd.getpwnam(user)
        os.chown(home, account.pw_uid, account.pw_gid)
    data, port = home / "data", free_port()

    def run(program: str, *argv: str) -> list[str]:
        return [str(programs / program), *argv]

    subprocess.run(
        run("initdb", "-D", str(data), "-U", "tester", "-A", "trust", "--no-sync", "-E", "UTF8"),
        check=True, user=user, cwd=home, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )  # fmt: skip
    settings = [
        f"port={port}",
        "listen_addresses=127.0.0.1",
        f"unix_socket_directories={home}",
        "max_connections=60",
        "fsync=off",
    ]
    log = (home / "log").open("wb")
    server = subprocess.Popen(
        run("postgres", "-D", str(data), *(word for setting in settings for word in ("-c", setting))),
        user=user, cwd=home, stdout=log, stderr=log, env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
    )  # fmt: skip
    log.close()
    atexit.register(_stop, server)
    url = f"postgresql://tester@127.0.0.1:{port}/postgres"
    for _ in range(300):
        try:
            psycopg.connect(url, connect_timeout=2).close()
            return url
        except psycopg.OperationalError:
            time.sleep(0.1)
    raise AssertionError((home / "log").read_text("utf-8"))


def bucket_settings() -> ObjectStoreSettings:
    """A bucket of moto's S3 server that nobody used yet."""
    endpoint, name = _s3(), f"bucket-{os.getpid()}-{next(_SCHEMAS)}"
    with urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{name}", method="PUT")):
        pass
    return ObjectStoreSettings(
        url=f"s3://{name}/team/states",
        options={"region": "us-east-1", "endpoint": endpoint, "allow_http": "true"},
        secrets={"access_key_id": {"env": "tester"}, "secret_access_key": {"env": "secret"}},
    )


def azure_settings() -> ObjectStoreSettings:
    """A container of Azurite that nobody used yet."""
    endpoint, name = f"{_azurite()}/{_ACCOUNT}", f"container-{os.getpid()}-{next(_SCHEMAS)}"
    said = {"x-ms-date": formatdate(usegmt=True), "x-ms-version": "2021-08-06"}
    # https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key
    about = [*(f"{key}:{value}" for key, value in said.items()), f"/{_ACCOUNT}/{_ACCOUNT}/{name}", "restype:container"]
    signed = hmac.digest(b64decode(_ACCOUNT_KEY), ("PUT" + "\n" * 12 + "\n".join(about)).encode(), "sha256")
    headers = {**said, "Authorization": f"SharedKey {_ACCOUNT}:{b64encode(signed).decode()}", "Content-Length": "0"}
    request = urllib.request.Request(f"{endpoint}/{name}?restype=container", method="PUT", headers=headers)
    with urllib.request.urlopen(request):
        pass
    return ObjectStoreSettings(
        url=f"az://{name}/team/states",
        options={"account_name": _ACCOUNT, "endpoint": endpoint, "allow_http": "true"},
        secrets={"account_key": {"env": _ACCOUNT_KEY}},
    )


@cache
def _azurite() -> str:
    program = npm.node_modules(Path(__file__).resolve().parent) / "azurite" / "dist" / "src" / "blob" / "main.js"
    home = Path(tempfile.mkdtemp(prefix="reconciler-azurite-", dir="/tmp"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    options = ["--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--extentMemoryLimit", "256"]
    quiet = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    log = home / "log"
    with log.open("wb") as said:
        server = subprocess.Popen(["node", str(program), *options, *quiet], cwd=home, stdout=said, stderr=said)
    atexit.register(_stop, server)
    for _ in range(300):
        if (found := log.read_text("utf-8").rpartition("successfully listens on ")[2]).startswith("http://127."):
            return found.split()[0]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise AssertionError(log.read_text("utf-8"))


@cache
def _s3() -> str:
    from moto.server import ThreadedMotoServer

    port = free_port()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    atexit.register(server.stop)
    return f"http://127.0.0.1:{port}"


STORES = ("file", "sqlite", "postgres", "object", "azure", "http")


@contextmanager
def store_settings(store: str) -> Iterator[dict[str, Any]]:
    """What the configuration says of a store, in a place that nobody used yet. A reference to a secret in it is
    {"env": the secret}."""
    match store:
        case "file":
            yield {"file": {"path": "state"}}
        case "sqlite":
            yield {"sqlite": {"path": "state.db"}}
        case "postgres":
            url, schema = postgres_url()
            yield {"postgres": {"url": {"env": url}, "schema_name": schema}}
        case "object":
            yield {"object": bucket_settings().model_dump()}
        case "azure":
            yield {"object": azure_settings().model_dump()}
        case "http":
            with serving(StateServer()) as address:
                yield {"http": {"address": f"{address}/state"}}


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(30)


def _postgres_programs() -> Path | None:
    places = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists() and (place / "initdb").exists()), None)
