"""Secrets are read late, from every source, and named only by their references."""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import keyring
import keyring.backend
import pytest

from reconciler.config.settings import Settings
from reconciler.model.diagnostic import Refused, exit_code
from reconciler.model.secret import Reference
from reconciler.secrets.command import PERMITTED
from reconciler.secrets.reader import SecretReader, VaultPlace, variables_of
from reconciler.wiring import Home

CANARY = "canary-5f1e"


def told(reference: Reference, read: SecretReader | None = None) -> str:
    """What the user is told; never the canary, and always as a failure to authenticate."""
    with pytest.raises(Refused) as refused:
        (read or SecretReader())(reference)
    (diagnostic,) = refused.value.diagnostics
    assert exit_code([diagnostic]) == 11
    assert CANARY not in f"{diagnostic!r} {refused.value!r} {refused.value.__cause__!r}"
    assert refused.value.__suppress_context__ or refused.value.__context__ is None
    return f"{diagnostic.summary}. {diagnostic.detail}"


def test_a_secret_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", "value\n")
    assert SecretReader()({"env": "CANARY"}).reveal() == "value"


@pytest.mark.parametrize(("written", "read"), [("v\n", "v"), ("v\r\n", "v"), ("v\n\n", "v\n"), (" v ", " v ")])
def test_a_secret_of_a_file_loses_one_newline(tmp_path: Path, written: str, read: str) -> None:
    (tmp_path / "key").write_bytes(written.encode())
    assert SecretReader(tmp_path)({"file": "key"}).reveal() == read
    assert SecretReader()({"file": str(tmp_path / "key")}).reveal() == read


def test_what_can_not_be_read_is_named_by_its_reference_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    monkeypatch.setenv("EMPTY", "\n")
    (tmp_path / "binary").write_bytes(CANARY.encode() + b"\xff")
    (tmp_path / "large").write_bytes(CANARY.encode() * 20_000)
    references = [{"env": "NOT_SET"}, {"env": "EMPTY"}, {"pigeon": "x"}, {"env": "A", "file": "B"}]
    references += [{"file": name} for name in ("missing", "binary", "large", ".")]
    for reference in references:
        assert ":".join(next(iter(reference.items()))) in told(reference, SecretReader(tmp_path))


