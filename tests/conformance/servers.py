"""Servers that stores are tested against, each started once: PostgreSQL, S3 as moto plays it, and Terraform's HTTP."""

from __future__ import annotations

import atexit
import logging
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from functools import cache
from itertools import count
from pathlib import Path

import psycopg
import pytest

from reconciler.config.settings import ObjectStoreSettings

_SCHEMAS = count(1)


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


@cache
def _s3() -> str:
    from moto.server import ThreadedMotoServer

    port = free_port()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    atexit.register(server.stop)
    return f"http://127.0.0.1:{port}"


def _stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    server.wait(30)


def _postgres_programs() -> Path | None:
    places = [Path(found).resolve().parent] if (found := shutil.which("initdb")) else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "postgres").exists() and (place / "initdb").exists()), None)
