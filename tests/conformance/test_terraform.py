"""Terraform itself, on the same server and in the same place: neither writes while the other holds the lock, nor takes
the other's state for its own.

Where there is no `terraform` these tests are skipped and say so; test_store_faults.py says the same to PostgreSQL in
Terraform's own statements, everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from reconciler.config.settings import HttpStoreSettings
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.stores.http import HttpMedium
from reconciler.stores.kept import KeptStore
from reconciler.stores.postgres import PostgresMedium
from tests.conformance.servers import postgres_url
from tests.conformance.store_laws import refusal, snapshot
from tests.conformance.terraform_http import StateServer, serving

TERRAFORM = shutil.which("terraform")
pytestmark = pytest.mark.skipif(TERRAFORM is None, reason="terraform is not there: it is NOT tried against our stores")
PATIENCE = 60


@dataclass
class Shared:
    """A place that both keep their state in. `raw`: what is there, whosever it is."""

    directory: Path
    backend: dict[str, Any]
    opened: Callable[[], KeptStore]
    raw: Callable[[], bytes]

    def terraform(self, *argv: str) -> subprocess.CompletedProcess[str]:
        with self.started(*argv) as run:
            out, _ = run.communicate(timeout=PATIENCE)
            return subprocess.CompletedProcess(argv, run.returncode, out)

    def started(self, *argv: str) -> subprocess.Popen[str]:
        assert TERRAFORM is not None
        left_out = ("PG", "TF_", "CI")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
        return subprocess.Popen(
            [TERRAFORM, *argv, "-no-color"],
            cwd=self.directory,
            env={**environment, "CHECKPOINT_DISABLE": "1", "TF_IN_AUTOMATION": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def init(self) -> None:
        """A resource that is made when the file `go` is there, and says by the file `waiting` that it is waited for."""
        script = "touch waiting; for i in $(seq 1200); do [ -e go ] && exit 0; sleep 0.05; done; exit 1"
        made = {"terraform_data": {"one": {"provisioner": [{"local-exec": {"command": script}}]}}}
        ((kind, settings),) = self.backend.items()
        document = {"terraform": {"backend": {kind: settings}}, "resource": made}
        (self.directory / "main.tf.json").write_text(json.dumps(document), "utf-8")
        done = self.terraform("init", "-input=false")
        assert done.returncode == 0, done.stdout

    @contextmanager
    def applying(self, *options: str) -> Iterator[None]:
        """Terraform is in the midst of an apply, which then ends well."""
        for name in ("waiting", "go"):
            (self.directory / name).unlink(missing_ok=True)
        with self.started("apply", "-auto-approve", "-input=false", *options) as run:
            try:
                deadline = time.monotonic() + PATIENCE
                while not (self.directory / "waiting").exists():
                    assert run.poll() is None and time.monotonic() < deadline, run.communicate()[0]
                    time.sleep(0.02)
                yield
            finally:
                (self.directory / "go").touch()
                told, _ = run.communicate(timeout=PATIENCE)
        assert run.returncode == 0, told


@pytest.fixture(params=["pg", "http"])
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    if request.param == "pg":
        url, schema = postgres_url()

        def row() -> bytes:
            with psycopg.connect(url) as connection:
                told = connection.execute(f"SELECT data FROM {schema}.states WHERE name = 'default'".encode())
                return str(told.fetchall()[0][0]).encode()

        backend = {"pg": {"conn_str": f"{url}?sslmode=disable", "schema_name": schema}}
        yield Shared(tmp_path, backend, lambda: KeptStore(PostgresMedium(Secret(url), schema, "default")), row)
    else:
        server = StateServer()
        with serving(server) as address:
            settings = HttpStoreSettings(address=f"{address}/state")
            lock = f"{address}/state/lock"
            told = {"http": {"address": f"{address}/state", "lock_address": lock, "unlock_address": lock}}

            def opened() -> KeptStore:
                return KeptStore(HttpMedium.at(settings, "default", lambda reference: Secret(reference["env"])))

            yield Shared(tmp_path, told, opened, lambda: server.states["/state"])


def test_an_apply_of_terraform_keeps_us_out_and_its_state_is_left_alone(shared: Shared) -> None:
    shared.init()
    with closing(shared.opened()) as store:
        for options in ([], ["-replace=terraform_data.one"]):
            with shared.applying(*options):
                with pytest.raises(Refused) as caught, store.lock("apply", 0):
                    pass
                (told,) = caught.value.diagnostics
                assert told.code == "lock.held"
                assert ("server process" if "pg" in shared.backend else "OperationTypeApply") in told.summary
        before = shared.raw()
        assert json.loads(before)["terraform_version"]
        assert refusal(store.read) == "state.foreign"
        assert refusal(lambda: store.write(snapshot(99))) == "state.foreign"
        assert shared.raw() == before
    again = shared.terraform("plan", "-detailed-exitcode", "-input=false")
    assert again.returncode == 0, again.stdout


def test_our_lock_keeps_terraform_out_and_our_state_is_left_alone(shared: Shared) -> None:
    with closing(shared.opened()) as store:
        shared.init()
        store.write(snapshot(1))
        with store.lock("apply", 0) as lease:
            refused = shared.terraform("apply", "-auto-approve", "-input=false")
            assert refused.returncode == 1
            assert "Error acquiring the state lock" in refused.stdout
            if "http" in shared.backend:
                assert lease.holder.id in refused.stdout and lease.holder.who in refused.stdout
            store.write(snapshot(2, "a"))
        before = shared.raw()
        for verb in ("init", "plan", "apply"):
            refused = shared.terraform(verb, "-input=false")
            assert (refused.returncode, "Unsupported state file format" in refused.stdout) == (1, True), refused.stdout
        assert shared.raw() == before
        assert store.read() == snapshot(2, "a")
        with store.lock("plan", 0):
            pass
