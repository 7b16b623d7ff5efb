"""The world's hosts, answering as RFC 9728, RFC 8414, RFC 6749 and RFC 7591 say they should."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from reconciler.sandbox.exchange import Response
from reconciler.sandbox.world import ForeignAuthorizationServer, ForeignMcpServer, World

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ID_JAG_PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
_PRM = "/.well-known/oauth-protected-resource"
_METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_PORTS = {"https": 443, "http": 80}


class Unreachable(Exception):
    """Nothing answers at that address."""


@dataclass(frozen=True, slots=True)
class _Place:
    """What stands at one path of one host."""

    answer: Callable[[str], Response]
    status: int | None


class Hosts:
    """Every host of a world, by the name and port that a Host header gives."""

    def __init__(self, world: World) -> None:
        self._places: dict[str, dict[str, _Place]] = {}
        self._down: set[str] = set()
        for server in world.mcp_servers:
            self._add_mcp_server(server)
        for issuer in world.authorization_servers:
            self._add_authorization_server(issuer)

    def knows(self, host: str) -> bool:
        return _canonical(host) in self._places

    def answer(self, method: str, host: str, path: str) -> Response:
        """What that host answers; Unreachable if it is down or not in the world."""
        name = _canonical(host)
        if name not in self._places or name in self._down:
            raise Unreachable(name)
        place = self._places[name].get(path or "/")
        if place is None:
            return Response(404, {"error": "not_found"})
        return Response(place.status, {"error": "server_error"}) if place.status else place.answer(method)

    def fetch(self, method: str, url: str) -> Response:
        """The answer to a request for that URL; Unreachable if there can't be one."""
        try:
            parts = urlsplit(url)
            return self.answer(method, _host_of(url), parts.path)
        except ValueError:
            raise Unreachable(url) from None

    def _put(self, url: str, path: str, place: _Place) -> None:
        self._places.setdefault(_host_of(url), {}).setdefault(path, place)

    def _add_mcp_server(self, server: ForeignMcpServer) -> None:
        parts = urlsplit(server.url)
        path = parts.path.rstrip("/")
        known_at = f"{parts.scheme}://{parts.netloc}{_PRM}{path}"
        challenge = {"WWW-Authenticate": f'Bearer resource_metadata="{known_at}"' if server.metadata else "Bearer"}
        resource = _Place(lambda _: Response(401, {"error": "invalid_token"}, dict(challenge)), server.status)
        metadata = _Place(_published(_resource_metadata(server), server.metadata), server.status)
        self._put(server.url, parts.path or "/", resource)
        for where in (_PRM + path, path + _PRM, _PRM):
            self._put(server.url, where, metadata)
        if server.down:
            self._down.add(_host_of(server.url))

    def _add_authorization_server(self, server: ForeignAuthorizationServer) -> None:
        path = urlsplit(server.issuer).path.rstrip("/")
        metadata = _Place(_published(_issuer_metadata(server), server.metadata), server.status)
        for known in _METADATA:
            self._put(server.issuer, known + path, metadata)
            self._put(server.issuer, path + known, metadata)
        self._put_endpoint(server.authorization_endpoint, server.status, _authorize)
        self._put_endpoint(server.token_endpoint, server.status, _token)
        if server.registration_endpoint:
            self._put_endpoint(server.registration_endpoint, server.status, _register)
        if server.down:
            self._down.add(_host_of(server.issuer))

    def _put_endpoint(self, url: str, status: int | None, answer: Callable[[str], Response]) -> None:
        self._put(url, urlsplit(url).path or "/", _Place(answer, status))


def _published(document: dict[str, Any], is_published: bool) -> Callable[[str], Response]:
    def answer(method: str) -> Response:
        if not is_published:
            return Response(404, {"error": "not_found"})
        return Response(200, document) if method == "GET" else Response(405)

    return answer


def _resource_metadata(server: ForeignMcpServer) -> dict[str, Any]:
    document: dict[str, Any] = {
        "resource": server.published_resource or server.url,
        "bearer_methods_supported": ["header"],
    }
    if server.authorization_servers is not None:
        document["authorization_servers"] = list(server.authorization_servers)
    if server.scopes:
        document["scopes_supported"] = list(server.scopes)
    if server.name:
        document["resource_name"] = server.name
    return document


def _issuer_metadata(server: ForeignAuthorizationServer) -> dict[str, Any]:
    document: dict[str, Any] = {
        "issuer": server.published_issuer or server.issuer,
        "authorization_endpoint": server.authorization_endpoint,
        "token_endpoint": server.token_endpoint,
        "response_types_supported": ["code"],
        "grant_types_supported": [*server.grant_types, *([JWT_BEARER] if server.id_jag else [])],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
    }
    if server.registration_endpoint:
        document["registration_endpoint"] = server.registration_endpoint
    if server.scopes:
        document["scopes_supported"] = list(server.scopes)
    if server.id_jag:
        document["authorization_grant_profiles_supported"] = [ID_JAG_PROFILE]
    return document


def _authorize(method: str) -> Response:
    return Response(400, {"error": "invalid_request"})


def _token(method: str) -> Response:
    return Response(401, {"error": "invalid_client"}) if method == "POST" else Response(405)


def _register(method: str) -> Response:
    if method != "POST":
        return Response(405)
    return Response(201, {"client_id": "dynamically-registered", "client_id_issued_at": 0})


def _host_of(url: str) -> str:
    """Host and port of a URL, the port left out where the scheme implies it."""
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    name = f"[{name}]" if ":" in name else name
    return name if parts.port in (None, _PORTS.get(parts.scheme)) else f"{name}:{parts.port}"


def _canonical(host: str) -> str:
    name, _, port = host.lower().rpartition(":")
    return name if name and port in ("443", "80") else host.lower()
