"""A bucket that can't be opened or reached: the cause is told in words, and nothing is quoted that may be secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore

from reconciler.config.settings import ObjectStoreSettings
from reconciler.model.diagnostic import Refused
from reconciler.model.secret import Secret
from reconciler.stores.bucket import open_bucket, place_of
from reconciler.stores.object import ObjectMedium
from reconciler.stores.object_head import Head

CANARY = "canary-5f1e"
CREDENTIALS = {"access_key_id": {"env": CANARY}, "secret_access_key": {"env": CANARY}}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reconciler.stores.object._PAUSE", 0.01)


def told(url: str = "s3://bucket/states", secrets: Any = CREDENTIALS, **options: str) -> str:
    """What the user is told who wants to read the state; never the canary."""
    settings = ObjectStoreSettings(url=url, options={"region": "us-east-1", **options}, secrets=secrets)
    with pytest.raises(Refused) as refused:
        bucket = open_bucket(settings, lambda reference: Secret(reference["env"]))
        ObjectMedium(bucket, "default", place_of(settings)).load()
    (diagnostic,) = refused.value.diagnostics
    assert CANARY not in f"{diagnostic!r}"
    assert diagnostic.detail
    return diagnostic.summary


@pytest.mark.parametrize(
    "endpoint",
    [
        "not a url",
        "127.0.0.1:9000",
        "ftp://127.0.0.1",
        "https://[::1",
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        f"http://user:{CANARY}@127.0.0.1:1",
        f"http://127.0.0.1:1?token={CANARY}",
    ],
)
def test_an_endpoint_that_is_no_address_is_told(endpoint: str) -> None:
    words = " under state.object is not the address of a server"
    assert told(endpoint=endpoint, allow_http="true") == f"The endpoint{words}"
    assert told(AWS_ENDPOINT_URL=endpoint, allow_http="true") == f"The AWS_ENDPOINT_URL{words}"
    assert told(secrets={**CREDENTIALS, "endpoint": {"env": endpoint}}) == f"The endpoint{words}"


def test_a_value_that_no_header_can_hold_is_told_by_its_name() -> None:
    assert told(region="us east") == "The region under state.object holds characters that none has"
    secrets = {**CREDENTIALS, "access_key_id": {"env": f"{CANARY}\n"}}
    assert told(secrets=secrets) == "The access_key_id under state.object holds characters that none has"


@pytest.mark.parametrize("url", [f"s3://user:{CANARY}@bucket", f"https://a.blob.core.windows.net/c?sig={CANARY}"])
def test_a_secret_in_the_url_is_refused_and_not_quoted(url: str) -> None:
    assert told(url) == "state.object.url is not that of a bucket alone"


@pytest.mark.parametrize("url", ["nonsense", "s3://", "gopher://bucket"])
def test_a_url_of_no_bucket_is_told(url: str) -> None:
    assert told(url) == f"The bucket {url} can't be opened: its url is none of S3, Google Cloud Storage or Azure"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://127.0.0.1:1", "nothing listens there; the connection was refused"),
        ("https://127.0.0.1:1", "nothing listens there; the connection was refused"),
        ("https://a..b", "no server can have that name"),
    ],
)
def test_why_a_bucket_can_not_be_reached_is_told(endpoint: str, words: str) -> None:
    place = f"s3://bucket/states at {endpoint}, workspace default"
    assert told(endpoint=endpoint, allow_http="true") == f"{place} can't be read: {words}"


def test_a_bucket_without_encryption_wants_an_option() -> None:
    assert 'wants the option allow_http: "true"' in told(endpoint="http://127.0.0.1:1")


class Refusing(BaseHTTPRequestHandler):
    status = 500

    def do_GET(self) -> None:
        data = f"<Error><Code>Odd</Code><Message>{CANARY} kind: ConnectionRefused</Message></Error>".encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: Any) -> None:
        pass


@pytest.fixture
def refusing() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (500, "it answers with the status 500"),
        (400, "it answers with the status 400"),
        (301, "it refers to another place; the region may be another"),
        (401, "the credentials are not accepted"),
        (403, "the credentials don't permit it"),
    ],
)
def test_what_a_bucket_answers_is_told_in_words(
    refusing: str, monkeypatch: pytest.MonkeyPatch, status: int, words: str
) -> None:
    monkeypatch.setattr(Refusing, "status", status)
    assert told(endpoint=refusing, allow_http="true").endswith(f"can't be read: {words}")


@pytest.mark.parametrize(
    "damage",
    [
        {"fence": "1"},
        {"holder": []},
        {"ttl": None},
        {"renewed": 1},
        {"state": 5},
        {"journal": None},
        {"versions": [["1", "x"]]},
        {"versions": [[1, None]]},
        {"versions": {}},
        {"more": 1},
    ],
)
def test_a_head_of_other_types_is_damaged(damage: dict[str, Any]) -> None:
    bucket = MemoryStore()
    obstore.put(bucket, "default/head.json", json.dumps({**json.loads(Head().encode()), **damage}).encode())
    medium = ObjectMedium(bucket, "default")
    for read in (medium.load, medium.lines, medium.versions):
        with pytest.raises(Refused, match=r"head\.json isn't what was written"):
            read()