class Ring(keyring.backend.KeyringBackend):
    priority: ClassVar[float] = 1  # type: ignore[assignment]
    held: ClassVar[dict[tuple[str, str], str]] = {}
    is_locked: ClassVar[bool] = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.is_locked:
            raise RuntimeError(f"locked, and quoting {CANARY}")
        return self.held.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.held[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        del self.held[service, username]


@pytest.fixture
def ring() -> Iterator[Ring]:
    before = keyring.get_keyring()
    keyring.set_keyring(Ring())
    yield Ring()
    keyring.set_keyring(before)


def test_a_secret_of_the_keyring(ring: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    keyring.set_password("acme/okta", "client", CANARY)
    assert SecretReader()({"keyring": "acme/okta/client"}).reveal() == CANARY
    assert "keyring set acme other" in told({"keyring": "acme/other"})
    monkeypatch.setattr(Ring, "is_locked", True)
    assert "the keyring failed (RuntimeError)" in told({"keyring": "acme/okta/client"})


def test_a_keyring_that_is_kept_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backend that nobody here wrote, chosen as a user chooses one."""
    before = keyring.get_keyring()
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyrings.alt.file.PlaintextKeyring")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    try:
        keyring.core.init_backend()
        keyring.set_password("acme", "client", CANARY)
        assert SecretReader()({"keyring": "acme/client"}).reveal() == CANARY
        assert "keyring set acme nobody" in told({"keyring": "acme/nobody"})
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
        keyring.core.init_backend()
        assert "this machine has no keyring" in told({"keyring": "acme/client"})
    finally:
        keyring.set_keyring(before)
    assert [path.name for path in tmp_path.rglob("*.cfg")] == ["keyring_pass.cfg"]


def test_without_the_library_a_keyring_secret_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert "reconciler[keyring]" in told({"keyring": "a/b"})


class Vault(BaseHTTPRequestHandler):
    """The key/value engine, version 2, of one secret; remembers what it was asked."""

    asked: ClassVar[list[tuple[str, dict[str, str]]]] = []
    answer: ClassVar[tuple[int, bytes]] = (200, b"")
    pause: ClassVar[float] = 0
    """Seconds before each byte."""

    def do_GET(self) -> None:
        self.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        status, data = self.answer
        self.send_response(status)
        self.send_header("location", "http://127.0.0.1:1/elsewhere")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        with suppress(ConnectionError):
            for piece in [data] if not self.pause else [data[n : n + 1] for n in range(len(data))]:
                time.sleep(self.pause)
                self.wfile.write(piece)

    def log_message(self, *args: Any) -> None:
        pass


def body(value: Any) -> bytes:
    return json.dumps({"data": {"data": value, "metadata": {"version": 3}}}).encode()


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Vault]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Vault)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("VAULT_ADDR", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.token")
    for name in ("VAULT_NAMESPACE", "VAULT_CACERT"):
        monkeypatch.delenv(name, raising=False)
    Vault.asked.clear()
    yield Vault
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_secret_of_a_vault(vault: type[Vault], monkeypatch: pytest.MonkeyPatch) -> None:
    vault.answer = (200, body({"client secret": CANARY}))
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    assert SecretReader()({"vault": "kv/okta/git hub#client secret"}).reveal() == CANARY
    ((path, headers),) = vault.asked
    assert path == "/v1/kv/data/okta/git%20hub"
    assert (headers["x-vault-token"], headers["x-vault-namespace"]) == ("hvs.token", "team")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((403, b'{"errors": ["canary-5f1e"]}'), "status 403. The token may not read it"),
        ((404, b""), "status 404. There is no such secret"),
        ((302, b""), "status 302. It sends its callers to another address"),
        ((200, body({"other": CANARY})), "no text under field"),
        ((200, body({"field": [CANARY]})), "no text under field"),
        ((200, body(None)), "no text under field"),
        ((200, CANARY.encode()), "no text under field"),
        ((200, b"[" * 5000), "no text under field"),
        ((200, b"x" * 400_000), "answer is longer than 256 KiB"),
    ],
)
def test_what_a_vault_does_not_give(vault: type[Vault], answer: tuple[int, bytes], words: str) -> None:
    vault.answer = answer
    assert words in told({"vault": "kv/path#field"})
    assert len(vault.asked) == 1


def test_a_vault_that_drips_is_given_up_at_the_deadline(vault: type[Vault], monkeypatch: pytest.MonkeyPatch) -> None:
    vault.answer = (200, body({"field": CANARY}))
    monkeypatch.setattr(vault, "pause", 0.1)
    monkeypatch.setattr("reconciler.secrets.vault._TIMEOUT", 0.4)
    began = time.monotonic()
    assert "doesn't answer" in told({"vault": "kv/path#field"})
    assert time.monotonic() - began < 2


def absent(version: int, deleted: str, destroyed: bool) -> bytes:
    about = {"version": version, "deletion_time": deleted, "destroyed": destroyed, "created_time": CANARY}
    return json.dumps({"data": {"data": None, "metadata": about}}).encode()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'{"errors": []}', "no such secret at that path"),
        (
            b'{"errors": ["no handler for route \\"kv/data/path\\". route entry not found."]}',
            "No engine is mounted at",
        ),
        (
            absent(3, "2026-11-01T10:00:00.123456789Z", False),
            "Its version 3 was deleted on 2026-11-01T10:00:00; `vault",
        ),
        (absent(2, "", True), "Its version 2 was destroyed for good"),
        (b'{"data": {"metadata": {"version": "x"}}}', "no such secret at that path"),
    ],
)
def test_why_a_vault_has_nothing_is_told(vault: type[Vault], data: bytes, words: str) -> None:
    """https://developer.hashicorp.com/vault/docs/secrets/kv/kv-v2/cookbook/delete-data"""
    vault.answer = (404, data)
    assert words in told({"vault": "kv/path#field"})


def test_an_older_version_of_a_secret_of_a_vault(vault: type[Vault]) -> None:
    vault.answer = (200, body({"field": CANARY}))
    assert SecretReader()({"vault": "kv/a/b?version=2#field"}).reveal() == CANARY
    assert vault.asked[0][0] == "/v1/kv/data/a/b?version=2"
    for odd in ("kv/a?version=#f", "kv/a?version=0#f", "kv/a?version=2&x=1#f", "kv/a?x#f", "kv/?version=1#f"):
        assert "doesn't look like" in told({"vault": odd})
    assert len(vault.asked) == 1


def test_what_is_said_of_a_vault_comes_before_the_environment(
    vault: type[Vault], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.answer = (200, body({"field": CANARY}))
    monkeypatch.setenv("OF_MY_OWN", "hvs.mine\n")
    place = VaultPlace(address=os.environ["VAULT_ADDR"], namespace="team", token={"env": "OF_MY_OWN"})
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    assert SecretReader(tmp_path, vault=place)({"vault": "kv/path#field"}).reveal() == CANARY
    assert (vault.asked[0][1]["x-vault-token"], vault.asked[0][1]["x-vault-namespace"]) == ("hvs.mine", "team")
    monkeypatch.delenv("OF_MY_OWN")
    assert "env:OF_MY_OWN" in told({"vault": "kv/path#field"}, SecretReader(tmp_path, vault=place))
    bundle = VaultPlace(address="https://127.0.0.1:1", ca_file="ca.pem")
    assert f"{tmp_path}/ca.pem can't be used" in told({"vault": "kv/path#field"}, SecretReader(tmp_path, vault=bundle))
    assert len(vault.asked) == 1


def test_the_vault_is_the_one_that_the_configuration_names(tmp_path: Path) -> None:
    said = {"address": "https://vault.example.com", "namespace": "team", "ca_file": "ca.pem", "token": {"env": "T"}}
    settings = Settings.model_validate({"secrets": {"vault": said}})
    place = VaultPlace("https://vault.example.com", "team", "ca.pem", {"env": "T"})
    assert Home(tmp_path, settings, {}).reader == SecretReader(tmp_path, vault=place)
    assert Home(tmp_path, Settings(), {}).reader == SecretReader(tmp_path)
    assert variables_of([settings.model_dump()]) == {"T"}, "no program sees it"


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"VAULT_ADDR": ""}, "VAULT_ADDR is not set"),
        ({"VAULT_ADDR": "vault.example.com"}, "is not an address"),
        ({"VAULT_ADDR": "https://[::1"}, "is not an address. It looks like https://"),
        ({"VAULT_ADDR": "https://vault:abc"}, "is not an address"),
        ({"VAULT_ADDR": "https://vault:99999"}, "is not an address"),
        ({"VAULT_ADDR": "https://vault..example.com"}, "is not an address"),
        ({"VAULT_ADDR": f"https://{'a' * 64}.example.com"}, "is not an address"),
        ({"VAULT_ADDR": "https://\u2488.example.com"}, "is not an address"),
        ({"VAULT_ADDR": "https://vault.exa\tmple.com"}, "is not an address"),
        ({"VAULT_ADDR": f"https://user:{CANARY}@127.0.0.1:1"}, "VAULT_ADDR carries a user name or password"),
        ({"VAULT_ADDR": f"https://user:{CANARY}@[::1"}, "is not an address"),
        ({"VAULT_ADDR": "http://vault.example.com"}, "is not encrypted"),
        ({"VAULT_ADDR": "http://127.0.0.1:1"}, "doesn't answer (ConnectError)"),
        ({"VAULT_TOKEN": " "}, "VAULT_TOKEN is not set"),
        ({"VAULT_TOKEN": "a\nb"}, "characters that no token has"),
        ({"VAULT_NAMESPACE": "tëam"}, "VAULT_NAMESPACE holds characters that no namespace has"),
        ({"VAULT_CACERT": "/nowhere/ca.pem"}, "/nowhere/ca.pem can't be used"),
    ],
)
def test_a_vault_that_can_not_be_asked(
    vault: type[Vault], monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], words: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert words in told({"vault": "kv/path#field"})
    assert vault.asked == []


