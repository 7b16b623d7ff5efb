"""Which function answers which request."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reconciler.sandbox import (
    associations,
    authorization_servers,
    client_auth_settings,
    mcp_servers,
    operations,
    org_facts,
    policies,
    published,
    tokens,
)
from reconciler.sandbox.errors import OktaError, no_such_path, wrong_method
from reconciler.sandbox.exchange import Request, Response
from reconciler.sandbox.org import Org

Answering = Callable[[Org, Request], Response]
_SERVERS = "okta.resourceServers.mcpServers"
_AUTHORIZATION_SERVERS = "okta.authorizationServers"
_ROWS = f"{mcp_servers.PATH}/*/authorization-servers"
_POLICIES = f"{authorization_servers.PATH}/*/policies"
_SCOPES = f"{authorization_servers.PATH}/*/scopes"


class Route(NamedTuple):
    """`scope` None: it needs no authentication. A `*` in the pattern is one variable segment."""

    method: str
    pattern: str
    answer: Answering
    scope: str | None


_ROUTES = (
    Route("GET", mcp_servers.PATH, mcp_servers.read_all, _SERVERS),
    Route("POST", mcp_servers.PATH, mcp_servers.create, _SERVERS),
    Route("GET", f"{mcp_servers.PATH}/*", mcp_servers.read, _SERVERS),
    Route("PATCH", f"{mcp_servers.PATH}/*", mcp_servers.update, _SERVERS),
    Route("DELETE", f"{mcp_servers.PATH}/*", mcp_servers.delete, _SERVERS),
    Route("POST", f"{mcp_servers.PATH}/*/lifecycle/activate", mcp_servers.activate, _SERVERS),
    Route("POST", f"{mcp_servers.PATH}/*/lifecycle/deactivate", mcp_servers.deactivate, _SERVERS),
    Route("GET", _ROWS, associations.read_all, _SERVERS),
    Route("POST", _ROWS, associations.create, _SERVERS),
    Route("GET", f"{_ROWS}/*", associations.read, _SERVERS),
    Route("PATCH", f"{_ROWS}/*", associations.update, _SERVERS),
    Route("DELETE", f"{_ROWS}/*", associations.delete, _SERVERS),
    Route("POST", f"{_ROWS}/*/lifecycle/activate", associations.activate, _SERVERS),
    Route("POST", f"{_ROWS}/*/lifecycle/deactivate", associations.deactivate, _SERVERS),
    Route("GET", client_auth_settings.PATH, client_auth_settings.read_all, _SERVERS),
    Route("POST", client_auth_settings.PATH, client_auth_settings.create, _SERVERS),
    Route("GET", f"{client_auth_settings.PATH}/*", client_auth_settings.read, _SERVERS),
    Route("PATCH", f"{client_auth_settings.PATH}/*", client_auth_settings.update, _SERVERS),
    Route("DELETE", f"{client_auth_settings.PATH}/*", client_auth_settings.delete, _SERVERS),
    Route("GET", operations.PATH, operations.read_all, _SERVERS),
    Route("GET", f"{operations.PATH}/*", operations.read, _SERVERS),
    Route("GET", authorization_servers.PATH, authorization_servers.read_all, _AUTHORIZATION_SERVERS),
    Route("POST", authorization_servers.PATH, authorization_servers.create, _AUTHORIZATION_SERVERS),
    Route("GET", f"{authorization_servers.PATH}/*", authorization_servers.read, _AUTHORIZATION_SERVERS),
    Route("PUT", f"{authorization_servers.PATH}/*", authorization_servers.update, _AUTHORIZATION_SERVERS),
    Route("DELETE", f"{authorization_servers.PATH}/*", authorization_servers.delete, _AUTHORIZATION_SERVERS),
    Route(
        "POST",
        f"{authorization_servers.PATH}/*/lifecycle/activate",
        authorization_servers.activate,
        _AUTHORIZATION_SERVERS,
    ),
    Route(
        "POST",
        f"{authorization_servers.PATH}/*/lifecycle/deactivate",
        authorization_servers.deactivate,
        _AUTHORIZATION_SERVERS,
    ),
    Route("GET", _SCOPES, authorization_servers.read_scopes, _AUTHORIZATION_SERVERS),
    Route("POST", _SCOPES, authorization_servers.create_scope, _AUTHORIZATION_SERVERS),
    Route("GET", f"{_SCOPES}/*", authorization_servers.read_scope, _AUTHORIZATION_SERVERS),
    Route("PUT", f"{_SCOPES}/*", authorization_servers.update_scope, _AUTHORIZATION_SERVERS),
    Route("DELETE", f"{_SCOPES}/*", authorization_servers.delete_scope, _AUTHORIZATION_SERVERS),
    *(
        Route(method, pattern, answer, _AUTHORIZATION_SERVERS)
        for base in (_POLICIES, f"{_POLICIES}/*/rules")
        for method, pattern, answer in (
            ("GET", base, policies.read_all),
            ("POST", base, policies.create),
            ("GET", f"{base}/*", policies.read),
            ("PUT", f"{base}/*", policies.update),
            ("DELETE", f"{base}/*", policies.delete),
            ("POST", f"{base}/*/lifecycle/activate", policies.activate),
            ("POST", f"{base}/*/lifecycle/deactivate", policies.deactivate),
        )
    ),
    Route("GET", "/api/v1/org", org_facts.read, "okta.orgs"),
    Route("GET", "/api/v1/logs", org_facts.read_logs, "okta.logs"),
    Route("POST", tokens.PATH, tokens.grant, None),
    *(
        Route("GET", path, answer, None)
        for known in ("oauth-authorization-server", "openid-configuration")
        for path, answer in (
            (f"/.well-known/{known}", published.read_org),
            (f"/.well-known/{known}/oauth2/*", published.read_metadata),
            (f"/oauth2/*/.well-known/{known}", published.read_metadata),
        )
    ),
    Route("GET", "/oauth2/*/v1/keys", published.read_keys, None),
    Route("POST", "/oauth2/*/v1/token", published.grant, None),
)

_BY_LENGTH: dict[int, list[tuple[list[str], dict[str, Route]]]] = {}
for _route in _ROUTES:
    _segments = _route.pattern.split("/")
    _group = _BY_LENGTH.setdefault(len(_segments), [])
    _methods = next((methods for segments, methods in _group if segments == _segments), None)
    if _methods is None:
        _methods = {}
        _group.append((_segments, _methods))
    _methods[_route.method] = _route


def bucket(method: str, path: str) -> str:
    """Which rate limit a request counts against: one for each method and path of the API."""
    try:
        return f"{method} {find_route(method, path)[0].pattern}"
    except OktaError:
        return method


def find_route(method: str, path: str) -> tuple[Route, tuple[str, ...]]:
    """The route of a request and the variable segments of its path; E0000008 or E0000022 if there is none."""
    given = path.split("/")
    for segments, methods in _BY_LENGTH.get(len(given), ()):
        if all(wanted in ("*", there) for wanted, there in zip(segments, given, strict=True)):
            if method not in methods:
                raise wrong_method()
            return methods[method], tuple(g for s, g in zip(segments, given, strict=True) if s == "*")
    raise no_such_path()
