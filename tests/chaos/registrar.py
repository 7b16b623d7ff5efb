"""An authorization server's registration endpoint (RFC 7591 and 7592) that remembers every client it ever made.

`python -m tests.chaos.registrar` serves it on a free port and says where. `GET /clients` lists who is registered now.
"""

from __future__ import annotations

import json
import secrets
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar


class Registrar(BaseHTTPRequestHandler):
    """It takes nothing for granted: whoever registers twice is two clients."""

    clients: ClassVar[dict[str, dict[str, Any]]] = {}

    def do_GET(self) -> None:
        self._answer(200, sorted(self.clients))

    def do_POST(self) -> None:
        wanted = self._body()
        client = f"client-{secrets.token_hex(6)}"
        here = f"http://127.0.0.1:{self.server.server_address[1]}/register/{client}"
        told = {"client_id": client, "client_secret": secrets.token_hex(8), "registration_client_uri": here}
        self.clients[client] = {**wanted, **told, "registration_access_token": secrets.token_hex(8)}
        self._answer(201, self.clients[client])

    def do_PUT(self) -> None:
        if self._is_known():
            self.clients[self._client()].update(self._body())
            self._answer(200, self.clients[self._client()])

    def do_DELETE(self) -> None:
        if self._is_known():
            del self.clients[self._client()]
            self._answer(204, None)

    def log_message(self, *told: object) -> None:
        """Nobody listens."""

    def _client(self) -> str:
        return self.path.rpartition("/")[2]

    def _is_known(self) -> bool:
        """RFC 7592 section 2: an unknown client and a wrong token are both 401."""
        held = self.clients.get(self._client(), {}).get("registration_access_token")
        if self.headers.get("authorization") == f"Bearer {held}":
            return True
        self._answer(401, {"error": "invalid_token"})
        return False

    def _body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))))
        return found

    def _answer(self, status: int, body: Any) -> None:
        data = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Registrar) as server:
        print(f"listening on http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()