def python(code: str) -> Reference:
    return {"command": [sys.executable, "-c", code]}


def test_a_program_is_started_only_if_the_environment_permits_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = python("open('trace', 'w'); print('value')")
    for permitted in (None, "", "op,pass", "python"):
        monkeypatch.delenv(PERMITTED, raising=False)
        if permitted is not None:
            monkeypatch.setenv(PERMITTED, permitted)
        assert f"{PERMITTED}={sys.executable}" in told(reference, SecretReader(tmp_path))
        assert not (tmp_path / "trace").exists()
    monkeypatch.setenv(PERMITTED, f"op, {sys.executable}")
    assert SecretReader(tmp_path)(reference).reveal() == "value"
    assert (tmp_path / "trace").exists()


def test_a_program_gets_no_shell_no_input_and_no_other_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PERMITTED, "*")
    monkeypatch.setenv("CANARY", CANARY)
    monkeypatch.setenv("KEPT", "kept")
    read = SecretReader(tmp_path, frozenset({"CANARY"}))
    code = "import os, sys; print(os.environ.get('CANARY'), os.environ['KEPT'], sys.stdin.read(), sys.argv[1])"
    shown = read({"command": [sys.executable, "-c", code, "$KEPT; `id`"]}).reveal()
    assert shown == "None kept  $KEPT; `id`"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (f"import sys; print('{CANARY}'); sys.exit('{CANARY}')", "failed with exit code 1"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "was ended by the signal SIGKILL"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 5)", "was ended by the signal 39"),
        ("pass", "is empty"),
        (f"import sys; sys.stdout.buffer.write(b'{CANARY}' + bytes([255]))", "is not UTF-8"),
        (f"print('{CANARY}' * 20000)", "is longer than 64 KiB"),
        (f"while True: print('{CANARY}')", "is longer than 64 KiB"),
    ],
)
def test_what_a_program_does_not_give(monkeypatch: pytest.MonkeyPatch, code: str, words: str) -> None:
    monkeypatch.setenv(PERMITTED, "*")
    with pytest.raises(Refused) as refused:
        SecretReader()(python(code))
    (diagnostic,) = refused.value.diagnostics
    assert words in diagnostic.summary


