"""What a server of Terraform's HTTP protocol should not answer, and what it can't be asked with, is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest

from reconciler.config.settings import HttpStoreSettings
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.stores.http import HttpMedium
from reconciler.stores.http_document import Document
from reconciler.stores.lease import new_holder
from reconciler.stores.medium import Held
from tests.conformance.terraform_http import StateServer, serving

Opened = Callable[..., HttpMedium]


@pytest.fixture
def opened() -> Iterator[Opened]:
    """Opens a medium of those settings, whose references to secrets are all to `secret`; closes them all."""
    found: list[HttpMedium] = []

    def open_one(*, secret: str = "x", **settings: Any) -> HttpMedium:
        found.append(HttpMedium.at(HttpStoreSettings(**settings), "default", lambda reference: Secret(secret)))
        return found[-1]

    yield open_one
    for medium in found:
        medium.close()


def told(call: Callable[[], Any]) -> str:
    with pytest.raises(Refused) as refused:
        call()
    (diagnostic,) = refused.value.diagnostics
    return f"{diagnostic.code}: {diagnostic.summary}. {diagnostic.detail}"


class Garbling(BaseHTTPRequestHandler):
    """Answers everything with what is no gzip, and says that it is."""

    status: ClassVar[int] = 200

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(self.status)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"odd!")

    do_LOCK = do_UNLOCK = do_POST = do_GET

    def log_message(self, *args: Any) -> None:
        pass


def test_an_answer_that_is_not_encoded_as_it_says_is_told(opened: Opened) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Garbling)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        medium = opened(address=f"http://127.0.0.1:{server.server_port}/state")
        assert "state.foreign" in told(medium.load)
        assert "answers can't be read: it is not encoded as it says" in told(medium.load)
        assert "not encoded" in told(lambda: medium.acquire(new_holder("apply"), 30)), (
            "the lock was had, and given back"
        )
        Garbling.status = 423
        with pytest.raises(Held) as held:
            medium.acquire(new_holder("apply"), 30)
        assert held.value.holder is None
    finally:
        Garbling.status = 200
        server.shutdown()
        server.server_close()


def test_an_answer_without_end_is_cut_off(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.stores.http._LARGEST", 1024)
    with serving(StateServer(states={"/state": b" " * 1025})) as address:
        assert "it is longer than 1 KiB" in told(opened(address=f"{address}/state").load)


@pytest.mark.parametrize(
    "answer", [b"[" * 100_000, b'{"ID": ' + b"[" * 100_000, b"\xff"], ids=["deep", "deeper", "no text"]
)
def test_whoever_holds_a_lock_need_not_be_told(opened: Opened, answer: bytes) -> None:
    class Locked(StateServer):
        def _lock(self, *about: Any) -> tuple[int, bytes]:
            return 423, answer

    with serving(Locked()) as address, pytest.raises(Held) as held:
        opened(address=f"{address}/state").acquire(new_holder("apply"), 30)
    assert held.value.holder is None


@pytest.mark.parametrize(
    "damage",
    [
        {"state": 5},
        {"state": ["x"]},
        {"state": "\ud800"},
        {"journal": None},
        {"journal": {"a": 1}},
        {"fence": "1"},
        {"versions": [[1, None]]},
        {"versions": [["1", "x"]]},
        {"versions": 7},
        {"run": 1},
    ],
)
def test_a_document_of_other_types_is_told_to_be_foreign(opened: Opened, damage: dict[str, Any]) -> None:
    document = json.loads(Document(state="{}").encode())
    document["reconciler"].update(damage)
    with serving(StateServer(states={"/state": json.dumps(document).encode()})) as address:
        medium = opened(address=f"{address}/state")
        for read in (medium.load, medium.lines, medium.versions):
            assert "is not a state of reconciler" in told(read)


@pytest.mark.parametrize("value", ["cänary-5f1e", "canary-5f1e\nX-More: 1", "canary-5f1e\0"])
def test_a_secret_that_no_header_can_hold_is_named_by_its_reference(opened: Opened, value: str) -> None:
    said = told(
        lambda: opened(address="https://example.com/state", headers={"PRIVATE-TOKEN": {"env": "T"}}, secret=value)
    )
    assert said.startswith("auth.secret: The secret env:T holds characters that no header can")
    assert "5f1e" not in said


def test_what_is_no_name_of_a_header_is_told(opened: Opened) -> None:
    said = told(lambda: opened(address="https://example.com/state", headers={"a header": {"env": "T"}}))
    assert '"a header" is not the name of a header' in said


@pytest.mark.parametrize("address", ["https://a..b/state", f"https://{'a' * 70}.example/", "https://\u2488.example/"])
def test_an_address_that_nobody_can_have_is_told(opened: Opened, address: str) -> None:
    assert f"{address} is not the address of a server" in told(lambda: opened(address=address))
    assert "is not the address of a server" in told(
        lambda: opened(address="https://example.com/state", lock_address=address)
    )
