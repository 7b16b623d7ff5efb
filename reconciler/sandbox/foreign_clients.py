"""The clients of one authorization server of the world: its endpoints, which tell those it knows from strangers.

A client that registers itself (RFC 7591) gets credentials that are derived from its id, so that they hold as long as
the world file does, however often the sandbox is started.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.world import ForeignAuthorizationServer

_PREFIX = "registered-"
_ECHOED = ("client_name", "redirect_uris", "grant_types", "response_types", "token_endpoint_auth_method", "scope")

Answering = Callable[[Request], Response]


class ForeignClients:
    """`forgotten` are the ids of registered clients that were deleted since the sandbox was started."""

    def __init__(self, server: ForeignAuthorizationServer) -> None:
        self._server = server
        self.forgotten: set[str] = set()

    def endpoints(self) -> Mapping[str, Answering]:
        """By URL. What is below the registration endpoint belongs to it: the registered clients (RFC 7592)."""
        server = self._server
        found = {server.authorization_endpoint: self._authorize, server.token_endpoint: self._token}
        if server.registration_endpoint:
            found[server.registration_endpoint] = self._register
        return found

    def knows(self, client: str, secret: str) -> bool:
        """Where the world says nothing of clients, a stranger is who has no secret but its own name."""
        expected = self.secret_of(client)
        if expected is None:
            return self._server.clients is None and bool(secret) and secret != client
        return secrets.compare_digest(secret.encode(), expected.encode())

    def secret_of(self, client: str) -> str | None:
        """None: a stranger."""
        if client.startswith(_PREFIX) and client not in self.forgotten:
            return self._derived("secret", client)
        return (self._server.clients or {}).get(client)

    def _authorize(self, request: Request) -> Response:
        """RFC 6749 section 4.1.2.1: a stranger is not sent back anywhere. Nobody is signed in."""
        target = request.query.get("redirect_uri")
        if self.secret_of(request.query.get("client_id", "")) is None or not target:
            return Response(400, {"error": "invalid_request"})
        answer = {"error": "login_required", "state": request.query.get("state", "")}
        return Response(302, None, {"Location": f"{target}?{urlencode(answer)}"})

    def _token(self, request: Request) -> Response:
        """There is no grant that is good here: who is known learns that, who isn't only that."""
        if request.method != "POST":
            return Response(405)
        if self.knows(*_credentials(request)):
            return Response(400, {"error": "invalid_grant"})
        return Response(401, {"error": "invalid_client"})

    def _register(self, request: Request) -> Response:
        endpoint = self._server.registration_endpoint or ""
        client = request.path.rpartition("/")[2]
        if client.startswith(_PREFIX):
            return self._manage(request, client, endpoint)
        if request.method != "POST":
            return Response(405)
        try:
            wanted = request.json() if request.body else {}
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            return Response(400, {"error": "invalid_client_metadata"})
        return Response(201, self._shown(f"{_PREFIX}{secrets.token_hex(8)}", wanted, endpoint))

    def _manage(self, request: Request, client: str, endpoint: str) -> Response:
        """RFC 7592 section 2: an unknown client and a wrong token are both 401."""
        token = request.headers.get("authorization", "").partition(" ")[2]
        right = self._derived("token", client)
        if client in self.forgotten or not secrets.compare_digest(token.encode(), right.encode()):
            return Response(401, {"error": "invalid_token"})
        if request.method == "DELETE":
            self.forgotten.add(client)
            return Response(204)
        wanted = json.loads(request.body) if request.method == "PUT" else {}
        return (
            Response(200, self._shown(client, wanted, endpoint)) if request.method in ("GET", "PUT") else Response(405)
        )

    def _shown(self, client: str, wanted: Mapping[str, Any], endpoint: str) -> dict[str, Any]:
        return {
            **{name: wanted[name] for name in _ECHOED if name in wanted},
            "client_id": client,
            "client_secret": self._derived("secret", client),
            "client_id_issued_at": 0,
            "client_secret_expires_at": 0,
            "registration_access_token": self._derived("token", client),
            "registration_client_uri": f"{endpoint}/{client}",
        }

    def _derived(self, purpose: str, client: str) -> str:
        return hashlib.sha256(f"{purpose} {client} {self._server.issuer}".encode()).hexdigest()[:40]


def _credentials(request: Request) -> tuple[str, str]:
    """By HTTP Basic (RFC 6749 section 2.3.1) or in the form."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            client, _, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        except ValueError:
            return "", ""
        return unquote(client), unquote(secret)
    form = dict(parse_qsl(request.body.decode("utf-8", "replace")))
    return form.get("client_id", ""), form.get("client_secret", "")