def test_a_program_that_is_not_there_or_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PERMITTED, "*")
    assert "can't be started. No such file" in told({"command": ["no-such-program-at-all"]})
    assert "can't be started" in told({"command": ["a\0b"]})
    monkeypatch.setattr("reconciler.secrets.command._TIMEOUT", 0.2)
    assert "took longer than 0.2 s" in told(python("import time; time.sleep(60)"))


def test_a_program_that_closes_its_output_and_goes_on_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PERMITTED, "*")
    monkeypatch.setattr("reconciler.secrets.command._TIMEOUT", 0.4)
    began = time.monotonic()
    assert "took longer than 0.4 s" in told(python("import os, time; os.close(1); time.sleep(60)"))
    child = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    assert "took longer than 0.4 s" in told(python(child)), "its children are ended with it"
    assert time.monotonic() - began < 10


def test_variables_that_hold_secrets_are_found_at_any_depth() -> None:
    values = [{"auth": {"token": {"env": "A"}}}, [{"x": [{"env": "B"}]}], {"file": "C"}, {"env": 3}, "env", None]
    assert variables_of(values) == {"A", "B"}
    assert variables_of([{"vault": "kv/path#field"}]) == {"VAULT_TOKEN"}


def test_what_no_bytes_can_be_made_of_is_no_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", os.fsdecode(CANARY.encode() + b"\xe9"))
    (tmp_path / "half.json").write_text(f'{{"field": "{CANARY}\\ud800"}}', "utf-8")
    for reference in ({"env": "CANARY"}, {"file": "half.json#field"}):
        assert "is not UTF-8 text" in told(reference, SecretReader(tmp_path))


def test_a_name_that_no_file_can_have_is_told(tmp_path: Path) -> None:
    assert "name too long" in told({"file": f"{'x' * 300}#field"}, SecretReader(tmp_path))
