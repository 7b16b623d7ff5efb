"""A server of Terraform's HTTP protocol for state; as GitLab plays it, if wanted; and unreliable, if wanted."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

SEVEN = {"ID", "Operation", "Info", "Who", "Version", "Created", "Path"}


@dataclass
class StateServer:
    """`drop` loses the answers to that many of the next requests of a method, after (or before) carrying them out;
    `fail` carries them out and answers 500; `drip` does, too, and sends the answer byte by byte. `is_deaf`: it says yes
    to unlocking and does nothing.

    GitLab's own rules: POST and DELETE on /lock, all seven keys of LockInfo, 409, a number for every version, Basic
    authentication, 204 for a state that isn't there.
    """

    is_gitlab: bool = False
    is_deaf: bool = False
    states: dict[str, bytes] = field(default_factory=dict)
    locks: dict[str, dict[str, Any]] = field(default_factory=dict)
    serials: set[tuple[str, int]] = field(default_factory=set)
    drop: dict[str, int] = field(default_factory=dict)
    drop_before: dict[str, int] = field(default_factory=dict)
    fail: dict[str, int] = field(default_factory=dict)
    drip: dict[str, int] = field(default_factory=dict)
    mutex: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, method: str, target: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(target)
        if self.is_gitlab and headers.get("Authorization") != "Basic " + base64.b64encode(b"me:gitlab-token").decode():
            return 401, b""
        with self.mutex:
            if parts.path.endswith("/lock"):
                return self._lock(method, parts.path.removesuffix("/lock"), json.loads(body))
            if method == "GET":
                data = self.states.get(parts.path)
                return (200, data) if data is not None else (204 if self.is_gitlab else 404, b"")
            if method == "POST":
                return self._write(parts.path, parse_qs(parts.query).get("ID", [""])[0], headers, body)
        return 405, b""

    def _lock(self, method: str, path: str, info: dict[str, Any]) -> tuple[int, bytes]:
        lock, unlock = ("POST", "DELETE") if self.is_gitlab else ("LOCK", "UNLOCK")
        if self.is_gitlab and not info.keys() >= SEVEN:
            return 400, b""
        held = self.locks.get(path)
        if method == lock:
            if held is not None:
                return 409 if self.is_gitlab else 423, json.dumps(held).encode()
            self.locks[path] = info
            return 200, b""
        if method == unlock:
            if held is not None and held["ID"] != info["ID"]:
                return 409, json.dumps(held).encode()
            if self.is_deaf:
                return 200, b""
            self.locks.pop(path, None)
            return 200, b""
        return 405, b""

    def _write(self, path: str, lock_id: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        held = self.locks.get(path)
        if held is not None and held["ID"] != lock_id:
            return 409 if self.is_gitlab else 423, json.dumps(held).encode()
        if headers["Content-MD5"] != base64.b64encode(hashlib.md5(body).digest()).decode():
            return 400, b""
        document = json.loads(body)
        assert isinstance(document["lineage"], str)
        if self.is_gitlab:
            if not isinstance(document.get("serial"), int):
                return 422, b"No serial in payload"
            if (path, document["serial"]) in self.serials:
                return 422, b"That version is there"
            self.serials.add((path, document["serial"]))
        self.states[path] = body
        return 200, b""


class Dripping(io.BufferedIOBase):
    """What is written to it takes 0.1 s for each byte."""

    def __init__(self, to: io.BufferedIOBase) -> None:
        self._to = to

    def write(self, data: Any) -> int:
        for byte in bytes(data):
            time.sleep(0.1)
            self._to.write(bytes([byte]))
        return len(data)


@contextmanager
def serving(state: StateServer) -> Iterator[str]:
    """The address of a running server."""

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle(self) -> None:
            # A client may be killed at any moment.
            with suppress(ConnectionError):
                super().handle()

        def _answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            body = self.rfile.read(length)
            # Of a client that was killed, half a request may arrive.
            if len(body) < length or _take(state.drop_before, self.command):
                self.close_connection = True
                return
            status, data = state.answer(self.command, self.path, self.headers, body)
            if _take(state.drop, self.command):
                self.close_connection = True
                return
            if _take(state.fail, self.command):
                status, data = 500, b"it was done, and then something else went wrong"
            if _take(state.drip, self.command):
                self.wfile = Dripping(self.wfile)
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if status != 204:
                self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = do_LOCK = do_UNLOCK = _answer

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _take(left: dict[str, int], method: str) -> bool:
    if left.get(method, 0) < 1:
        return False
    left[method] -= 1
    return True
