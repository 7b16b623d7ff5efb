"""The world's hosts, answering as RFC 9728, RFC 8414, RFC 6749 and RFC 7591 say they should."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.foreign_clients import Answering, ForeignClients
from reconciler.sandbox.troubles import Troubled, Unreachable
from reconciler.sandbox.world import ForeignAuthorizationServer, ForeignMcpServer, World

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ID_JAG_PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
_PRM = "/.well-known/oauth-protected-resource"
_METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class _Place:
    """What stands at one path of one host, and below it where `deep`."""

    answer: Answering
    status: int | None
    troubled: Troubled
    deep: bool = False


class Hosts:
    """Every host of a world, by the name and port that a Host header gives."""

    def __init__(self, world: World) -> None:
        self._places: dict[str, dict[str, _Place]] = {}
        self._down: set[str] = set()
        for server in world.mcp_servers:
            self._add_mcp_server(server)
        for issuer in world.authorization_servers:
            self._add_authorization_server(issuer)

    @property
    def names(self) -> list[str]:
        """As they stand in a Host header."""
        return sorted(self._places)

    def knows(self, host: str) -> bool:
        return _canonical(host) in self._places

    def answer(self, request: Request) -> Response:
        """What the host it is for answers; Unreachable if that is down, in such trouble, or not in the world."""
        name = _canonical(request.host)
        if name not in self._places or name in self._down:
            raise Unreachable(name)
        place = self._at(name, request.path or "/")
        if place is None:
            return Response(404, {"error": "not_found"})
        if place.status:
            return Response(place.status, {"error": "server_error"})
        return place.troubled.answer(partial(place.answer, request))

    def fetch(self, method: str, url: str) -> Response:
        """The answer to a bare request for that URL; Unreachable if there can't be one."""
        try:
            parts = urlsplit(url)
            origin, query = f"{parts.scheme}://{parts.netloc}", dict(parse_qsl(parts.query))
            return self.answer(Request(method, parts.path, query, {}, b"", origin, _host_of(url)))
        except ValueError:
            raise Unreachable(url) from None

    def _at(self, name: str, path: str) -> _Place | None:
        places = self._places[name]
        above = places.get(path.rpartition("/")[0])
        return places.get(path) or (above if above is not None and above.deep else None)

    def _put(self, url: str, path: str, place: _Place) -> None:
        self._places.setdefault(_host_of(url), {}).setdefault(path, place)

    def _add_mcp_server(self, server: ForeignMcpServer) -> None:
        parts = urlsplit(server.url)
        path = parts.path.rstrip("/")
        known_at = f"{parts.scheme}://{parts.netloc}{_PRM}{path}"
        challenge = {"WWW-Authenticate": f'Bearer resource_metadata="{known_at}"' if server.metadata else "Bearer"}
        troubled = Troubled(server.trouble)
        resource = _Place(lambda _: Response(401, {"error": "invalid_token"}, dict(challenge)), server.status, troubled)
        metadata = _Place(_published(_resource_metadata(server), server.metadata), server.status, troubled)
        self._put(server.url, parts.path or "/", resource)
        for where in (_PRM + path, path + _PRM, _PRM):
            self._put(server.url, where, metadata)
        if server.down:
            self._down.add(_host_of(server.url))

    def _add_authorization_server(self, server: ForeignAuthorizationServer) -> None:
        path = urlsplit(server.issuer).path.rstrip("/")
        troubled = Troubled(server.trouble)
        metadata = _Place(_published(_issuer_metadata(server), server.metadata), server.status, troubled)
        for known in _METADATA:
            self._put(server.issuer, known + path, metadata)
            self._put(server.issuer, path + known, metadata)
        clients = ForeignClients(server)
        for url, answer in clients.endpoints().items():
            is_deep = url == server.registration_endpoint
            self._put(url, urlsplit(url).path or "/", _Place(answer, server.status, troubled, is_deep))
        if server.down:
            self._down.add(_host_of(server.issuer))


def _published(document: dict[str, Any], is_published: bool) -> Answering:
    def answer(request: Request) -> Response:
        if not is_published:
            return Response(404, {"error": "not_found"})
        return Response(200, document) if request.method == "GET" else Response(405)

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


def _host_of(url: str) -> str:
    """Host and port of a URL, the port left out where the scheme implies it."""
    parts = urlsplit(url)
    name = (parts.hostname or "").lower()
    name = f"[{name}]" if ":" in name else name
    return name if parts.port in (None, _PORTS.get(parts.scheme)) else f"{name}:{parts.port}"


def _canonical(host: str) -> str:
    name, _, port = host.lower().rpartition(":")
    return name if name and port in ("443", "80") else host.lower()
